#include "lib/store/alert.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/store/database.h"
#include "lib/store/rows.h"

#define NEVER "9223372036854775807" /* DUE_NEVER */

#define NOTICE_ID_TRIES_MAX                                                                        \
	(1 << 15) /* all counters of a millisecond; those of the next are free */

/*
 * A wait that runs, in an open conversation.  CROSS JOIN, so that the wait comes
 * first: its index leads to the few that matter.
 */
#define FROM_RUNNING                                                                               \
	" FROM wait w CROSS JOIN conversation c WHERE c.id = w.conversation"                       \
	" AND c.state = 'open' AND w.ended_at IS NULL"
/* The same where there is nothing but the wait. */
#define IS_RUNNING                                                                                 \
	" wait.ended_at IS NULL AND EXISTS (SELECT 1 FROM conversation c"                          \
	" WHERE c.id = wait.conversation AND c.state = 'open')"

void planned_waits_free(struct planned_wait *waits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(waits[i].account);
		free(waits[i].owner);
	}
	free(waits);
}

/* Run a query that is begun and bound, and end it. */
static int list_waits(struct statement *query, struct planned_wait **waits_out, size_t *count_out,
                      struct error *err)
{
	int status;

	while ((status = statement_step(query, err)) > 0) {
		struct planned_wait *wait;

		*waits_out = rows_add(*waits_out, count_out, sizeof(**waits_out));
		wait = &(*waits_out)[*count_out - 1];
		wait->wait = column_int(query, 0);
		wait->started_at = column_int(query, 1);
		wait->level = (int)column_int(query, 2);
		wait->account = column_copy(query, 3);
		wait->due_at = column_int(query, 4);
		wait->owner = column_copy(query, 5);
		wait->snoozed_until = column_int(query, 6);
	}
	statement_end(query);
	if (status < 0) {
		planned_waits_free(*waits_out, *count_out);
		*waits_out = NULL;
		*count_out = 0;
	}
	return status;
}

static int64_t limit_value(size_t limit)
{
	return limit > INT32_MAX ? INT32_MAX : (int64_t)limit;
}

int store_list_unplanned(struct store *store, size_t limit, struct planned_wait **waits_out,
                         size_t *count_out, struct error *err)
{
	struct statement query;
	int status;

	*waits_out = NULL;
	*count_out = 0;
	store->doing = "list waits to plan";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT w.id, w.started_at, w.level, c.account, 0, c.owner,"
	                " coalesce(c.snoozed_until, 0)" FROM_RUNNING
	                " AND w.due_at IS NULL ORDER BY w.started_at, w.id LIMIT ?1");
	bind_int(&query, 1, limit_value(limit));
	status = list_waits(&query, waits_out, count_out, err);
	read_end(store);
	return status;
}

int store_list_due(struct store *store, int64_t now, size_t limit, struct planned_wait **waits_out,
                   size_t *count_out, struct error *err)
{
	struct statement query;
	int status;

	*waits_out = NULL;
	*count_out = 0;
	store->doing = "list due waits";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT w.id, w.started_at, w.level, c.account, w.due_at, c.owner,"
	                " coalesce(c.snoozed_until, 0)" FROM_RUNNING
	                " AND w.due_at <= ?1 ORDER BY w.due_at, w.started_at, w.id LIMIT ?2");
	bind_int(&query, 1, now);
	bind_int(&query, 2, limit_value(limit));
	status = list_waits(&query, waits_out, count_out, err);
	read_end(store);
	return status;
}

static int plan_wait(struct store *store, const struct planned_wait *wait, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET level = ?2, due_at = ?3 WHERE id = ?1 AND" IS_RUNNING);
	bind_int(&update, 1, wait->wait);
	bind_int(&update, 2, wait->level);
	bind_int(&update, 3, wait->due_at);
	return statement_run(&update, err);
}

int store_plan_waits(struct store *store, const struct planned_wait *waits, size_t count,
                     int64_t deadline_ms, struct error *err)
{
	store->doing = "plan waits";
	if (count == 0)
		return 0;
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (plan_wait(store, &waits[i], err) < 0) {
			transaction_rollback(store);
			return -1;
		}
	}
	return transaction_commit(store, err);
}

static int unplan_all(struct store *store, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET due_at = NULL WHERE due_at IS NOT NULL AND" IS_RUNNING);
	return statement_run(&update, err);
}

static int end_long_rests(struct store *store, int64_t now, struct error *err)
{
	static const char *const changes[] = {
		"UPDATE notice SET leased_until = ?1 WHERE state = 'open' AND leased_until > ?1 + ?2",
		"UPDATE letter SET leased_until = ?1 WHERE state = 'open' AND leased_until > ?1 + ?2",
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct statement update;

		statement_begin(&update, store, changes[i]);
		bind_int(&update, 1, now);
		bind_int(&update, 2, LEASE_MOST_S);
		if (statement_run(&update, err) < 0)
			return -1;
	}
	return 0;
}

