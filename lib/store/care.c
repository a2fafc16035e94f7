#include "lib/store/care.h"

#include "lib/store/care_internal.h"
#include "lib/store/database.h"
#include "lib/store/wait.h"

/* Run a change of one conversation, ?1, at ?2. 1, 0 if there is none, -1. */
static int change(struct statement *update, int64_t conversation, int64_t now, struct error *err)
{
	struct store *store = update->store;

	bind_int(update, 1, conversation);
	bind_int(update, 2, now);
	if (statement_run(update, err) < 0)
		return -1;
	return sqlite3_changes(store->db) > 0;
}

/* When the next levels are passed depends on what changed. */
static int unplan_waits(struct store *store, int64_t conversation, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET due_at = NULL WHERE conversation = ?1"
	                " AND ended_at IS NULL");
	bind_int(&update, 1, conversation);
	return statement_run(&update, err);
}

static int close_it(struct store *store, const struct config *config, int64_t conversation,
                    int64_t now, struct error *err)
{
	struct statement update;
	int changed;

	statement_begin(&update, store,
	                "UPDATE conversation SET state = 'closed', snoozed_until = NULL,"
	                " closed_at = CASE WHEN state = 'closed'"
	                " THEN coalesce(closed_at, updated_at) ELSE ?2 END,"
	                " updated_at = max(updated_at, ?2) WHERE id = ?1");
	changed = change(&update, conversation, now, err);
	if (changed > 0 && wait_close(store, config, conversation, now, err) < 0)
		return -1;
	return changed;
}

static int open_it(struct store *store, int64_t conversation, int64_t now, struct error *err)
{
	struct statement update;
	int changed;

	statement_begin(&update, store,
	                "UPDATE conversation SET state = 'open', snoozed_until = NULL,"
	                " closed_at = NULL,"
	                " updated_at = max(updated_at, ?2) WHERE id = ?1");
	changed = change(&update, conversation, now, err);
	if (changed > 0 && unplan_waits(store, conversation, err) < 0)
		return -1;
	return changed;
}

static int snooze_it(struct store *store, int64_t conversation, int64_t until, int64_t now,
                     struct error *err)
{
	struct statement update;
	int changed;

	statement_begin(&update, store,
	                "UPDATE conversation SET snoozed_until = nullif(?3, 0),"
	                " updated_at = max(updated_at, ?2) WHERE id = ?1");
	bind_int(&update, 3, until);
	changed = change(&update, conversation, now, err);
	if (changed > 0 && unplan_waits(store, conversation, err) < 0)
		return -1;
	return changed;
}

static int give_it(struct store *store, int64_t conversation, const char *owner, int64_t now,
                   struct error *err)
{
	struct statement update;
	int changed;

	statement_begin(&update, store,
	                "UPDATE conversation SET owner = ?3, is_owner_pinned = 1,"
	                " snoozed_until = NULL, updated_at = max(updated_at, ?2) WHERE id = ?1");
	bind_text(&update, 3, owner, KEPT_ADDRESS_BYTES);
	changed = change(&update, conversation, now, err);
	if (changed > 0 && unplan_waits(store, conversation, err) < 0)
		return -1;
	return changed;
}

static int unpin(struct store *store, int64_t conversation, int64_t now, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE conversation SET is_owner_pinned = 0,"
	                " updated_at = max(updated_at, ?2) WHERE id = ?1");
	return change(&update, conversation, now, err);
}

/* End the transaction that this result came from. */
static int finish(struct store *store, int result, struct error *err)
{
	if (result < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err) < 0 ? -1 : result;
}

int store_set_closed(struct store *store, const struct config *config, int64_t conversation,
                     bool is_closed, int64_t now, int64_t deadline_ms, struct error *err)
{
	store->doing = is_closed ? "close a conversation" : "open a conversation";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	return finish(store,
	              is_closed ? close_it(store, config, conversation, now, err)
	                        : open_it(store, conversation, now, err),
	              err);
}

int store_snooze(struct store *store, int64_t conversation, int64_t until, int64_t now,
                 int64_t deadline_ms, struct error *err)
{
	store->doing = "snooze a conversation";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	return finish(store, snooze_it(store, conversation, until, now, err), err);
}

int store_assign(struct store *store, int64_t conversation, const char *owner, int64_t now,
                 int64_t deadline_ms, struct error *err)
{
	store->doing = "assign a conversation";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	return finish(store,
	              owner != NULL ? give_it(store, conversation, owner, now, err)
	                            : unpin(store, conversation, now, err),
	              err);
}

/* Of what a notice told. */
struct subject {
	int64_t created_at;
	int64_t conversation;
	bool is_closed, has_ended;
	bool has_newer; /* somebody waits there since it was told */
};

