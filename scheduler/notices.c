#include "scheduler/notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/store/alert.h"
#include "scheduler/compose.h"
#include "scheduler/levels.h"

#define REFUSED_S 86400 /* how long a recipient that Postfix refuses is tried */
#define REMIND_S  3600  /* between two log lines about the same trouble */

/* A notice that Postfix refused for good. */
struct refusal {
	int64_t notice;
	int64_t first_at, logged_at;
};

int notices_save(struct notices *notices, struct sending *sending, struct error *err)
{
	const struct outcome *outcome = &notices->outcome;
	int result;

	if (!outcome->is_unsaved)
		return 0;
	if (outcome->retry_at > 0)
		result = store_retry_notice(sending->store, outcome->id, outcome->retry_at,
		                            sending_write_deadline(), err);
	else
		result = store_end_notice(sending->store, outcome->id,
		                          outcome->is_dropped ? NOTICE_DROPPED : NOTICE_SENT,
		                          time(NULL), sending_write_deadline(), err);
	if (result == 0)
		notices->outcome.is_unsaved = false;
	return result;
}

/* A new refusal is added when there is none. */
static struct refusal *refusal_of(struct notices *notices, int64_t notice, int64_t now)
{
	struct refusal *refusal;

	for (size_t i = 0; i < notices->refusal_count; i++) {
		if (notices->refusals[i].notice == notice)
			return &notices->refusals[i];
	}
	notices->refusals = xreallocarray(notices->refusals, notices->refusal_count + 1,
	                                  sizeof(*notices->refusals));
	refusal = &notices->refusals[notices->refusal_count++];
	*refusal = (struct refusal){.notice = notice, .first_at = now};
	return refusal;
}

static void forget_refusal(struct notices *notices, int64_t notice)
{
	for (size_t i = 0; i < notices->refusal_count; i++) {
		if (notices->refusals[i].notice == notice)
			notices->refusals[i--] = notices->refusals[--notices->refusal_count];
	}
}

/* `notice ID: conv=..., to=..., level=N, waits=N, status=`; some have a word for their level. */
static void begin_line(struct buffer *line, const struct notice *notice,
                       const struct notice_item *first, size_t count)
{
	char conversation[CONVERSATION_ID_SIZE] = "-", to[ADDRESS_MAX_BYTES + 1];
	char level_text[20];
	int level = 0;

	if (first != NULL)
		conversation_id_format(first->conversation, conversation);
	for (size_t i = 0; i < notice->item_count; i++) {
		if (notice->items[i].level + 1 > level)
			level = notice->items[i].level + 1;
	}
	if (level > ALERT_REMINDER_LEVEL)
		snprintf(level_text, sizeof(level_text), "%s",
		         level > ALERT_DIGEST_LEVEL ? "digest" : "snoozed");
	else
		snprintf(level_text, sizeof(level_text), "%d", level);
	buffer_printf(line, "notice %" PRId64 ": conv=%s, to=%s, level=%s, waits=%zu, status=",
	              notice->id, conversation, log_value(to, sizeof(to), notice->recipient),
	              level_text, count);
}

/* Who is refused may have left: the alert must not wait until somebody repairs that. */
static void tell_stand_in(const struct sending *sending, const struct notice *notice, int64_t now)
{
	struct passed_list list;
	struct error err;

	levels_stand_in(sending->config, notice, &list);
	if (list.count > 0 && store_create_notices(sending->store, list.items, list.count, NULL, 0,
	                                           now, sending_write_deadline(), &err) < 0)
		log_warning("%s; tried again with the next refusal", err.text);
	passed_list_release(&list);
}

/* Try it again later, though not in hours in which it would not be told. */
static void put_off(struct notices *notices, const struct sending *sending,
                    const struct notice *notice, int64_t now, const struct error *err)
{
	notices->outcome = outcome_retry(notice->id, notice->attempts, now, err);
	notices->outcome.retry_at =
		levels_retry_at(sending->config, notice, notices->outcome.retry_at);
}

