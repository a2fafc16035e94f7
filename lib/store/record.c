#include "lib/store/record.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/conversation/cap.h"
#include "lib/mail/msgid.h"
#include "lib/store/care_internal.h"
#include "lib/store/conversation.h"
#include "lib/store/database.h"
#include "lib/store/letter_internal.h"
#include "lib/store/limit.h"
#include "lib/store/message.h"
#include "lib/store/wait.h"

#define KEY_BODY_BYTES 4096

static const char *const direction_names[] = {
	[DIRECTION_OUT] = "out",
	[DIRECTION_IN] = "in",
	[DIRECTION_INTERNAL] = "internal",
};

const char *direction_name(enum direction direction)
{
	return direction_names[direction];
}

static const char *const arrival_names[] = {
	[ARRIVAL_SMTP] = "smtp",
	[ARRIVAL_LOCAL] = "local",
	[ARRIVAL_FETCH] = "fetch",
};

const char *arrival_name(enum arrival arrival)
{
	return arrival_names[arrival];
}

void recorded_release(struct recorded *recorded)
{
	free(recorded->rule);
	free(recorded->owner);
	free(recorded->reference);
	free(recorded->reference_type);
	recorded->rule = NULL;
	recorded->owner = NULL;
	recorded->reference = NULL;
	recorded->reference_type = NULL;
}

