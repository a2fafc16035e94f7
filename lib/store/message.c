#include "lib/store/message.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/msgid.h"
#include "lib/store/database.h"
#include "lib/store/wait.h"

/* Messages that a report without an id may speak of, and how many are looked at for them. */
#define REPORTED_MAX  "200"
#define LOOKED_AT_MAX "1000"

#define COUNTED_MAX (4 * CAP_MESSAGES_MAX) /* of one sender, with or without authentication */

static int read_repeat(struct statement *query, struct recorded *out, struct error *err)
{
	char *class = column_copy(query, 3);
	char *reason = column_copy(query, 4);
	bool is_known =
		class_from_name(class, &out->class) && match_reason_from_name(reason, &out->reason);

	free(class);
	free(reason);
	if (!is_known)
		return error_set(err, ERROR_CORRUPT,
		                 "cannot %s in %s: a message has an unknown class or match",
		                 query->store->doing, query->store->path);
	out->is_repeat = true;
	out->message = column_int(query, 0);
	out->conversation = column_int(query, 1);
	out->first_received_at = column_int(query, 2);
	out->rule = column_copy(query, 5);
	out->related = column_int(query, 6);
	out->owner = column_copy(query, 7);
	out->is_known_sender = column_int(query, 8) != 0;
	out->reference = column_copy(query, 9);
	out->reference_type = column_copy(query, 10);
	return 1;
}

int message_find_repeat(struct store *store, const struct record *record, struct recorded *out,
                        struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT m.id, m.conversation, m.received_at, m.class, m.match, m.rule,"
	                " m.related, m.owner, m.is_known_sender, c.reference, c.reference_type"
	                " FROM message m JOIN conversation c ON c.id = m.conversation"
	                " WHERE m.dedupe_key = ?1");
	bind_bytes(&query, 1, record->key, sizeof(record->key));
	status = statement_step(&query, err);
	if (status > 0)
		status = read_repeat(&query, out, err);
	statement_end(&query);
	return status;
}

int message_count_recent(struct store *store, const struct record *record, int64_t conversation,
                         struct cap_counts *out, struct error *err)
{
	struct statement query;
	bool is_failed = record->auth != NULL && strcmp(record->auth, "fail") == 0;
	int status;

	memset(out, 0, sizeof(*out));
	/* Bounded, and in the order of message_by_sender; who did not write a mail is not counted for it. */
	statement_begin(&query, store,
	                "SELECT count(*), total(received_at > ?3), total(conversation = ?2),"
	                " total(conversation = ?2 AND received_at > ?3)"
	                " FROM (SELECT received_at, conversation, auth FROM message"
	                " WHERE direction = 'in' AND class = 'human'"
	                " AND from_address = ?1 COLLATE NOCASE AND received_at > ?4"
	                " ORDER BY received_at DESC LIMIT ?5) WHERE (auth IS 'fail') = ?6");
	bind_text(&query, 1, record->from, KEPT_ADDRESS_BYTES);
	bind_int(&query, 2, conversation);
	bind_int(&query, 3, record->received_at - CAP_SHORT_S);
	bind_int(&query, 4, record->received_at - CAP_LONG_S);
	bind_int(&query, 5, COUNTED_MAX);
	bind_int(&query, 6, is_failed);
	status = statement_step(&query, err);
	if (status > 0) {
		out->of_sender_long = column_int(&query, 0);
		out->of_sender_short = column_int(&query, 1);
		out->in_conversation_long = column_int(&query, 2);
		out->in_conversation_short = column_int(&query, 3);
	}
	statement_end(&query);
	return status < 0 ? -1 : 0;
}

