#include "milter/limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "lib/base/memory.h"

#define DAY_S      86400
#define NAME_SHOWN 64

static int compare(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Returns how many are left. */
static size_t keep_distinct(const char **addresses, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(addresses, count, sizeof(addresses[0]), compare);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || strcasecmp(addresses[kept - 1], addresses[i]) != 0)
			addresses[kept++] = addresses[i];
	return kept;
}

void limit_record(struct plan *plan, const struct mail *mail)
{
	const struct account *account = plan->account;
	struct record *record = &plan->record;
	size_t count = 0;

	plan->counted = xreallocarray(NULL, mail->rcpt_count + account->bcc.count + 1,
	                              sizeof(plan->counted[0]));
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (!mail->rcpts[i].is_inside && mail->rcpts[i].address[0] != '\0')
			plan->counted[count++] = mail->rcpts[i].address;
	for (size_t i = 0; i < account->bcc.count; i++)
		if (!config_is_inside(mail->policy->config, account->bcc.items[i]))
			plan->counted[count++] = account->bcc.items[i];
	record->counted = plan->counted;
	record->counted_count = keep_distinct(plan->counted, count);
	record->counted_further = mail->rcpts_ignored;
	record->daily_limit = account->daily_limit;
	/* Rounded up: that percentage is there, or it is not told yet. */
	record->daily_limit_warn = (account->daily_limit * account->daily_limit_warn + 99) / 100;
	/* Of a tiny limit that is all of it, which is told as reached. */
	if (record->daily_limit_warn == record->daily_limit)
		record->daily_limit_warn = 0;
	record->stops_at_limit = account->daily_limit > 0 &&
	                         account->on_limit == ON_LIMIT_TEMPFAIL &&
	                         mail->client.is_authenticated;
}

static size_t count_of(const struct plan *plan)
{
	return plan->record.counted_count + plan->record.counted_further;
}

bool limit_is_hopeless(const struct plan *plan)
{
	return plan->route == ROUTE_OUTBOUND && plan->account->daily_limit > 0 &&
	       plan->account->on_limit != ON_LIMIT_PASS &&
	       count_of(plan) > (size_t)plan->account->daily_limit;
}

/* An SMTP reply is ASCII, and libmilter and Postfix have ideas of their own about `%`. */
static void show_name(const struct account *account, char out[NAME_SHOWN + 1])
{
	size_t length = 0;

	for (const char *c = account->name; *c != '\0' && length < NAME_SHOWN; c++)
		out[length++] = *c >= ' ' && *c <= '~' && *c != '%' ? *c : '?';
	out[length] = '\0';
}

void limit_explain(const struct plan *plan, char out[LIMIT_TEXT_SIZE])
{
	time_t reset = (time_t)((plan->record.received_at / DAY_S + 1) * DAY_S);
	long long limit = plan->account->daily_limit;
	char name[NAME_SHOWN + 1], when[32];
	struct tm tm;

	show_name(plan->account, name);
	if (limit_is_hopeless(plan)) {
		snprintf(out, LIMIT_TEXT_SIZE,
		         "daily limit of account \"%s\" is %lld recipients, the message has %zu",
		         name, limit, count_of(plan));
		return;
	}
	gmtime_r(&reset, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(out, LIMIT_TEXT_SIZE,
	         "daily limit of account \"%s\" is reached: %lld recipients until %s", name, limit,
	         when);
}