int store_replan_all(struct store *store, int64_t now, int64_t deadline_ms, struct error *err)
{
	store->doing = "plan all waits anew";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	if (unplan_all(store, err) < 0 || end_long_rests(store, now, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

/*
 * Unless somebody snoozed it since it was listed: then it is unplanned.  Who is reminded at the end
 * of a snooze passes no level, but was due.
 */
static int move_wait(struct store *store, const struct planned_wait *wait, int64_t now,
                     struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET level = ?2, due_at = ?3 WHERE id = ?1 AND"
	                " (level < ?2 OR (level = ?2 AND due_at <= ?4))"
	                " AND" IS_RUNNING " AND NOT EXISTS (SELECT 1 FROM conversation s"
	                " WHERE s.id = wait.conversation AND s.snoozed_until > ?4)");
	bind_int(&update, 1, wait->wait);
	bind_int(&update, 2, wait->level);
	bind_int(&update, 3, wait->due_at);
	bind_int(&update, 4, now);
	return statement_run(&update, err);
}

/* Does the wait still run, and was this recipient not told of this level? 1, 0 or -1. */
static int is_to_tell(struct store *store, const struct passed_level *level, const char *recipient,
                      int64_t now, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT 1" FROM_RUNNING " AND w.id = ?1 AND NOT EXISTS"
	                " (SELECT 1 FROM alert a WHERE a.wait = ?1 AND a.level = ?2"
	                " AND a.recipient = ?3)"
	                " AND (?2 >= ?5 OR coalesce(c.snoozed_until, 0) <= ?4)");
	bind_int(&query, 1, level->wait);
	bind_int(&query, 2, level->level);
	bind_text(&query, 3, recipient, KEPT_ADDRESS_BYTES);
	bind_int(&query, 4, now);
	bind_int(&query, 5, ALERT_DIGEST_LEVEL);
	status = statement_step(&query, err);
	statement_end(&query);
	return status;
}

/* A notice that nobody took yet and that may not be told before that moment: 1, 0 or -1. */
static int find_held(struct store *store, const char *recipient, int64_t not_before,
                     int64_t *id_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT id FROM notice WHERE state = 'open' AND leased_until = ?2"
	                " AND attempts = 0 AND recipient = ?1 ORDER BY id LIMIT 1");
	bind_text(&query, 1, recipient, KEPT_ADDRESS_BYTES);
	bind_int(&query, 2, not_before);
	status = statement_step(&query, err);
	if (status > 0)
		*id_out = column_int(&query, 0);
	statement_end(&query);
	return status;
}

static int insert_notice(struct store *store, const char *recipient, int64_t now,
                         int64_t not_before, int64_t *id_out, struct error *err)
{
	/* A process that begins again within a second meets the ids it gave before. */
	for (unsigned i = 0; i < NOTICE_ID_TRIES_MAX; i++) {
		struct statement insert;
		int64_t id = store_new_id(store, now * 1000);

		statement_begin(&insert, store,
		                "INSERT INTO notice (id, recipient, created_at, leased_until)"
		                " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO NOTHING");
		bind_int(&insert, 1, id);
		bind_text(&insert, 2, recipient, KEPT_ADDRESS_BYTES);
		/* The mail is dated so. */
		bind_int(&insert, 3, not_before > 0 ? not_before : now);
		bind_int(&insert, 4, not_before);
		if (statement_run(&insert, err) < 0)
			return -1;
		if (sqlite3_changes(store->db) > 0) {
			*id_out = id;
			return 0;
		}
	}
	return error_set(err, ERROR_TEMPORARY, "cannot %s in %s: no id is free", store->doing,
	                 store->path);
}

static int insert_alert(struct store *store, const struct passed_level *level,
                        const char *recipient, int64_t notice, struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO alert (wait, level, recipient, notice, due_at)"
	                " VALUES (?1, ?2, ?3, ?4, ?5)");
	bind_int(&insert, 1, level->wait);
	bind_int(&insert, 2, level->level);
	bind_text(&insert, 3, recipient, KEPT_ADDRESS_BYTES);
	bind_int(&insert, 4, notice);
	bind_int(&insert, 5, level->due_at);
	return statement_run(&insert, err);
}

/* The notice of a group that has none yet. */
static int open_notice(struct store *store, const struct passed_level *level, const char *recipient,
                       int64_t now, int64_t *notice, struct error *err)
{
	int64_t not_before = level->not_before > now ? level->not_before : 0;
	int found = 0;

	if (not_before > 0)
		found = find_held(store, recipient, not_before, notice, err);
	if (found != 0)
		return found < 0 ? -1 : 0;
	return insert_notice(store, recipient, now, not_before, notice, err);
}

/* *notice is that of the level's group, 0 as long as there is none. */
static int add_level(struct store *store, const struct passed_level *level, int64_t *notice,
                     int64_t now, struct error *err)
{
	char recipient[KEPT_ADDRESS_BYTES + 1];
	int status;

	address_key(recipient, level->recipient);
	status = is_to_tell(store, level, recipient, now, err);
	if (status <= 0)
		return status;
	if (*notice == 0 && open_notice(store, level, recipient, now, notice, err) < 0)
		return -1;
	return insert_alert(store, level, recipient, *notice, err);
}