static int insert_row(struct store *store, const struct record *record,
                      const struct recorded *recorded, int64_t *id_out, struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO message (id, conversation, dedupe_key, direction, class, rule,"
	                " match, msgid, from_address, subject, received_at, account, auth, text,"
	                " is_known_sender, owner, related, from_name)"
	                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
	                " ?15, ?16, nullif(?17, 0), ?18)");
	bind_int(&insert, 2, recorded->conversation);
	bind_bytes(&insert, 3, record->key, sizeof(record->key));
	bind_text(&insert, 4, direction_name(record->direction), KEPT_WORD_BYTES);
	bind_text(&insert, 5, class_name(record->class), KEPT_WORD_BYTES);
	bind_text(&insert, 6, record->rule, KEPT_WORD_BYTES);
	bind_text(&insert, 7, match_reason_name(recorded->reason), KEPT_WORD_BYTES);
	bind_text(&insert, 8, record->msgid, MSGID_MAX_BYTES);
	bind_text(&insert, 9, record->from, KEPT_ADDRESS_BYTES);
	bind_text(&insert, 10, record->subject, KEPT_LINE_BYTES);
	bind_int(&insert, 11, record->received_at);
	bind_text(&insert, 12, record->account, KEPT_NAME_BYTES);
	bind_text(&insert, 13, record->auth, KEPT_WORD_BYTES);
	bind_text(&insert, 14, record->text, KEPT_TEXT_BYTES);
	bind_int(&insert, 15, recorded->is_known_sender);
	bind_text(&insert, 16, recorded->owner, KEPT_ADDRESS_BYTES);
	bind_int(&insert, 17, recorded->related);
	bind_text(&insert, 18, record->from_name, RECORD_NAME_BYTES);
	return statement_insert(&insert, id_out, err);
}

static int add_msgid(struct store *store, int64_t message, const char *msgid, const char *relation,
                     struct error *err)
{
	struct statement insert;

	/* a cut id could be that of another message */
	if (msgid == NULL || msgid[0] == '\0' || strlen(msgid) > MSGID_MAX_BYTES)
		return 0;
	statement_begin(&insert, store,
	                "INSERT INTO message_id (msgid, relation, message) VALUES (?1, ?2, ?3)"
	                " ON CONFLICT DO NOTHING");
	bind_text(&insert, 1, msgid, MSGID_MAX_BYTES);
	bind_text(&insert, 2, relation, KEPT_WORD_BYTES);
	bind_int(&insert, 3, message);
	return statement_run(&insert, err);
}

/* Our own ids carry their conversation; an index of them would find nothing new. */
static bool is_own_id(const struct match_input *match, const char *msgid)
{
	for (size_t i = 0; i < match->id_count; i++)
		if (match->ids[i].own_conversation != 0 && strcmp(match->ids[i].msgid, msgid) == 0)
			return true;
	return false;
}

static int add_ids(struct store *store, const struct record *record, int64_t message,
                   struct error *err)
{
	if (add_msgid(store, message, record->msgid, "has", err) < 0)
		return -1;
	for (size_t i = 0; i < record->name_count && i < MATCH_IDS_MAX; i++)
		if (!is_own_id(&record->match, record->names[i]) &&
		    add_msgid(store, message, record->names[i], "names", err) < 0)
			return -1;
	return 0;
}

int recipients_add(struct store *store, const struct record *record, int64_t message,
                   struct error *err)
{
	for (size_t i = 0; i < record->recipient_count && i < RECORD_RECIPIENTS_KEPT; i++) {
		struct statement insert;

		statement_begin(&insert, store,
		                "INSERT INTO recipient (message, address) VALUES (?1, ?2)"
		                " ON CONFLICT DO NOTHING");
		bind_int(&insert, 1, message);
		bind_text(&insert, 2, record->recipients[i], KEPT_ADDRESS_BYTES);
		if (statement_run(&insert, err) < 0)
			return -1;
	}
	return 0;
}

int message_is_first(struct store *store, int64_t conversation, int64_t message, struct error *err)
{
	struct statement query;
	int earlier;

	statement_begin(&query, store,
	                "SELECT 1 FROM message WHERE conversation = ?1 AND id < ?2 LIMIT 1");
	bind_int(&query, 1, conversation);
	bind_int(&query, 2, message);
	earlier = statement_step(&query, err);
	statement_end(&query);
	return earlier < 0 ? -1 : !earlier;
}

