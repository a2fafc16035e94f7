#include "lib/store/conversation.h"

#include "lib/mail/msgid.h"
#include "lib/store/database.h"

/* What a look-up needs. */
struct search {
	struct store *store;
	const struct record *record;
};

static int find_by_id(struct store *store, const char *msgid, int64_t *conversation_out,
                      bool *is_named_only_out, struct error *err)
{
	struct statement query;
	int status;

	/* "has" stands before "names". */
	statement_begin(&query, store,
	                "SELECT m.conversation, i.relation = 'names'"
	                " FROM message_id i JOIN message m ON m.id = i.message"
	                " WHERE i.msgid = ?1 ORDER BY i.relation, i.message LIMIT 1");
	bind_text(&query, 1, msgid, MSGID_MAX_BYTES);
	status = statement_step(&query, err);
	if (status > 0) {
		*conversation_out = column_int(&query, 0);
		*is_named_only_out = column_int(&query, 1) != 0;
	}
	statement_end(&query);
	return status;
}

static int find_msgid(void *context, const char *msgid, int64_t *conversation_out,
                      bool *is_named_only_out, struct error *err)
{
	const struct search *search = context;

	return find_by_id(search->store, msgid, conversation_out, is_named_only_out, err);
}

static int find_by_key(struct store *store, const unsigned char key[DIGEST_BYTES],
                       int64_t *conversation_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, "SELECT conversation FROM message WHERE dedupe_key = ?1");
	bind_bytes(&query, 1, key, DIGEST_BYTES);
	status = statement_step(&query, err);
	if (status > 0)
		*conversation_out = column_int(&query, 0);
	statement_end(&query);
	return status;
}

/*
 * By its own id only while no other message has it: there are programs that give
 * all their mail the same one.
 */
static int find_itself(void *context, int64_t *conversation_out, struct error *err)
{
	const struct search *search = context;
	const struct record *record = search->record;
	bool is_named_only = false;
	int64_t conversation;
	int status = 0;

	if (record->msgid == NULL || record->msgid[0] == '\0')
		return 0;
	for (size_t i = 0; i < DIRECTIONS - 1 && record->has_copy_keys && status == 0; i++)
		status = find_by_key(search->store, record->copy_keys[i], conversation_out, err);
	if (status != 0)
		return status;
	status = find_by_id(search->store, record->msgid, &conversation, &is_named_only, err);
	if (status > 0 && !is_named_only)
		return 0;
	if (status > 0)
		*conversation_out = conversation;
	return status;
}

static int find_conversation(void *context, int64_t conversation, bool *is_closed_out,
                             struct error *err)
{
	struct statement query;
	const struct search *search = context;
	int status;

	statement_begin(&query, search->store,
	                "SELECT state = 'closed' FROM conversation WHERE id = ?1");
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
	struct search search = {store, record};
	const struct match_lookup lookup = {
		.context = &search,
		.find_msgid = find_msgid,
		.find_itself = find_itself,
		.find_conversation = find_conversation,
	};
	bool is_closed;
	int found;

	if (match_find(&record->match, &lookup, out, err) < 0)
		return -1;
	if (out->related == 0)
		return 0;
	found = find_conversation(&search, out->related, &is_closed, err);
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
	                " (id, created_at, updated_at, subject, reference, owner, account,"
	                " reference_type) VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7)");
	bind_int(&insert, 2, record->received_at);
	bind_text(&insert, 3, record->subject, KEPT_LINE_BYTES);
	bind_text(&insert, 4, record->reference, KEPT_LINE_BYTES);
	bind_text(&insert, 5, record->owner, KEPT_ADDRESS_BYTES);
	bind_text(&insert, 6, record->account, KEPT_NAME_BYTES);
	bind_text(&insert, 7, record->reference_type, KEPT_LINE_BYTES);
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

int conversation_read(struct store *store, struct recorded *recorded, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT owner, reference, reference_type FROM conversation WHERE id = ?1");
	bind_int(&query, 1, recorded->conversation);
	status = statement_step(&query, err);
	if (status > 0) {
		recorded->owner = column_copy(&query, 0);
		recorded->reference = column_copy(&query, 1);
		recorded->reference_type = column_copy(&query, 2);
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
