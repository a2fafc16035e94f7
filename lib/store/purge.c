#include "lib/store/purge_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/civil.h"
#include "lib/base/memory.h"
#include "lib/mail/msgid.h"
#include "lib/store/rows.h"

#define PAGE_ROWS        500
#define BATCH_MESSAGES   200 /* that one transaction removes */
#define BATCH_ROWS       500
#define SWEEP_ROWS       2000
#define CHECKPOINT_PAGES 1000
#define EMPTY_MS         10000
#define PAUSE_NS         2000000

void id_list_add(struct id_list *list, int64_t id)
{
	list->items = rows_add(list->items, &list->count, sizeof(*list->items));
	list->items[list->count - 1] = id;
}

void id_list_release(struct id_list *list)
{
	free(list->items);
	*list = (struct id_list){0};
}

int purge_begin(struct store *store, struct error *err)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_NS};

	nanosleep(&pause, NULL);
	if (store_is_stopped(store))
		return error_set(err, ERROR_TEMPORARY, "cannot %s in %s: it was told to stop",
		                 store->doing, store->path);
	if (store_checkpoint(store, CHECKPOINT_PAGES, false, err) < 0)
		return -1;
	store->doing = "purge";
	return transaction_begin(store, store_clock_ms() + PURGE_LOCK_MS, err);
}

int purge_end(struct store *store, int status, struct error *err)
{
	if (status < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err) < 0 ? -1 : status;
}

/* Run a statement with an id as ?1. Returns how many rows it changed, or -1. */
static int run_with_id(struct store *store, const char *sql, int64_t id, struct error *err)
{
	struct statement change;

	statement_begin(&change, store, sql);
	bind_int(&change, 1, id);
	return statement_run(&change, err) < 0 ? -1 : sqlite3_changes(store->db);
}

int purge_list_ids(struct store *store, const char *sql, int64_t number, const char *text,
                   struct id_list *out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, sql);
	bind_int(&query, 1, number);
	if (text != NULL)
		bind_text(&query, 2, text, KEPT_ADDRESS_BYTES);
	while ((status = statement_step(&query, err)) > 0)
		id_list_add(out, column_int(&query, 0));
	statement_end(&query);
	return status;
}

int purge_notices(struct store *store, const struct id_list *notices, struct error *err)
{
	for (size_t i = 0; i < notices->count; i++)
		if (run_with_id(store,
		                "DELETE FROM notice WHERE id = ?1"
		                " AND NOT EXISTS (SELECT 1 FROM alert WHERE notice = ?1)",
		                notices->items[i], err) < 0)
			return -1;
	return 0;
}

static int remove_messages(struct store *store, int64_t conversation, int64_t max,
                           struct error *err)
{
	struct statement change;

	statement_begin(&change, store,
	                "DELETE FROM message WHERE id IN (SELECT id FROM message"
	                " WHERE conversation = ?1 ORDER BY received_at LIMIT ?2)");
	bind_int(&change, 1, conversation);
	bind_int(&change, 2, max);
	return statement_run(&change, err) < 0 ? -1 : sqlite3_changes(store->db);
}

int purge_conversation(struct store *store, int64_t conversation, int64_t *budget,
                       struct purged *out, struct error *err)
{
	struct id_list notices = {0};
	int removed = remove_messages(store, conversation, *budget, err);
	int status = -1;

	if (removed < 0)
		return -1;
	*budget -= removed;
	out->messages += removed;
	if (*budget <= 0)
		return 0;
	if (purge_list_ids(store,
	                   "SELECT DISTINCT a.notice FROM wait w JOIN alert a ON a.wait = w.id"
	                   " WHERE w.conversation = ?1",
	                   conversation, NULL, &notices, err) == 0 &&
	    run_with_id(store, "DELETE FROM conversation WHERE id = ?1", conversation, err) >= 0 &&
	    purge_notices(store, &notices, err) == 0) {
		out->conversations++;
		status = 1;
	}
	id_list_release(&notices);
	return status;
}

int purge_rows(struct store *store, const char *sql, const struct id_list *ids, struct error *err)
{
	for (size_t i = 0; i < ids->count;) {
		size_t stop = ids->count - i > BATCH_ROWS ? i + BATCH_ROWS : ids->count;
		int status = 0;

		if (purge_begin(store, err) < 0)
			return -1;
		for (; i < stop && status >= 0; i++)
			status = run_with_id(store, sql, ids->items[i], err);
		if (purge_end(store, status, err) < 0)
			return -1;
	}
	return 0;
}

/* The next page of conversations that are old and in which nobody waits. */
static int list_old(struct store *store, int64_t before, int64_t *updated_at, int64_t *id,
                    struct id_list *out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT c.id, c.updated_at FROM conversation c WHERE c.updated_at < ?1"
	                " AND c.updated_at >= ?2 AND (c.updated_at > ?2 OR c.id > ?3)"
	                " AND NOT EXISTS (SELECT 1 FROM wait w WHERE w.conversation = c.id"
	                " AND w.ended_at IS NULL) ORDER BY c.updated_at, c.id LIMIT ?4");
	bind_int(&query, 1, before);
	bind_int(&query, 2, *updated_at);
	bind_int(&query, 3, *id);
	bind_int(&query, 4, PAGE_ROWS);
	while ((status = statement_step(&query, err)) > 0) {
		*id = column_int(&query, 0);
		*updated_at = column_int(&query, 1);
		id_list_add(out, *id);
	}
	statement_end(&query);
	return status;
}

