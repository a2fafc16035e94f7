#include "lib/store/rehearse.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/store/conversation.h"
#include "lib/store/database.h"
#include "lib/store/letter.h"
#include "lib/store/letter_internal.h"
#include "lib/store/message.h"
#include "lib/store/record_internal.h"
#include "lib/store/wait.h"

static int find_nothing(void *context, const char *msgid, int64_t *conversation_out,
                        bool *is_named_only_out, struct error *err)
{
	(void)context;
	(void)msgid;
	(void)conversation_out;
	(void)is_named_only_out;
	(void)err;
	return 0;
}

static int find_nobody(void *context, int64_t *conversation_out, struct error *err)
{
	(void)context;
	(void)conversation_out;
	(void)err;
	return 0;
}

static int find_no_conversation(void *context, int64_t conversation, bool *is_closed_out,
                                struct error *err)
{
	(void)context;
	(void)conversation;
	(void)is_closed_out;
	(void)err;
	return 0;
}

static int match_in_empty_store(const struct record *record, struct match *out, struct error *err)
{
	const struct match_lookup lookup = {.find_msgid = find_nothing,
	                                    .find_itself = find_nobody,
	                                    .find_conversation = find_no_conversation};

	if (match_find(&record->match, &lookup, out, err) < 0)
		return -1;
	out->related = 0;
	return 0;
}

/* As it would be begun by this record. */
static void fill_new(const struct record *record, struct recorded *out)
{
	if (out->conversation == 0)
		out->conversation = REHEARSED_CONVERSATION;
	out->is_new_conversation = true;
	out->owner = xstrdup(record->owner);
	out->reference = xstrdup(record->reference);
	out->reference_type = xstrdup(record->reference_type);
}

static int find_known(struct store *store, const struct record *record, int64_t conversation,
                      struct recorded *out, struct error *err)
{
	int known = 0;

	if (record->direction != DIRECTION_OUT)
		known = participant_exists(store, conversation, record->from, err);
	out->is_known_sender = known > 0;
	return known < 0 ? -1 : 0;
}

/* One that continues another has all that this one has. */
static int fill_continuing(struct store *store, const struct record *record, int64_t continued,
                           struct recorded *out, struct error *err)
{
	out->conversation = continued;
	if (conversation_read(store, out, err) < 0 ||
	    find_known(store, record, continued, out, err) < 0)
		return -1;
	out->conversation = REHEARSED_CONVERSATION;
	out->is_new_conversation = true;
	out->related = continued;
	return 0;
}

static bool is_pinned(struct store *store, int64_t conversation, struct error *err)
{
	struct statement query;
	bool is_so;

	statement_begin(&query, store,
	                "SELECT 1 FROM conversation WHERE id = ?1 AND is_owner_pinned");
	bind_int(&query, 1, conversation);
	is_so = statement_step(&query, err) > 0;
	statement_end(&query);
	return is_so;
}

static void replace(char **text, const char *by)
{
	free(*text);
	*text = xstrdup(by);
}

/* What the conversation is once this record has joined it. */
static int fill_joined(struct store *store, const struct record *record, struct recorded *out,
                       struct error *err)
{
	if (conversation_read(store, out, err) < 0)
		return -1;
	if (record->owner != NULL && !is_pinned(store, out->conversation, err))
		replace(&out->owner, record->owner);
	if (record->direction != DIRECTION_IN && record->reference != NULL)
		replace(&out->reference, record->reference);
	return find_known(store, record, out->conversation, out, err);
}

static bool is_recipient(const struct record *record, const char *address)
{
	for (size_t i = 0; i < record->recipient_count; i++)
		if (address_equal(record->recipients[i], address))
			return true;
	return false;
}

/* The waits that run, and what the record does to them. */
static int look_at_waits(struct store *store, const struct record *record, struct recorded *out,
                         struct error *err)
{
	bool is_known = out->is_known_sender && !record_is_forged(record);
	struct statement query;
	bool is_waiting = false;
	int64_t running = 0;
	int status;