/* Postfix says that it never will: it may be a configuration that the admin repairs. */
static void on_refused(struct notices *notices, struct sending *sending,
                       const struct notice *notice, struct buffer *line, int64_t now,
                       const struct error *err)
{
	struct refusal *refusal = refusal_of(notices, notice->id, now);

	tell_stand_in(sending, notice, now);
	if (now - refusal->first_at >= REFUSED_S) {
		notices->outcome = outcome_end(notice->id, true);
		log_error("%sdropped, reason=refused for a day: %s", line->data, err->text);
		return;
	}
	put_off(notices, sending, notice, now, err);
	if (refusal->logged_at == 0 || now - refusal->logged_at >= REMIND_S) {
		refusal->logged_at = now;
		log_error("%sdeferred, reason=refused: %s", line->data, err->text);
	} else {
		log_warning("%sdeferred, reason=refused: %s", line->data, err->text);
	}
}

/* The clock of each item's account. */
static struct compose_clock *clocks_of(const struct config *config,
                                       const struct notice_item *const *items, size_t count,
                                       int64_t now)
{
	struct compose_clock *clocks = xreallocarray(NULL, count + 1, sizeof(*clocks));

	for (size_t i = 0; i < count; i++) {
		const struct account *account = config_account_by_name(config, items[i]->account);
		const char *zone_name = config_zone_name(config, account);
		bool has_calendar = account != NULL && account->calendar != NULL;

		clocks[i] = (struct compose_clock){.zone = config_zone(config, account),
		                                   .business_s = -1};
		/* The C library knows what this machine calls its zone. */
		if (zone_name != NULL && strcmp(zone_name, ZONE_LOCAL) != 0)
			clocks[i].zone_name = zone_name;
		if (has_calendar)
			clocks[i].business_s = calendar_between(&account->calendar->hours,
			                                        items[i]->started_at, now);
	}
	return clocks;
}

static void send_notice(struct notices *notices, struct sending *sending,
                        const struct notice *notice, const struct notice_item *const *items,
                        size_t count, int64_t now, struct buffer *line)
{
	const struct compose_context context = {sending->config, &sending->keys, now};
	struct compose_clock *clocks = clocks_of(sending->config, items, count, now);
	char queue_id[SENDING_QUEUE_ID_SIZE];
	struct buffer mail;
	struct error err;
	int status;

	buffer_init(&mail, COMPOSED_MAX_BYTES);
	compose_timed_notice(&mail, notice, items, clocks, count, &context);
	free(clocks);
	status = sending_send(sending, sending->config->alert_from, notice->recipient, mail.data,
	                      mail.length, queue_id, &err);
	buffer_release(&mail);
	now = time(NULL);
	if (status == 0) {
		notices->outcome = outcome_end(notice->id, false);
		log_info("%ssent, queue_id=%s", line->data, queue_id);
	} else if (err.kind == ERROR_PERMANENT) {
		on_refused(notices, sending, notice, line, now, &err);
	} else {
		put_off(notices, sending, notice, now, &err);
		log_warning("%sdeferred, %sreason=%s", line->data, sending_doubt(&err), err.text);
	}
}

static void work_on(struct notices *notices, struct sending *sending, const struct notice *notice,
                    int64_t now)
{
	const struct notice_item **items =
		xreallocarray(NULL, notice->item_count + 1, sizeof(const struct notice_item *));
	size_t count = compose_select(notice, items);
	struct buffer line;

	buffer_init(&line, 1000);
	begin_line(&line, notice,
	           count > 0                ? items[0]
	           : notice->item_count > 0 ? &notice->items[0]
	                                    : NULL,
	           count);
	if (count > 0) {
		send_notice(notices, sending, notice, items, count, now, &line);
	} else {
		notices->outcome = outcome_end(notice->id, true);
		log_info("%sdropped, reason=nobody waits any more", line.data);
	}
	if (notices->outcome.retry_at == 0)
		forget_refusal(notices, notice->id);
	buffer_release(&line);
	free(items);
}

int notices_send_next(struct notices *notices, struct sending *sending, int64_t now,
                      struct error *err)
{
	struct notice *taken;
	size_t count;

	if (sending_is_held(sending))
		return 0;
	if (store_take_notices(sending->store, now, sending_lease_s(sending), 1, &taken, &count,
	                       sending_write_deadline(), err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		work_on(notices, sending, &taken[i], now);
	notices_free(taken, count);
	return notices_save(notices, sending, err) < 0 ? -1 : count > 0;
}

void notices_release(struct notices *notices)
{
	free(notices->refusals);
	*notices = (struct notices){0};
}