/* Somebody may have written since it was listed: 1, 0 or -1. */
static int is_old(struct store *store, int64_t conversation, int64_t before, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT 1 FROM conversation c WHERE c.id = ?1 AND c.updated_at < ?2"
	                " AND NOT EXISTS (SELECT 1 FROM wait w WHERE w.conversation = c.id"
	                " AND w.ended_at IS NULL)");
	bind_int(&query, 1, conversation);
	bind_int(&query, 2, before);
	status = statement_step(&query, err);
	statement_end(&query);
	return status;
}

/* As many of them as one transaction may: *at is where the next one goes on. */
static int remove_some(struct store *store, const struct id_list *ids, size_t *at, int64_t before,
                       struct purged *out, struct error *err)
{
	int64_t budget = BATCH_MESSAGES;
	struct purged sum = *out;
	size_t i = *at;
	int status = 0;

	if (purge_begin(store, err) < 0)
		return -1;
	while (i < ids->count && i - *at < BATCH_ROWS && budget > 0 && status >= 0) {
		status = is_old(store, ids->items[i], before, err);
		if (status > 0)
			status = purge_conversation(store, ids->items[i], &budget, &sum, err);
		/* What is left of it is the next one's. */
		if (budget > 0)
			i++;
	}
	if (purge_end(store, status, err) < 0)
		return -1;
	*at = i;
	*out = sum;
	return 0;
}

static int count_messages(struct store *store, const struct id_list *ids, struct purged *out,
                          struct error *err)
{
	for (size_t i = 0; i < ids->count; i++) {
		struct statement query;
		int status;

		statement_begin(&query, store,
		                "SELECT count(*) FROM message WHERE conversation = ?1");
		bind_int(&query, 1, ids->items[i]);
		status = statement_step(&query, err);
		if (status > 0)
			out->messages += column_int(&query, 0);
		statement_end(&query);
		if (status < 0)
			return -1;
	}
	out->conversations += (int64_t)ids->count;
	return 0;
}

static int remove_old(struct store *store, int64_t before, bool is_trial, struct purged *out,
                      struct error *err)
{
	int64_t updated_at = INT64_MIN, id = 0;
	struct id_list ids = {0};
	int status = 0;
	size_t count;

	do {
		id_list_release(&ids);
		status = list_old(store, before, &updated_at, &id, &ids, err);
		if (status == 0 && is_trial)
			status = count_messages(store, &ids, out, err);
		for (size_t at = 0; status == 0 && !is_trial && at < ids.count;)
			status = remove_some(store, &ids, &at, before, out, err);
		count = ids.count;
	} while (status == 0 && count > 0);
	id_list_release(&ids);
	return status;
}

/* 1 and the last id of the next page of message_id, 0 at the end, or -1. */
static int next_page(struct store *store, const char *after, char **last_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT max(msgid) FROM (SELECT msgid FROM message_id WHERE msgid > ?1"
	                " ORDER BY msgid LIMIT ?2)");
	bind_text(&query, 1, after, MSGID_MAX_BYTES);
	bind_int(&query, 2, SWEEP_ROWS);
	status = statement_step(&query, err);
	*last_out = status > 0 ? column_copy(&query, 0) : NULL;
	statement_end(&query);
	return status < 0 ? -1 : *last_out != NULL;
}

#define IDS_TO_REMOVE                                                                              \
	" FROM message_id WHERE msgid > ?1 AND msgid <= ?2 AND (names_in_id(msgid)"                \
	" OR NOT EXISTS (SELECT 1 FROM message m WHERE m.id = message_id.message))"

/* Of the ids after the one and up to the other. */
static int sweep_page(struct store *store, const char *sql, const char *after, const char *last,
                      struct error *err)
{
	struct statement statement;
	int status;

	statement_begin(&statement, store, sql);
	bind_text(&statement, 1, after, MSGID_MAX_BYTES);
	bind_text(&statement, 2, last, MSGID_MAX_BYTES);
	status = statement_step(&statement, err);
	statement_end(&statement);
	return status;
}

/* Ids have no index by message, which would make the table half as large again: so all are seen. */
int purge_ids(struct store *store, struct error *err)
{
	char *after = xstrdup(""), *last;
	int status;

	while ((status = next_page(store, after, &last, err)) > 0) {
		status = sweep_page(store, "SELECT 1" IDS_TO_REMOVE " LIMIT 1", after, last, err);
		if (status > 0 && (status = purge_begin(store, err)) == 0)
			status = purge_end(
				store, sweep_page(store, "DELETE" IDS_TO_REMOVE, after, last, err),
				err);
		free(after);
		after = last;
		if (status < 0)
			break;
	}
	free(after);
	return status;
}

