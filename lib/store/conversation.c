#include "lib/store/conversation.h"

#include <stdlib.h>

#include "lib/mail/msgid.h"
#include "lib/store/database.h"

#define CONTINUED_MAX    1000 /* conversations, one continuing the other, that are looked at */
#define SHARED_MAX       20   /* conversations of messages with one id, likewise */
#define RECIPIENTS_ASKED 20

/* What a look-up needs. */
struct search {
	struct store *store;
	const struct record *record;
};

/* The conversations of messages that have the id, the oldest first: how many, or -1. */
static int list_by_id(struct store *store, const char *msgid, int64_t out[SHARED_MAX],
                      struct error *err)
{
	struct statement query;
	int status, count = 0;

	statement_begin(&query, store,
	                "SELECT m.conversation FROM message_id i JOIN message m ON m.id = i.message"
	                " WHERE i.msgid = ?1 AND i.relation = 'has'"
	                " GROUP BY m.conversation ORDER BY min(i.message) LIMIT ?2");
	bind_text(&query, 1, msgid, MSGID_MAX_BYTES);
	bind_int(&query, 2, SHARED_MAX);
	while ((status = statement_step(&query, err)) > 0)
		out[count++] = column_int(&query, 0);
	statement_end(&query);
	return status < 0 ? -1 : count;
}

/* Does whoever wrote the message, or gets it, take part there? 1, 0 or -1. */
static int takes_part(struct store *store, const struct record *record, int64_t conversation,
                      struct error *err)
{
	int found = 0;

	if (record->direction == DIRECTION_IN)
		return participant_exists(store, conversation, record->from, err);
	for (size_t i = 0; i < record->recipient_count && i < RECIPIENTS_ASKED && found == 0; i++)
		found = participant_exists(store, conversation, record->recipients[i], err);
	return found;
}

/*
 * There are programs that give all their mail the same id: of several conversations it is the
 * one where the message's people are, and else the first, since who knows an id may use it again.
 */
static int find_among_shared(const struct search *search, const char *msgid,
                             int64_t *conversation_out, struct error *err)
{
	int64_t conversations[SHARED_MAX];
	int count = list_by_id(search->store, msgid, conversations, err), found = 0;

	for (int i = 0; i < count && count > 1 && found == 0; i++) {
		found = takes_part(search->store, search->record, conversations[i], err);
		if (found > 0)
			*conversation_out = conversations[i];
	}
	return count < 0 ? -1 : found;
}

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
	int found = find_by_id(search->store, msgid, conversation_out, is_named_only_out, err);

	if (found > 0 && !*is_named_only_out &&
	    find_among_shared(search, msgid, conversation_out, err) < 0)
		return -1;
	return found;
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

/* Of an account that is gone nobody would be alerted: it goes over to that of the record. */
static int settle_account(struct store *store, const struct record *record, int64_t id,
                          struct error *err)
{
	const struct account *account;
	struct statement update;
	int status;

	if (record->config == NULL || record->account == NULL)
		return 0;
	status = conversation_account(store, record->config, id, &account, err);
	if (status != 0)
		return status < 0 ? -1 : 0;
	statement_begin(&update, store, "UPDATE conversation SET account = ?2 WHERE id = ?1");
	bind_int(&update, 1, id);
	bind_text(&update, 2, record->account, KEPT_NAME_BYTES);
	if (statement_run(&update, err) < 0)
		return -1;
	statement_begin(&update, store,
	                "UPDATE wait SET due_at = NULL WHERE conversation = ?1"
	                " AND ended_at IS NULL");
	bind_int(&update, 1, id);
	return statement_run(&update, err);
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
	                " state = CASE WHEN ?5 THEN 'open' ELSE state END,"
	                " closed_at = CASE WHEN ?5 THEN NULL ELSE closed_at END WHERE id = ?1");
	bind_int(&update, 1, id);
	bind_int(&update, 2, record->received_at);
	bind_text(&update, 3, is_ours ? record->reference : NULL, KEPT_LINE_BYTES);
	bind_text(&update, 4, record->owner, KEPT_ADDRESS_BYTES);
	bind_int(&update, 5, record->reopens);
	if (statement_run(&update, err) < 0)
		return -1;
	return settle_account(store, record, id, err);
}

int conversation_account(struct store *store, const struct config *config, int64_t conversation,
                         const struct account **account_out, struct error *err)
{
	struct statement query;
	char *name = NULL;
	int status;

	*account_out = NULL;
	if (config == NULL)
		return 0;
	statement_begin(&query, store, "SELECT account FROM conversation WHERE id = ?1");
	bind_int(&query, 1, conversation);
	status = statement_step(&query, err);
	if (status > 0)
		name = column_copy(&query, 0);
	statement_end(&query);
	*account_out = config_account_by_name(config, name);
	free(name);
	return status < 0 ? -1 : *account_out != NULL;
}

