#include "lib/store/conversation.h"

#include "lib/mail/msgid.h"
#include "lib/store/database.h"

static int find_by_id(struct store *store, const char *sql, const char *msgid,
                      int64_t *conversation_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, sql);
	bind_text(&query, 1, msgid, MSGID_MAX_BYTES);
	status = statement_step(&query, err);
	if (status > 0)
		*conversation_out = column_int(&query, 0);
	statement_end(&query);
	return status;
}

static int find_msgid(void *context, const char *msgid, int64_t *conversation_out,
                      struct error *err)
{
	return find_by_id(
		context,
		"SELECT m.conversation FROM message_id i JOIN message m ON m.id = i.message"
		" WHERE i.msgid = ?1 AND i.relation = 'has' ORDER BY i.message LIMIT 1",
		msgid, conversation_out, err);
}

static int find_named(void *context, const char *msgid, int64_t *conversation_out,
                      struct error *err)
{
	return find_by_id(
		context,
		"SELECT m.conversation FROM message_id i JOIN message m ON m.id = i.message"
		" WHERE i.msgid = ?1 AND i.relation = 'names' ORDER BY i.message LIMIT 1",
		msgid, conversation_out, err);
}

static int find_conversation(void *context, int64_t conversation, bool *is_closed_out,
                             struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, context, "SELECT state = 'closed' FROM conversation WHERE id = ?1");
	bind_int(&query, 1, conversation);
	status = statement_step(&query, err);
	if (status > 0)
		*is_closed_out = column_int(&query, 0) != 0;
	statement_end(&query);
	return status;
}

int conversation_match(struct store *store, const struct record *record, struct match *out,
                       struct error *err)
{
	const struct match_lookup lookup = {
		.context = store,
		.find_msgid = find_msgid,
		.find_named = find_named,
		.find_conversation = find_conversation,
	};
	bool is_closed;
	int found;

	if (match_find(&record->match, &lookup, out, err) < 0)
		return -1;
	if (out->related == 0)
		return 0;
	found = find_conversation(store, out->related, &is_closed, err);
	if (found == 0)
		out->related = 0;
	return found < 0 ? -1 : 0;
}

int conversation_insert(struct store *store, const struct record *record, int64_t *id,
                        struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO conversation"
	                " (id, created_at, updated_at, subject, reference, owner, account)"
	                " VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6)");
	bind_int(&insert, 2, record->received_at);
	bind_text(&insert, 3, record->subject, KEPT_LINE_BYTES);
	bind_text(&insert, 4, record->reference, KEPT_LINE_BYTES);
	bind_text(&insert, 5, record->owner, KEPT_ADDRESS_BYTES);
	bind_text(&insert, 6, record->account, KEPT_NAME_BYTES);
	if (*id == 0)
		return statement_insert(&insert, id, err);
	bind_int(&insert, 1, *id);
	return statement_run(&insert, err);
}

int conversation_join(struct store *store, const struct record *record, int64_t id,
                      struct error *err)
{
	struct statement update;
	bool is_ours = record->direction != DIRECTION_IN;

	statement_begin(&update, store,
	                "UPDATE conversation SET updated_at = max(updated_at, ?2),"
	                " reference = coalesce(?3, reference),"
	                " owner = CASE WHEN is_owner_pinned THEN owner"
	                " ELSE coalesce(?4, owner) END,"
	                " state = CASE WHEN ?5 THEN 'open' ELSE state END WHERE id = ?1");
	bind_int(&update, 1, id);
	bind_int(&update, 2, record->received_at);
	bind_text(&update, 3, is_ours ? record->reference : NULL, KEPT_LINE_BYTES);
	bind_text(&update, 4, record->owner, KEPT_ADDRESS_BYTES);
	bind_int(&update, 5, record->reopens);
	return statement_run(&update, err);
}

int conversation_read(struct store *store, int64_t id, char **owner_out, char **reference_out,
                      struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, "SELECT owner, reference FROM conversation WHERE id = ?1");
	bind_int(&query, 1, id);
	status = statement_step(&query, err);
	if (status > 0) {
		*owner_out = column_copy(&query, 0);
		*reference_out = column_copy(&query, 1);
	}
	statement_end(&query);
	return status < 0 ? -1 : 0;
}

int participant_exists(struct store *store, int64_t conversation, const char *address,
                       struct error *err)
{
	char key[KEPT_ADDRESS_BYTES + 1];
	struct statement query;
	int status;

	address_key(key, address);
	statement_begin(&query, store,
	                "SELECT 1 FROM participant WHERE conversation = ?1 AND address = ?2");
	bind_int(&query, 1, conversation);
	bind_text(&query, 2, key, KEPT_ADDRESS_BYTES);
	status = statement_step(&query, err);
	statement_end(&query);
	return status;
}

/* Returns how many were added, 0 or 1, or -1. */
static int add_participant(struct store *store, int64_t conversation, const char *address,
                           struct error *err)
{
	char key[KEPT_ADDRESS_BYTES + 1];
	struct statement insert;

	address_key(key, address);
	if (key[0] == '\0')
		return 0;
	statement_begin(&insert, store,
	                "INSERT INTO participant (conversation, address) VALUES (?1, ?2)"
	                " ON CONFLICT DO NOTHING");
	bind_int(&insert, 1, conversation);
	bind_text(&insert, 2, key, KEPT_ADDRESS_BYTES);
	if (statement_run(&insert, err) < 0)
		return -1;
	return sqlite3_changes(store->db);
}

int participants_add(struct store *store, const struct record *record, int64_t conversation,
                     struct error *err)
{
	struct statement query;
	int64_t count = 0;
	int status;

	statement_begin(&query, store, "SELECT count(*) FROM participant WHERE conversation = ?1");
	bind_int(&query, 1, conversation);
	status = statement_step(&query, err);
	if (status > 0)
		count = column_int(&query, 0);
	statement_end(&query);
	if (status < 0)
		return -1;

	if (count < PARTICIPANTS_MAX) {
		status = add_participant(store, conversation, record->from, err);
		if (status < 0)
			return -1;
		count += status;
	}
	for (size_t i = 0; i < record->recipient_count && count < PARTICIPANTS_MAX; i++) {
		status = add_participant(store, conversation, record->recipients[i], err);
		if (status < 0)
			return -1;
		count += status;
	}
	return 0;
}

int relation_add(struct store *store, int64_t conversation, int64_t other, struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO relation (conversation, other) VALUES (?1, ?2)"
	                " ON CONFLICT DO NOTHING");
	bind_int(&insert, 1, conversation);
	bind_int(&insert, 2, other);
	return statement_run(&insert, err);
}