/* Rows of their own that are old: what tells of no wait and no message. */
static int remove_listed(struct store *store, const char *list, const char *remove, int64_t before,
                         struct error *err)
{
	struct id_list ids = {0};
	int status = purge_list_ids(store, list, before, NULL, &ids, err);

	if (status == 0)
		status = purge_rows(store, remove, &ids, err);
	id_list_release(&ids);
	return status;
}

/* Was nothing done for the inbox of that name since? 1, 0 or -1. */
static int is_inbox_old(struct store *store, const char *account, int64_t before, struct error *err)
{
	struct statement query;
	int status, is_it = 0;

	statement_begin(
		&query, store,
		"SELECT max(coalesce((SELECT max(done_at) FROM uidl WHERE account = ?1), 0),"
		" coalesce((SELECT polled_at FROM inbox WHERE account = ?1), 0)) < ?2");
	bind_text(&query, 1, account, KEPT_NAME_BYTES);
	bind_int(&query, 2, before);
	status = statement_step(&query, err);
	if (status > 0)
		is_it = column_int(&query, 0) != 0;
	statement_end(&query);
	return status < 0 ? -1 : is_it;
}

static int remove_inbox(struct store *store, const char *account, struct error *err)
{
	static const char *const changes[] = {
		"DELETE FROM uidl WHERE account = ?1 AND uidl IN"
		" (SELECT uidl FROM uidl WHERE account = ?1 LIMIT 500)",
		"DELETE FROM inbox WHERE account = ?1",
		"DELETE FROM maildrop WHERE account = ?1",
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]);) {
		struct statement change;
		int status;

		if (purge_begin(store, err) < 0)
			return -1;
		statement_begin(&change, store, changes[i]);
		bind_text(&change, 1, account, KEPT_NAME_BYTES);
		status = statement_run(&change, err);
		i += status < 0 || sqlite3_changes(store->db) == 0;
		if (purge_end(store, status, err) < 0)
			return -1;
	}
	return 0;
}

static int next_inbox(struct store *store, const char *after, char **name_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT min(name) FROM (SELECT min(account) AS name FROM uidl"
	                " WHERE account > ?1"
	                " UNION ALL SELECT min(account) FROM inbox WHERE account > ?1)");
	bind_text(&query, 1, after, KEPT_NAME_BYTES);
	status = statement_step(&query, err);
	*name_out = status > 0 ? column_copy(&query, 0) : NULL;
	statement_end(&query);
	return status < 0 ? -1 : *name_out != NULL;
}

/* What was fetched is known for as long as somebody may fetch it again. */
static int remove_inboxes(struct store *store, const struct string_list *accounts, int64_t before,
                          bool is_trial, struct purged *out, struct error *err)
{
	char *after = xstrdup(""), *name;
	int status;

	while ((status = next_inbox(store, after, &name, err)) > 0) {
		free(after);
		after = name;
		if (string_list_has_nocase(accounts, name))
			continue;
		status = is_inbox_old(store, name, before, err);
		if (status > 0 && !is_trial)
			status = remove_inbox(store, name, err) < 0 ? -1 : 1;
		if (status < 0)
			break;
		out->inboxes += status;
	}
	free(after);
	return status;
}

int purge_finish(struct store *store, struct purged *out, struct error *err)
{
	int status = store_empty_wal(store, store_clock_ms() + EMPTY_MS, err);

	out->is_in_wal = status == 0;
	return status < 0 ? -1 : 0;
}

int store_purge_older(struct store *store, const struct string_list *accounts, int64_t before,
                      bool is_trial, struct purged *out, struct error *err)
{
	*out = (struct purged){0};
	store->doing = "purge";
	if (purge_names_begin(store, NULL, err) < 0 ||
	    (!is_trial && store_run(store, "PRAGMA secure_delete = ON", err) < 0) ||
	    remove_old(store, before, is_trial, out, err) < 0 ||
	    remove_inboxes(store, accounts, before, is_trial, out, err) < 0)
		return -1;
	if (is_trial)
		return 0;
	if (remove_listed(store,
	                  "SELECT id FROM letter WHERE message IS NULL AND state <> 'open'"
	                  " AND ended_at < ?1",
	                  "DELETE FROM letter WHERE id = ?1", before, err) < 0 ||
	    remove_listed(store,
	                  "SELECT id FROM notice WHERE state <> 'open' AND ended_at < ?1"
	                  " AND NOT EXISTS (SELECT 1 FROM alert WHERE notice = notice.id)",
	                  "DELETE FROM notice WHERE id = ?1"
	                  " AND NOT EXISTS (SELECT 1 FROM alert WHERE notice = ?1)",
	                  before, err) < 0 ||
	    remove_listed(store, "SELECT DISTINCT day FROM account_day WHERE day < ?1 / 86400",
	                  "DELETE FROM account_day WHERE day = ?1", before, err) < 0 ||
	    purge_ids(store, err) < 0)
		return -1;
	return purge_finish(store, out, err);
}