int message_insert(struct store *store, const struct record *record,
                   const struct recorded *recorded, int64_t *id_out, struct error *err)
{
	if (insert_row(store, record, recorded, id_out, err) < 0 ||
	    add_ids(store, record, *id_out, err) < 0)
		return -1;
	return recipients_add(store, record, *id_out, err);
}

int delivery_add(struct store *store, const struct record *record, int64_t message,
                 struct error *err)
{
	struct statement insert;
	int64_t id;

	statement_begin(&insert, store,
	                "INSERT INTO delivery"
	                " (id, message, arrival, queue_id, client, account, received_at)"
	                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
	                " ON CONFLICT (message, queue_id) DO NOTHING");
	bind_int(&insert, 2, message);
	bind_text(&insert, 3, arrival_name(record->arrival), KEPT_WORD_BYTES);
	bind_text(&insert, 4, record->queue_id, KEPT_WORD_BYTES);
	bind_text(&insert, 5, record->client, KEPT_NAME_BYTES);
	bind_text(&insert, 6, record->account, KEPT_NAME_BYTES);
	bind_int(&insert, 7, record->received_at);
	return statement_insert(&insert, &id, err);
}

static int find_sent(struct store *store, const char *sql, int64_t conversation, const char *text,
                     int64_t *message_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, sql);
	bind_int(&query, 1, conversation);
	if (text != NULL)
		bind_text(&query, 2, text, MSGID_MAX_BYTES);
	status = statement_step(&query, err);
	if (status > 0)
		*message_out = column_int(&query, 0);
	statement_end(&query);
	return status;
}

/* What a report speaks of, as far as it says the same of all its recipients. */
struct reported {
	bool is_named;   /* its id says which message */
	int64_t message; /* that one, else the newest that went out; 0: none */
};

/*
 * A report on a message that we know and did not send out (an alert, the customer's own)
 * is on none.  What went to a colleague who waited is sent out as well.
 */
static int find_named(struct store *store, const struct record *record, int64_t conversation,
                      struct reported *out, struct error *err)
{
	int64_t other;
	int status;

	if (record->original_msgid == NULL)
		return 0;
	status = find_sent(store,
	                   "SELECT m.id FROM message_id i JOIN message m ON m.id = i.message"
	                   " WHERE i.msgid = ?2 AND i.relation = 'has'"
	                   " AND m.conversation = ?1 AND (m.direction = 'out'"
	                   " OR (m.direction = 'internal'"
	                   " AND EXISTS (SELECT 1 FROM wait w WHERE w.ended_by = m.id)))"
	                   " ORDER BY m.id DESC LIMIT 1",
	                   conversation, record->original_msgid, &out->message, err);
	if (status == 0)
		status =
			find_sent(store,
		                  "SELECT m.id FROM message_id i JOIN message m ON m.id = i.message"
		                  " WHERE i.msgid = ?2 AND i.relation = 'has'"
		                  " AND m.conversation = ?1 LIMIT 1",
		                  conversation, record->original_msgid, &other, err);
	out->is_named = status > 0;
	return status < 0 ? -1 : 0;
}

static int find_reported(struct store *store, const struct record *record, int64_t conversation,
                         struct reported *out, struct error *err)
{
	*out = (struct reported){0};
	if (find_named(store, record, conversation, out, err) < 0)
		return -1;
	if (out->is_named)
		return 0;
	return find_sent(store,
	                 "SELECT id FROM message WHERE conversation = ?1"
	                 " AND direction = 'out' ORDER BY received_at DESC, id DESC LIMIT 1",
	                 conversation, NULL, &out->message, err) < 0
	               ? -1
	               : 0;
}