	statement_begin(&query, store,
	                "SELECT customer, reply_to FROM wait"
	                " WHERE conversation = ?1 AND ended_at IS NULL");
	bind_int(&query, 1, out->conversation);
	while ((status = statement_step(&query, err)) > 0) {
		char *customer = column_copy(&query, 0), *reply_to = column_copy(&query, 1);

		running++;
		if (address_equal(customer, record->from))
			is_waiting = true;
		if (record->ends_waits && !address_equal(customer, record->from) &&
		    (is_recipient(record, customer) || is_recipient(record, reply_to)))
			out->waits_ended++;
		free(customer);
		free(reply_to);
	}
	statement_end(&query);
	if (record->starts_wait && !is_waiting) {
		out->is_crowded = wait_is_crowded(running, is_known);
		out->waits_started += !out->is_crowded;
	}
	return status;
}

/* Of a repeat nobody counts that was counted before: it is in the number already. */
static int look_at_limit(struct store *store, const struct record *record, struct recorded *out,
                         struct error *err)
{
	size_t added = out->is_repeat ? 0 : record->counted_count + record->counted_further;
	int64_t before = 0;

	if (record->counted_count + record->counted_further == 0 || record->account == NULL)
		return 0;
	if (store != NULL &&
	    store_count_of_day(store, record->account, record->received_at / SECONDS_A_DAY, &before,
	                       err) < 0)
		return -1;
	out->counted_today = before + (int64_t)added;
	return added > 0 && record->stops_at_limit && record->daily_limit > 0 &&
	                       out->counted_today > record->daily_limit
	               ? RECORDED_OVER_LIMIT
	               : 0;
}

/* The conversation that a link of a notice is about. */
static int look_at_action(struct store *store, const struct record *record, struct recorded *out,
                          struct error *err)
{
	struct statement query;
	int status;

	if (store == NULL)
		return 0;
	statement_begin(&query, store,
	                "SELECT w.conversation FROM alert a JOIN wait w ON w.id = a.wait"
	                " WHERE a.notice = ?1 LIMIT 1");
	bind_int(&query, 1, record->notice);
	status = statement_step(&query, err);
	if (status > 0)
		out->conversation = column_int(&query, 0);
	statement_end(&query);
	return status < 0 ? -1 : 0;
}

/* Where nothing is stored only what the message brings itself decides. */
static int decide_in_empty_store(const struct record *record, struct record_decision *out,
                                 struct error *err)
{
	*out = (struct record_decision){.record = *record};
	if (match_in_empty_store(record, &out->destination.match, err) < 0)
		return -1;
	return out->destination.match.reason == MATCH_NONE ? RECORDED_NOT_OURS : 0;
}

static int rehearse_new(struct store *store, const struct record *record, struct recorded *out,
                        struct error *err)
{
	struct record_decision decision;
	const struct destination *destination = &decision.destination;
	int status = store != NULL ? record_decide(store, record, &decision, err)
	                           : decide_in_empty_store(record, &decision, err);

	out->reason = destination->match.reason;
	if (status != 0)
		return status;
	record = &decision.record;
	out->is_capped = decision.cap != NULL;
	out->related = destination->match.related;
	out->conversation = destination->match.conversation;
	out->class = record->class;
	out->rule = xstrdup(record->rule);
	out->first_received_at = record->received_at;
	if (destination->continues != 0)
		status = fill_continuing(store, record, destination->continues, out, err);
	else if (out->conversation == 0 || destination->match.is_lost)
		fill_new(record, out);
	else
		status = fill_joined(store, record, out, err);
	if (status == 0 && store != NULL)
		status = look_at_waits(store, record, out, err);
	else if (status == 0 && record->starts_wait)
		out->waits_started++;
	return status < 0 ? -1 : look_at_limit(store, record, out, err);
}

static int rehearse(struct store *store, const struct record *record, struct recorded *out,
                    struct error *err)
{
	int found;

	if (record->is_action)
		return look_at_action(store, record, out, err);
	found = store != NULL ? message_find_repeat(store, record, out, err) : 0;
	if (found < 0)
		return -1;
	return found > 0 ? look_at_limit(store, record, out, err)
	                 : rehearse_new(store, record, out, err);
}

int store_rehearse(struct store *store, const struct record *record, struct recorded *out,
                   struct error *err)
{
	memset(out, 0, sizeof(*out));
	if (store != NULL) {
		store->doing = "look a message up";
		if (read_begin(store, err) < 0)
			return -1;
	}
	out->status = rehearse(store, record, out, err);
	if (store != NULL)
		read_end(store);
	if (out->status >= 0)
		return 0;
	recorded_release(out);
	return -1;
}