void record_key(unsigned char out[DIGEST_BYTES], const char *msgid, const char *from,
                const char *date, enum direction direction, const char *subject, const char *body,
                size_t body_length)
{
	struct digest *digest = digest_new();
	char *sender = xstrdup(from != NULL ? from : "");

	for (char *c = sender; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	digest_add_text(digest, msgid);
	digest_add_text(digest, sender);
	digest_add_text(digest, date);
	digest_add_text(digest, direction_name(direction));
	if (msgid == NULL || msgid[0] == '\0') {
		digest_add_text(digest, subject);
		digest_add(digest, body,
		           body_length < KEY_BODY_BYTES ? body_length : KEY_BODY_BYTES);
	}
	free(sender);
	digest_finish(digest, out);
}

static int count_invalid_tokens(struct store *store, unsigned count, struct error *err)
{
	struct statement insert;

	if (count == 0)
		return 0;
	statement_begin(&insert, store,
	                "INSERT INTO counter (name, value) VALUES ('invalid-token', ?1)"
	                " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value");
	bind_int(&insert, 1, count);
	return statement_run(&insert, err);
}

/* Make or join the conversation; afterwards *out knows all of it that the message row needs. */
static int settle_conversation(struct store *store, const struct record *record,
                               const struct match *match, struct recorded *out, struct error *err)
{
	int known = 0;

	out->reason = match->reason;
	out->related = match->related;
	out->conversation = match->conversation;
	out->is_new_conversation = match->conversation == 0 || match->is_lost;
	if (out->is_new_conversation) {
		if (conversation_insert(store, record, &out->conversation, err) < 0)
			return -1;
	} else if (conversation_join(store, record, out->conversation, err) < 0) {
		return -1;
	}
	if (record->direction != DIRECTION_OUT)
		known = participant_exists(store, out->conversation, record->from, err);
	if (known < 0)
		return -1;
	out->is_known_sender = known > 0;
	return conversation_read(store, out, err);
}

static int apply_waits(struct store *store, const struct record *record, struct recorded *out,
                       struct error *err)
{
	if (record->starts_wait &&
	    wait_start(store, out->conversation, record->from, record->reply_to, out->message,
	               record->received_at, &out->waits_started, err) < 0)
		return -1;
	if (record->ends_waits &&
	    wait_end(store, out->conversation, record->recipients, record->recipient_count,
	             out->message, record->received_at, &out->waits_ended, err) < 0)
		return -1;
	if (record->class == CLASS_BOUNCE)
		return failures_add(store, record, out->conversation, out->message,
		                    &out->waits_resumed, err);
	return 0;
}

/*
 * A message that is there.  One that went out may come once a recipient, so each
 * time brings those whom it answers: the waits that ran when it first came.
 */
static int record_again(struct store *store, const struct record *record, struct recorded *out,
                        struct error *err)
{
	int status = limit_count(store, record, out, err);

	if (status != 0)
		return status;
	if (record->direction == DIRECTION_OUT) {
		if (recipients_add(store, record, out->message, err) < 0 ||
		    (record->adds_participants &&
		     participants_add(store, record, out->conversation, err) < 0))
			return -1;
		if (record->ends_waits &&
		    wait_end(store, out->conversation, record->recipients, record->recipient_count,
		             out->message, out->first_received_at, &out->waits_ended, err) < 0)
			return -1;
	}
	return delivery_add(store, record, out->message, err);
}

/* 1 and *cap_out if the record's sender is past a cap, 0, or -1 with *err. */
static int find_cap(struct store *store, const struct record *record, const struct match *match,
                    const struct cap **cap_out, struct error *err)
{
	struct cap_counts counts;

	*cap_out = NULL;
	if (record->direction != DIRECTION_IN || !class_is_human(record->class) ||
	    record->from == NULL || record->from[0] == '\0')
		return 0;
	if (message_count_recent(store, record, match->conversation, &counts, err) < 0)
		return -1;
	*cap_out = cap_passed(&counts);
	return *cap_out != NULL;
}

/* A message that is not there, whose conversation was looked up: 0, RECORDED_OVER_LIMIT or -1. */
static int record_found(struct store *store, const struct record *record, const struct match *match,
                        struct recorded *out, struct error *err)
{
	int status;

	out->class = record->class;
	out->rule = xstrdup(record->rule);
	out->first_received_at = record->received_at;
	if (settle_conversation(store, record, match, out, err) < 0 ||
	    message_insert(store, record, out, &out->message, err) < 0)
		return -1;
	status = limit_count(store, record, out, err);
	if (status != 0)
		return status;
	if (record->adds_participants &&
	    participants_add(store, record, out->conversation, err) < 0)
		return -1;
	if (out->related != 0 && relation_add(store, out->conversation, out->related, err) < 0)
		return -1;
	if (apply_waits(store, record, out, err) < 0 ||
	    count_invalid_tokens(store, record->invalid_tokens, err) < 0)
		return -1;
	if (out->is_new_conversation &&
	    letter_add_acknowledgement(store, record, out->message, err) < 0)
		return -1;
	return delivery_add(store, record, out->message, err);
}

/* Past a cap the same, but that nothing comes of it. */
static int record_new(struct store *store, const struct record *record, const struct match *match,
                      struct recorded *out, struct error *err)
{
	struct record quiet = *record;
	const struct cap *cap;
	int status = find_cap(store, record, match, &cap, err);

	if (status < 0)
		return -1;
	if (cap == NULL)
		return record_found(store, record, match, out, err);
	quiet.starts_wait = false;
	quiet.reopens = false;
	quiet.acknowledged_to = NULL;
	status = record_found(store, &quiet, match, out, err);
	if (status != 0)
		return status;
	out->is_capped = true;
	return letter_add_capped(store, record, out->message, cap->messages, err);
}

/* Do what a link asks for: 0, RECORDED_IN_VAIN, or -1 with *err. */
static int record_action(struct store *store, const struct record *record, struct recorded *out,
                         struct error *err)
{
	if (care_do_action(store, record->action, record->notice, record->from,
	                   record->has_copy_keys ? record->key : NULL, record->received_at,
	                   &out->care, err) < 0)
		return -1;
	out->conversation = out->care.conversation;
	return out->care.result == CARE_DONE ? 0 : RECORDED_IN_VAIN;
}

/* 0 recorded, RECORDED_..., -1 with *err. */
static int record_one(struct store *store, const struct record *record, struct recorded *out,
                      struct error *err)
{
	struct match match;
	int found;

	if (record->is_action)
		return record_action(store, record, out, err);
	found = message_find_repeat(store, record, out, err);
	if (found < 0)
		return -1;
	if (found > 0)
		return record_again(store, record, out, err);

	if (conversation_match(store, record, &match, err) < 0)
		return -1;
	out->reason = match.reason;
	if (match.reason == MATCH_NONE)
		return RECORDED_NOT_OURS;
	return record_new(store, record, &match, out, err);
}

/* What was found is void of a record that is taken back, but for the count it would have led to. */
static void set_over_limit(struct recorded *out)
{
	int64_t counted_today = out->counted_today;

	recorded_release(out);
	memset(out, 0, sizeof(*out));
	out->status = RECORDED_OVER_LIMIT;
	out->counted_today = counted_today;
}

static void set_failed(struct recorded *out, const struct error *err)
{
	recorded_release(out);
	memset(out, 0, sizeof(*out));
	out->status = -1;
	out->error = *err;
}

static int run_kept(struct store *store, const char *sql, struct error *err)
{
	struct statement statement;

	statement_begin(&statement, store, sql);
	return statement_run(&statement, err);
}

/* 0 when the transaction can go on, whatever came of the record; -1 when it is lost. */
static int record_guarded(struct store *store, const struct record *record, struct recorded *out,
                          struct error *err)
{
	int status;

	if (run_kept(store, "SAVEPOINT record", err) < 0)
		return -1;
	status = record_one(store, record, out, err);
	if (status == RECORDED_OVER_LIMIT) {
		set_over_limit(out);
		return run_kept(store, "ROLLBACK TO record", err) < 0
		               ? -1
		               : run_kept(store, "RELEASE record", err);
	}
	if (status >= 0) {
		out->status = status;
		return run_kept(store, "RELEASE record", err);
	}
	set_failed(out, err);
	if (err->kind != ERROR_PERMANENT || sqlite3_get_autocommit(store->db))
		return -1;
	return store_run(store, "ROLLBACK TO record; RELEASE record", err);
}

static int fail_all(struct recorded *results, size_t count, const struct error *cause,
                    struct error *err)
{
	for (size_t i = 0; i < count; i++)
		set_failed(&results[i], cause);
	if (err != NULL)
		*err = *cause;
	return -1;
}

int store_record(struct store *store, const struct record *const *records, struct recorded *results,
                 size_t count, int64_t deadline_ms, struct error *err)
{
	struct error cause = {0};

	store->doing = "record a message";
	memset(results, 0, count * sizeof(*results));
	if (transaction_begin(store, deadline_ms, &cause) < 0)
		return fail_all(results, count, &cause, err);
	for (size_t i = 0; i < count; i++) {
		if (record_guarded(store, records[i], &results[i], &cause) < 0) {
			transaction_rollback(store);
			return fail_all(results, count, &cause, err);
		}
	}
	if (transaction_commit(store, &cause) < 0)
		return fail_all(results, count, &cause, err);
	return 0;
}

int store_knows_ids(struct store *store, const char *const *ids, size_t count, struct error *err)
{
	struct statement query;
	int status = 0;

	store->doing = "look up message ids";
	statement_begin(&query, store, "SELECT 1 FROM message_id WHERE msgid = ?1 LIMIT 1");
	for (size_t i = 0; i < count && i < MATCH_IDS_MAX && status == 0; i++) {
		bind_text(&query, 1, ids[i], MSGID_MAX_BYTES);
		status = statement_step(&query, err);
		statement_reset(&query);
	}
	statement_end(&query);
	return status;
}