/* The outbound message to him: the one that the report names, else the newest. */
static int find_sent_to(struct store *store, int64_t conversation, const struct reported *reported,
                        const char *recipient, int64_t *message_out, struct error *err)
{
	if (reported->is_named)
		return find_sent(
			store, "SELECT message FROM recipient WHERE message = ?1 AND address = ?2",
			reported->message, recipient, message_out, err);
	return find_sent(store,
	                 "SELECT id FROM (SELECT id, received_at FROM"
	                 " (SELECT id, received_at, direction FROM message"
	                 " WHERE conversation = ?1"
	                 " ORDER BY received_at DESC, id DESC LIMIT " LOOKED_AT_MAX ")"
	                 " WHERE direction = 'out'"
	                 " ORDER BY received_at DESC, id DESC LIMIT " REPORTED_MAX ")"
	                 " WHERE EXISTS (SELECT 1 FROM recipient r"
	                 " WHERE r.message = id AND r.address = ?2)"
	                 " ORDER BY received_at DESC, id DESC LIMIT 1",
	                 conversation, recipient, message_out, err);
}

/*
 * The outbound message that failed, and for whom: an alias or a list on either side of us
 * may give him two names, of which we sent to one.
 */
static int find_failed(struct store *store, int64_t conversation, const struct reported *reported,
                       const struct record_failure *failure, int64_t *message_out,
                       const char **recipient_out, struct error *err)
{
	const char *const names[] = {failure->original, failure->recipient};
	int status = 0;

	*message_out = reported->message;
	*recipient_out = failure->recipient != NULL ? failure->recipient : "";
	if (reported->message == 0)
		return 0;
	for (size_t i = 0; i < 2 && status == 0; i++) {
		if (names[i] == NULL || names[i][0] == '\0')
			continue;
		status = find_sent_to(store, conversation, reported, names[i], message_out, err);
		if (status > 0)
			*recipient_out = names[i];
	}
	return status < 0 ? -1 : 1;
}

static const char *action_word(const char *action)
{
	static const char *const words[] = {"failed", "delayed", "delivered", "relayed",
	                                    "expanded"};

	for (size_t i = 0; action != NULL && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], action) == 0)
			return words[i];
	return "unknown";
}

static int insert_failure(struct store *store, const struct record *record,
                          const struct record_failure *failure, const char *recipient,
                          int64_t message, int64_t report, struct error *err)
{
	struct statement insert;
	int64_t id;

	statement_begin(&insert, store,
	                "INSERT INTO failure"
	                " (id, message, recipient, action, status, diagnostic, reported_by,"
	                " reported_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
	bind_int(&insert, 2, message);
	bind_text(&insert, 3, recipient, KEPT_ADDRESS_BYTES);
	bind_text(&insert, 4, action_word(failure->action), KEPT_WORD_BYTES);
	bind_text(&insert, 5, failure->status, KEPT_WORD_BYTES);
	bind_text(&insert, 6, failure->diagnostic, KEPT_LINE_BYTES);
	bind_int(&insert, 7, report);
	bind_int(&insert, 8, record->received_at);
	return statement_insert(&insert, &id, err);
}

int failures_add(struct store *store, const struct record *record, int64_t conversation,
                 int64_t report, unsigned *resumed_count, struct error *err)
{
	struct reported reported;

	if (record->failure_count == 0)
		return 0;
	if (find_reported(store, record, conversation, &reported, err) < 0)
		return -1;
	for (size_t i = 0; i < record->failure_count && i < REPORT_RECIPIENTS_MAX; i++) {
		const struct record_failure *failure = &record->failures[i];
		const char *recipient;
		int64_t message;
		int found = find_failed(store, conversation, &reported, failure, &message,
		                        &recipient, err);

		if (found < 0)
			return -1;
		if (found == 0)
			continue;
		if (insert_failure(store, record, failure, recipient, message, report, err) < 0)
			return -1;
		if (strcmp(action_word(failure->action), "failed") == 0 &&
		    wait_resume(store, record->config, message, recipient, record->received_at,
		                resumed_count, err) < 0)
			return -1;
	}
	return 0;
}
