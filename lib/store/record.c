#include "lib/store/record.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/msgid.h"
#include "lib/store/care_internal.h"
#include "lib/store/conversation.h"
#include "lib/store/database.h"
#include "lib/store/letter_internal.h"
#include "lib/store/limit.h"
#include "lib/store/message.h"
#include "lib/store/record_internal.h"
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

void record_key_add(unsigned char key[DIGEST_BYTES], const char *detail)
{
	struct digest *digest = digest_new();

	digest_add(digest, key, DIGEST_BYTES);
	digest_add_text(digest, detail);
	digest_finish(digest, key);
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

static int begin_conversation(struct store *store, const struct record *record,
                              const struct destination *destination, struct recorded *out,
                              struct error *err)
{
	out->is_new_conversation = true;
	if (destination->continues == 0)
		return conversation_insert(store, record, &out->conversation, err);
	out->related = destination->continues;
	out->conversation = 0;
	return conversation_continue(store, record, destination->continues, &out->conversation,
	                             err);
}

/* Make or join the conversation; afterwards *out knows all of it that the message row needs. */
static int settle_conversation(struct store *store, const struct record *record,
                               const struct destination *destination, struct recorded *out,
                               struct error *err)
{
	const struct match *match = &destination->match;
	int known = 0;

	out->reason = match->reason;
	out->related = match->related;
	out->conversation = match->conversation;
	if (match->conversation == 0 || match->is_lost || destination->continues != 0) {
		if (begin_conversation(store, record, destination, out, err) < 0)
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

static int relate(struct store *store, const struct destination *destination,
                  const struct recorded *out, struct error *err)
{
	int64_t other = destination->match.related;

	if (out->related != 0 && relation_add(store, out->conversation, out->related, err) < 0)
		return -1;
	return other == 0 || other == out->related
	               ? 0
	               : relation_add(store, out->conversation, other, err);
}

/* is_repeat: the message came before, and what began since is not what it answers. */
static int end_answered(struct store *store, const struct record *record, bool is_repeat,
                        struct recorded *out, struct error *err)
{
	const struct wait_answer answer = {.conversation = out->conversation,
	                                   .recipients = record->recipients,
	                                   .recipient_count = record->recipient_count,
	                                   .author = record->from,
	                                   .message = out->message,
	                                   .at = out->first_received_at,
	                                   .is_repeat = is_repeat};

	if (!record->ends_waits)
		return 0;
	return wait_end(store, record->config, &answer, &out->waits_ended, err);
}

bool record_is_forged(const struct record *record)
{
	return record->auth != NULL && strcmp(record->auth, "fail") == 0;
}

static int start_wait(struct store *store, const struct record *record, int64_t at,
                      struct recorded *out, struct error *err)
{
	/* Who only says that he is the customer does not say where the answer goes. */
	const struct wait_question question = {
		.conversation = out->conversation,
		.customer = record->from,
		.reply_to = record_is_forged(record) ? NULL : record->reply_to,
		.is_known = out->is_known_sender && !record_is_forged(record),
		.message = out->message,
		.at = at,
	};
	int crowded = wait_start(store, &question, &out->waits_started, err);

	out->is_crowded = crowded > 0;
	return crowded < 0 ? -1 : 0;
}

static int apply_waits(struct store *store, const struct record *record, struct recorded *out,
                       struct error *err)
{
	if (record->starts_wait && start_wait(store, record, record->received_at, out, err) < 0)
		return -1;
	if (end_answered(store, record, false, out, err) < 0)
		return -1;
	if (record->class == CLASS_BOUNCE)
		return failures_add(store, record, out->conversation, out->message,
		                    &out->waits_resumed, err);
	return 0;
}

/*
 * A colleague asks where colleagues are customers, and his client names a thread of another
 * account: what he asks of these is a conversation of its own.
 */
static int leave_for_colleague(struct store *store, const struct record *record,
                               struct match *match, struct error *err)
{
	const struct account *account, *other;

	if (!record->asks_as_colleague || record->config == NULL || match->conversation == 0 ||
	    match->is_lost || match->reason == MATCH_TOKEN || !record->match.may_open)
		return 0;
	account = config_account_by_name(record->config, record->account);
	if (account == NULL || !account->has_internal_customers)
		return 0;
	if (conversation_account(store, record->config, match->conversation, &other, err) < 0)
		return -1;
	if (other == account)
		return 0;
	match->related = match->conversation;
	match->conversation = 0;
	return 0;
}

/*
 * Make of a colleague's message what is done with those of customers, where an account
 * has internal ones.  conversation: that it leads to, 0 if it begins one.
 */
static int resolve_colleague(struct store *store, struct record *record, int64_t conversation,
                             struct error *err)
{
	const struct config *config = record->config;
	const struct account *account = NULL;
	bool has_customers;
	int waited = 1;

	if (!record->answers_colleagues || config == NULL)
		return 0;
	account = config_account_by_name(config, record->account);
	has_customers = account != NULL && account->has_internal_customers;
	if (!has_customers && conversation != 0) {
		if (conversation_account(store, config, conversation, &account, err) < 0)
			return -1;
		has_customers = account != NULL && account->has_internal_customers;
	}
	if (!has_customers)
		return 0;
	record->ends_waits = true;
	if (!record->asks_as_colleague)
		return 0;
	if (conversation != 0)
		waited = wait_was_there(store, conversation, record->from, err);
	record->starts_wait = record->reopens = waited > 0;
	return waited < 0 ? -1 : 0;
}

/*
 * A colleague's question came first by an account where colleagues do not wait, and by this
 * one only now: each recipient had a copy of his own.  It began the conversation then.
 */
static int ask_late(struct store *store, const struct record *record, struct recorded *out,
                    struct error *err)
{
	const struct account *account = NULL;
	int status;

	if (!record->asks_as_colleague || record->config == NULL)
		return 0;
	account = config_account_by_name(record->config, record->account);
	if (account == NULL || !account->has_internal_customers)
		return 0;
	status = message_is_first(store, out->conversation, out->message, err);
	if (status <= 0)
		return status;
	status = wait_was_there(store, out->conversation, record->from, err);
	if (status != 0)
		return status < 0 ? -1 : 0;
	return start_wait(store, record, out->first_received_at, out, err);
}

/*
 * A message that is there.  One of ours may come once a recipient, so each
 * time brings those whom it answers: the waits that ran when it first came.
 */
static int record_again(struct store *store, const struct record *record, struct recorded *out,
                        struct error *err)
{
	struct record resolved = *record;
	int status = limit_count(store, record, out, err);

	if (status != 0)
		return status;
	if (resolve_colleague(store, &resolved, out->conversation, err) < 0)
		return -1;
	if (record->direction != DIRECTION_IN &&
	    recipients_add(store, record, out->message, err) < 0)
		return -1;
	if (record->adds_participants &&
	    participants_add(store, record, out->conversation, err) < 0)
		return -1;
	if (ask_late(store, record, out, err) < 0 ||
	    end_answered(store, &resolved, true, out, err) < 0)
		return -1;
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
static int record_found(struct store *store, const struct record *record,
                        const struct destination *destination, struct recorded *out,
                        struct error *err)
{
	int status;

	out->class = record->class;
	out->rule = xstrdup(record->rule);
	out->first_received_at = record->received_at;
	if (settle_conversation(store, record, destination, out, err) < 0 ||
	    message_insert(store, record, out, &out->message, err) < 0)
		return -1;
	status = limit_count(store, record, out, err);
	if (status != 0)
		return status;
	if (record->adds_participants &&
	    participants_add(store, record, out->conversation, err) < 0)
		return -1;
	if (relate(store, destination, out, err) < 0 || apply_waits(store, record, out, err) < 0 ||
	    count_invalid_tokens(store, record->invalid_tokens, err) < 0)
		return -1;
	if (out->is_new_conversation &&
	    letter_add_acknowledgement(store, record, out->message, err) < 0)
		return -1;
	return delivery_add(store, record, out->message, err);
}

/* May a sender past a cap wait?  In an open conversation that knows him, where he does not. 1, 0 or -1. */
static int may_wait(struct store *store, const struct record *record, int64_t conversation,
                    struct error *err)
{
	int known, closed;

	if (!record->starts_wait || conversation == 0)
		return 0;
	known = participant_exists(store, conversation, record->from, err);
	if (known <= 0)
		return known;
	closed = conversation_is_closed(store, conversation, err);
	return closed < 0 ? -1 : !closed;
}

/* Past a cap a message is recorded the same, but nothing comes of it. */
static int apply_cap(struct store *store, struct record_decision *decision, struct error *err)
{
	struct record *record = &decision->record;
	struct destination *destination = &decision->destination;
	int status = find_cap(store, record, &destination->match, &decision->cap, err);

	if (status <= 0)
		return status;
	status = may_wait(store, record, destination->match.conversation, err);
	if (status < 0)
		return -1;
	destination->continues = 0;
	record->starts_wait = status > 0;
	record->reopens = false;
	record->acknowledged_to = NULL;
	return 0;
}

int record_decide(struct store *store, const struct record *record, struct record_decision *out,
                  struct error *err)
{
	struct match *match = &out->destination.match;

	*out = (struct record_decision){.record = *record};
	if (conversation_match(store, record, match, err) < 0)
		return -1;
	if (match->reason == MATCH_NONE)
		return RECORDED_NOT_OURS;
	if (leave_for_colleague(store, record, match, err) < 0 ||
	    resolve_colleague(store, &out->record, match->is_lost ? 0 : match->conversation, err) <
	            0 ||
	    conversation_follow(store, &out->record, match, &out->destination.continues, err) < 0)
		return -1;
	return apply_cap(store, out, err);
}

static int record_new(struct store *store, const struct record *record, struct recorded *out,
                      struct error *err)
{
	struct record_decision decision;
	int status = record_decide(store, record, &decision, err);

	out->reason = decision.destination.match.reason;
	if (status == 0)
		status = record_found(store, &decision.record, &decision.destination, out, err);
	if (status != 0 || decision.cap == NULL)
		return status;
	out->is_capped = true;
	return letter_add_capped(store, record, out->message, decision.cap->messages, err);
}

/* Do what a link asks for: 0, RECORDED_IN_VAIN, or -1 with *err. */
static int record_action(struct store *store, const struct record *record, struct recorded *out,
                         struct error *err)
{
	if (care_do_action(store, record->config, record->action, record->notice, record->from,
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
	int found;

	if (record->is_action)
		return record_action(store, record, out, err);
	found = message_find_repeat(store, record, out, err);
	if (found < 0)
		return -1;
	if (found > 0)
		return record_again(store, record, out, err);
	return record_new(store, record, out, err);
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