/* CARE_DONE and *out, why its links are not good, or -1 with *err. */
static int find_subject(struct store *store, int64_t notice, struct subject *out, struct error *err)
{
	struct statement query;
	int status, waits = 0;

	/* What did not run when it was told was not told. */
	statement_begin(&query, store,
	                "SELECT DISTINCT n.created_at, w.conversation, c.state = 'closed',"
	                " w.ended_at IS NOT NULL, EXISTS (SELECT 1 FROM wait o"
	                " WHERE o.conversation = w.conversation AND o.ended_at IS NULL"
	                " AND o.id <> w.id AND o.started_at >= n.created_at), w.id FROM notice n"
	                " JOIN alert a ON a.notice = n.id AND a.is_running = 1"
	                " JOIN wait w ON w.id = a.wait JOIN conversation c ON c.id = w.conversation"
	                " WHERE n.id = ?1 LIMIT 2");
	bind_int(&query, 1, notice);
	while ((status = statement_step(&query, err)) > 0) {
		waits++;
		out->created_at = column_int(&query, 0);
		out->conversation = column_int(&query, 1);
		out->is_closed = column_int(&query, 2) != 0;
		out->has_ended = column_int(&query, 3) != 0;
		out->has_newer = column_int(&query, 4) != 0;
	}
	statement_end(&query);
	if (status < 0)
		return -1;
	return waits == 0 ? CARE_ABSENT : waits > 1 ? CARE_SEVERAL : CARE_DONE;
}

/* 1 if the action was done before, by *is_same_out the same mail; 0 or -1. */
static int find_done(struct store *store, enum action action, int64_t notice,
                     const unsigned char *mail, bool *is_same_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT coalesce(mail = ?3, 0) FROM action_done"
	                " WHERE notice = ?1 AND action = ?2");
	bind_int(&query, 1, notice);
	bind_text(&query, 2, action_name(action), KEPT_WORD_BYTES);
	if (mail != NULL)
		bind_bytes(&query, 3, mail, DIGEST_BYTES);
	status = statement_step(&query, err);
	if (status > 0)
		*is_same_out = column_int(&query, 0) != 0;
	statement_end(&query);
	return status;
}

static int add_done(struct store *store, enum action action, int64_t notice, const char *by,
                    const unsigned char *mail, int64_t now, struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO action_done (notice, action, done_at, done_by, mail)"
	                " VALUES (?1, ?2, ?3, ?4, ?5)");
	bind_int(&insert, 1, notice);
	bind_text(&insert, 2, action_name(action), KEPT_WORD_BYTES);
	bind_int(&insert, 3, now);
	bind_text(&insert, 4, by, KEPT_ADDRESS_BYTES);
	if (mail != NULL)
		bind_bytes(&insert, 5, mail, DIGEST_BYTES);
	return statement_run(&insert, err);
}

static int apply(struct store *store, const struct config *config, enum action action,
                 int64_t conversation, const char *by, int64_t now, struct error *err)
{
	switch (action) {
	case ACTION_CLOSE:
		return close_it(store, config, conversation, now, err);
	case ACTION_SNOOZE:
		return snooze_it(store, conversation, now + CARE_SNOOZE_S, now, err);
	case ACTION_TAKE_OVER:
		return give_it(store, conversation, by, now, err);
	}
	return error_set(err, ERROR_PERMANENT, "cannot %s in %s: action %d", store->doing,
	                 store->path, (int)action);
}

/* What it would be in vain to do now. */
static enum care_result judge(enum action action, const struct subject *subject, int64_t now)
{
	if (now - subject->created_at > CARE_LINK_S)
		return CARE_OLD;
	if (subject->is_closed && action != ACTION_TAKE_OVER)
		return CARE_CLOSED;
	if (subject->has_ended && action == ACTION_SNOOZE)
		return CARE_ENDED;
	/* Whoever closes what he was told of does not know of what was asked since. */
	if (subject->has_ended && subject->has_newer && action == ACTION_CLOSE)
		return CARE_NEWER;
	return CARE_DONE;
}

int care_do_action(struct store *store, const struct config *config, enum action action,
                   int64_t notice, const char *by, const unsigned char mail[DIGEST_BYTES],
                   int64_t now, struct care_outcome *out, struct error *err)
{
	struct subject subject = {0};
	bool is_same = false;
	int status;

	*out = (struct care_outcome){.result = CARE_ABSENT};
	status = find_subject(store, notice, &subject, err);
	if (status < 0)
		return -1;
	out->result = (enum care_result)status;
	if (out->result != CARE_DONE)
		return 0;
	out->conversation = subject.conversation;
	status = find_done(store, action, notice, mail, &is_same, err);
	if (status < 0)
		return -1;
	if (status > 0) {
		out->result = is_same ? CARE_DONE : CARE_USED;
		return 0;
	}
	out->result = judge(action, &subject, now);
	if (out->result != CARE_DONE)
		return 0;
	if (apply(store, config, action, subject.conversation, by, now, err) < 0)
		return -1;
	return add_done(store, action, notice, by, mail, now, err);
}

int store_do_action(struct store *store, const struct config *config, enum action action,
                    int64_t notice, const char *by, int64_t now, int64_t deadline_ms,
                    struct care_outcome *out, struct error *err)
{
	store->doing = "do what a link asks for";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	return finish(store, care_do_action(store, config, action, notice, by, NULL, now, out, err),
	              err);
}