/* When it was closed: 1 and *closed_at_out, 0 if it is open, or -1. */
static int find_closed(struct store *store, int64_t conversation, int64_t *closed_at_out,
                       struct error *err)
{
	struct statement query;
	int status, is_closed = 0;

	statement_begin(&query, store,
	                "SELECT state = 'closed', coalesce(closed_at, updated_at)"
	                " FROM conversation WHERE id = ?1");
	bind_int(&query, 1, conversation);
	status = statement_step(&query, err);
	if (status > 0) {
		is_closed = column_int(&query, 0) != 0;
		*closed_at_out = column_int(&query, 1);
	}
	statement_end(&query);
	return status < 0 ? -1 : is_closed;
}

int conversation_is_closed(struct store *store, int64_t conversation, struct error *err)
{
	int64_t closed_at;

	return find_closed(store, conversation, &closed_at, err);
}

/* Does the record join this conversation as it is, or open it again? 1, 0 or -1. */
static int takes(struct store *store, const struct record *record, int64_t conversation,
                 struct error *err)
{
	const struct account *account = NULL;
	int64_t closed_at = 0;
	int closed = find_closed(store, conversation, &closed_at, err);

	if (closed <= 0)
		return closed < 0 ? -1 : 1;
	if (record->config != NULL)
		account = config_account_by_name(record->config, record->account);
	if (account == NULL &&
	    conversation_account(store, record->config, conversation, &account, err) < 0)
		return -1;
	if (account == NULL || account->reopen_s < 0)
		return 1;
	return account->reopen_s > 0 && record->received_at - closed_at <= account->reopen_s;
}

/* The newest conversation that continues this one: 1, 0 or -1. */
static int find_next(struct store *store, int64_t conversation, int64_t *next_out,
                     struct error *err)
{
	struct statement query;
	int status;

	statement_begin(
		&query, store,
		"SELECT id FROM conversation WHERE continues = ?1 ORDER BY id DESC LIMIT 1");
	bind_int(&query, 1, conversation);
	status = statement_step(&query, err);
	if (status > 0)
		*next_out = column_int(&query, 0);
	statement_end(&query);
	return status;
}

/* Does the record go on to what continues this one? 1, 0 or -1. */
static int leaves(struct store *store, const struct record *record, int64_t conversation,
                  struct error *err)
{
	int taken;

	if (!record->reopens)
		return conversation_is_closed(store, conversation, err);
	taken = takes(store, record, conversation, err);
	return taken < 0 ? -1 : !taken;
}

int conversation_follow(struct store *store, const struct record *record, struct match *match,
                        int64_t *continues_out, struct error *err)
{
	bool is_ours = record->direction != DIRECTION_IN && class_is_human(record->class);
	int64_t found = match->conversation;
	int next = 1;

	*continues_out = 0;
	if ((!record->reopens && !is_ours) || found == 0 || match->is_lost)
		return 0;
	for (int i = 0; i < CONTINUED_MAX && next > 0; i++) {
		int leaving = leaves(store, record, found, err);

		if (leaving == 0)
			break;
		next = leaving < 0 ? -1 : find_next(store, found, &found, err);
		if (next == 0 && record->reopens)
			*continues_out = found;
	}
	if (next < 0)
		return -1;
	if (found != match->conversation && (match->related == 0 || match->related == found))
		match->related = match->conversation;
	match->conversation = found;
	return 0;
}

static int copy_participants(struct store *store, int64_t from, int64_t to, struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO participant (conversation, address)"
	                " SELECT ?1, address FROM participant WHERE conversation = ?2");
	bind_int(&insert, 1, to);
	bind_int(&insert, 2, from);
	return statement_run(&insert, err);
}

int conversation_continue(struct store *store, const struct record *record, int64_t continued,
                          int64_t *id, struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO conversation (id, created_at, updated_at, subject, reference,"
	                " owner, is_owner_pinned, account, reference_type, continues)"
	                " SELECT ?1, ?2, ?2, subject, reference, owner, is_owner_pinned, account,"
	                " reference_type, ?3 FROM conversation WHERE id = ?3");
	bind_int(&insert, 2, record->received_at);
	bind_int(&insert, 3, continued);
	if (statement_insert(&insert, id, err) < 0)
		return -1;
	if (copy_participants(store, continued, *id, err) < 0)
		return -1;
	return settle_account(store, record, *id, err);
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