static int create_notices(struct store *store, const struct passed_level *levels, size_t count,
                          const struct planned_wait *moved, size_t moved_count, int64_t now,
                          int64_t *notices, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (levels[i].group >= count)
			return error_set(err, ERROR_PERMANENT,
			                 "cannot %s in %s: group %zu of %zu levels", store->doing,
			                 store->path, levels[i].group, count);
		if (add_level(store, &levels[i], &notices[levels[i].group], now, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < moved_count; i++)
		if (move_wait(store, &moved[i], now, err) < 0)
			return -1;
	return 0;
}

int store_create_notices(struct store *store, const struct passed_level *levels, size_t count,
                         const struct planned_wait *moved, size_t moved_count, int64_t now,
                         int64_t deadline_ms, struct error *err)
{
	int64_t *notices; /* by group */
	int status;

	store->doing = "create notices";
	if (count == 0 && moved_count == 0)
		return 0;
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	notices = xzalloc((count + 1) * sizeof(*notices));
	status = create_notices(store, levels, count, moved, moved_count, now, notices, err);
	free(notices);
	if (status < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

int store_list_waiting(struct store *store, const char *account, size_t limit,
                       struct planned_wait **waits_out, size_t *count_out, struct error *err)
{
	struct statement query;
	int status;

	*waits_out = NULL;
	*count_out = 0;
	store->doing = "list who waits";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT w.id, w.started_at, w.level, c.account, w.due_at, c.owner,"
	                " coalesce(c.snoozed_until, 0)" FROM_RUNNING
	                " AND c.account = ?1 COLLATE NOCASE ORDER BY w.started_at, w.id LIMIT ?2");
	bind_text(&query, 1, account, KEPT_NAME_BYTES);
	bind_int(&query, 2, limit_value(limit));
	status = list_waits(&query, waits_out, count_out, err);
	read_end(store);
	return status;
}

static int find_digest_day(struct store *store, const char *account, int64_t *day_out,
                           struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, "SELECT day FROM digest WHERE account = ?1");
	bind_text(&query, 1, account, KEPT_NAME_BYTES);
	status = statement_step(&query, err);
	if (status > 0)
		*day_out = column_int(&query, 0);
	statement_end(&query);
	return status;
}

int store_digest_day(struct store *store, const char *account, int64_t *day_out, struct error *err)
{
	int status;

	store->doing = "look for the last digest";
	if (read_begin(store, err) < 0)
		return -1;
	status = find_digest_day(store, account, day_out, err);
	read_end(store);
	return status;
}

static int set_digest_day(struct store *store, const char *account, int64_t day, struct error *err)
{
	struct statement upsert;

	statement_begin(&upsert, store,
	                "INSERT INTO digest (account, day) VALUES (?1, ?2)"
	                " ON CONFLICT (account) DO UPDATE SET day = ?2");
	bind_text(&upsert, 1, account, KEPT_NAME_BYTES);
	bind_int(&upsert, 2, day);
	return statement_run(&upsert, err);
}

static int create_digest(struct store *store, const char *account, int64_t day,
                         const struct passed_level *levels, size_t count, int64_t now,
                         int64_t *notices, struct error *err)
{
	int64_t last;
	int found = find_digest_day(store, account, &last, err);

	if (found < 0)
		return -1;
	if (found > 0 && last >= day && last <= day + 1)
		return 0;
	if (set_digest_day(store, account, day, err) < 0)
		return -1;
	return found == 0 || last > day
	               ? 0
	               : create_notices(store, levels, count, NULL, 0, now, notices, err);
}

int store_create_digest(struct store *store, const char *account, int64_t day,
                        const struct passed_level *levels, size_t count, int64_t now,
                        int64_t deadline_ms, struct error *err)
{
	int64_t *notices; /* by group */
	int status;

	store->doing = "create a digest";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	notices = xzalloc((count + 1) * sizeof(*notices));
	status = create_digest(store, account, day, levels, count, now, notices, err);
	free(notices);
	if (status < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

int store_next_due(struct store *store, int64_t *at_out, struct error *err)
{
	int status;

	store->doing = "look for what is due next";
	if (read_begin(store, err) < 0)
		return -1;
	status = read_number(
		store,
		"SELECT CASE WHEN EXISTS (SELECT 1" FROM_RUNNING " AND w.due_at IS NULL) THEN 0"
		" ELSE min("
		"coalesce((SELECT w.due_at" FROM_RUNNING " AND w.due_at < " NEVER
		" ORDER BY w.due_at LIMIT 1), " NEVER "), "
		"coalesce((SELECT CASE leased_until WHEN 0 THEN created_at ELSE leased_until END"
		" FROM notice WHERE state = 'open' ORDER BY leased_until, id LIMIT 1), " NEVER
		")) END",
		at_out, err);
	read_end(store);
	return status;
}

int store_data_version(struct store *store, int64_t *out, struct error *err)
{
	store->doing = "look for changes";
	return read_number(store, "PRAGMA data_version", out, err);
}
