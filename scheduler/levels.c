#include "scheduler/levels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"

#define NO_GROUP SIZE_MAX
#define HOUR_S   3600

static struct clock_rules rules_of(const struct account *account)
{
	if (account == NULL)
		return (struct clock_rules){0};
	return (struct clock_rules){
		.levels = account->alerts.items,
		.level_count = account->alerts.count,
		.calendar = account->calendar != NULL ? &account->calendar->hours : NULL,
		.warn_s = account->warn_s,
		.repeat = account->repeat,
	};
}

/* The next moment of the wait, not before the end of a snooze. False: there is none. */
static bool next_moment(const struct clock_plan *plan, const struct planned_wait *wait,
                        struct clock_moment *out)
{
	if (!clock_moment(plan, wait->level, out))
		return false;
	if (out->at < wait->snoozed_until)
		out->at = wait->snoozed_until;
	return true;
}

/*
 * Does a snooze of this wait end, after somebody was told?  He asked for that: whoever was told last
 * is told again then, also where no further level comes.
 */
static bool has_reminder(const struct planned_wait *wait)
{
	return wait->level > 0 && wait->snoozed_until > wait->started_at;
}

static void set_due(const struct clock_plan *plan, struct planned_wait *wait)
{
	struct clock_moment moment;

	wait->due_at = next_moment(plan, wait, &moment) ? moment.at : DUE_NEVER;
}

void levels_plan(const struct config *config, struct planned_wait *wait)
{
	const struct clock_rules rules = rules_of(config_account_by_name(config, wait->account));
	struct clock_plan plan;

	clock_lay_out(&plan, &rules, wait->started_at);
	set_due(&plan, wait);
	if (has_reminder(wait) && plan.count > 0)
		wait->due_at = wait->snoozed_until;
}

/* A calendar counts where a level asks it. */
static bool calendars_match(const struct account *account, const struct account *other)
{
	const struct named_calendar *calendar = account->calendar, *second = other->calendar;

	if (calendar == NULL || second == NULL)
		return calendar == second;
	return strcmp(calendar->zone_name, second->zone_name) == 0 &&
	       calendar_matches(&calendar->hours, &second->hours);
}

static bool has_levels_of(const struct account *account, const struct account *other)
{
	bool is_business = false;

	if (other == NULL || other->alerts.count == 0 || account->alerts.count == 0)
		return account->alerts.count == (other != NULL ? other->alerts.count : 0);
	if (account->alerts.count != other->alerts.count || account->warn_s != other->warn_s ||
	    account->repeat.every_s != other->repeat.every_s ||
	    account->repeat.times != other->repeat.times)
		return false;
	for (size_t i = 0; i < account->alerts.count; i++) {
		const struct alert_level *level = &account->alerts.items[i];

		if (level->after_s != other->alerts.items[i].after_s ||
		    level->is_business != other->alerts.items[i].is_business)
			return false;
		is_business = is_business || level->is_business;
	}
	return !is_business || calendars_match(account, other);
}

static bool has_all_levels_of(const struct config *config, const struct config *other)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled &&
		    !has_levels_of(account, config_account_by_name(other, account->name)))
			return false;
	}
	return true;
}

bool levels_differ(const struct config *config, const struct config *other)
{
	return !has_all_levels_of(config, other) || !has_all_levels_of(other, config);
}

/* The list's own copy of a recipient, in lower case. */
static const char *recipient_keep(struct passed_list *list, const char *recipient)
{
	char *copy;

	for (size_t i = 0; i < list->recipients.count; i++) {
		if (strcasecmp(list->recipients.items[i], recipient) == 0)
			return list->recipients.items[i];
	}
	copy = xstrdup(recipient);
	for (char *c = copy; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	string_list_take(&list->recipients, copy);
	return copy;
}

static void passed_list_add(struct passed_list *list, size_t first, const struct passed_level *row)
{
	for (size_t i = first; i < list->count; i++) {
		if (list->items[i].level == row->level &&
		    list->items[i].recipient == row->recipient)
			return;
	}
	if (list->count == list->capacity) {
		list->capacity = list->capacity > 0 ? 2 * list->capacity : 64;
		list->items = xreallocarray(list->items, list->capacity, sizeof(*list->items));
	}
	list->items[list->count++] = *row;
}

/* Who stands for the word owner. */
static const char *owner_of(const struct config *config, const struct account *account,
                            const char *owner)
{
	return owner != NULL && config_is_staff(config, owner) ? owner : account->address;
}

/* What one wait passes now. */
struct passing {
	const struct config *config;
	const struct account *account;
	const struct planned_wait *wait;
	int64_t held_until; /* 0: nothing is held now */
	struct passed_list *list;
	size_t first; /* row of this wait */
};

/* level: under which it is told. */
static void pass_moment(const struct passing *passing, const struct clock_moment *moment, int level)
{
	const struct string_list *recipients = &moment->level->recipients;
	const char *owner = owner_of(passing->config, passing->account, passing->wait->owner);
	size_t count = moment->kind == CLOCK_WARNING ? 1 : recipients->count;
	struct passed_level row = {.wait = passing->wait->wait,
	                           .level = level,
	                           .due_at = moment->at,
	                           .group = NO_GROUP,
	                           .not_before =
	                                   moment->level->is_urgent ? 0 : passing->held_until};

	for (size_t i = 0; i < count; i++) {
		bool is_owner = moment->kind == CLOCK_WARNING ||
		                strcmp(recipients->items[i], ALERT_OWNER) == 0;

		row.recipient =
			recipient_keep(passing->list, is_owner ? owner : recipients->items[i]);
		passed_list_add(passing->list, passing->first, &row);
	}
}

/* At the end of a snooze. */
static void remind(const struct passing *passing, const struct clock_plan *plan)
{
	struct clock_moment moment;

	if (!clock_moment(plan, passing->wait->level - 1, &moment))
		return;
	moment.at = passing->wait->snoozed_until;
	pass_moment(passing, &moment, ALERT_REMINDER_LEVEL + (int)(moment.at / HOUR_S));
}

/* Which recipients have a digest, and its group: parallel to the list's recipients. */
struct digests {
	size_t *groups;
	size_t count;
};

static size_t digest_of(struct digests *digests, struct passed_list *list, const char *recipient)
{
	size_t at = 0;

	while (list->recipients.items[at] != recipient)
		at++;
	if (at >= digests->count) {
		digests->groups = xreallocarray(digests->groups, list->recipients.count,
		                                sizeof(*digests->groups));
		while (digests->count < list->recipients.count)
			digests->groups[digests->count++] = NO_GROUP;
	}
	if (digests->groups[at] == NO_GROUP)
		digests->groups[at] = list->group_count++;
	return digests->groups[at];
}

/* Give the rows of one wait, from `first` on, their groups. */
static void group_rows(struct passed_list *list, size_t first, int64_t now, struct digests *digests)
{
	for (size_t i = first; i < list->count; i++) {
		const char *recipient = list->items[i].recipient;
		int64_t not_before = list->items[i].not_before;
		bool is_late = true;
		size_t group;

		if (list->items[i].group != NO_GROUP)
			continue;
		for (size_t j = i; j < list->count; j++) {
			if (list->items[j].recipient != recipient)
				continue;
			is_late = is_late && list->items[j].due_at < now - LEVEL_LATE_S;
			if (list->items[j].not_before < not_before)
				not_before = list->items[j].not_before;
		}
		group = is_late && not_before == 0 ? digest_of(digests, list, recipient)
		                                   : list->group_count++;
		for (size_t j = i; j < list->count; j++) {
			if (list->items[j].recipient != recipient)
				continue;
			list->items[j].group = group;
			list->items[j].not_before = not_before;
		}
	}
}

/* When the quiet hours of the account that `now` is in end, or 0 if it is in none. */
static int64_t quiet_until(const struct config *config, const struct account *account, int64_t now)
{
	/* It is only borrowed: nothing is changed or freed through it. */
	struct calendar quiet = {.zone = (struct zone *)config_zone(config, account)};
	int64_t until;

	if (account == NULL || account->quiet.count == 0)
		return 0;
	for (size_t i = 0; i < sizeof(quiet.days) / sizeof(quiet.days[0]); i++)
		quiet.days[i] = account->quiet;
	until = calendar_closes_at(&quiet, now);
	return until > now ? until : 0;
}

bool levels_find(const struct config *config, const struct notice_item *item,
                 struct told_level *out)
{
	const struct clock_rules rules = rules_of(config_account_by_name(config, item->account));
	struct clock_moment moment;
	struct clock_plan plan;

	clock_lay_out(&plan, &rules, item->started_at);
	if (item->level >= ALERT_REMINDER_LEVEL || !clock_moment(&plan, item->level, &moment))
		return false;
	*out = (struct told_level){
		.kind = moment.kind, .level = moment.level, .passes_at = moment.at};
	if (moment.kind == CLOCK_REPEAT) {
		out->repeat = item->level - (int)plan.count + 1;
		out->repeat_count = (int)rules.repeat.times;
	}
	for (size_t i = 0; i < plan.count && moment.kind == CLOCK_WARNING; i++) {
		if (plan.moments[i].kind == CLOCK_LEVEL && plan.moments[i].level == moment.level)
			out->passes_at = plan.moments[i].at;
	}
	return true;
}

const char *levels_recipient(const struct config *config, const struct notice_item *item,
                             const char *recipient)
{
	const struct account *account = config_account_by_name(config, item->account);

	return account != NULL && strcmp(recipient, ALERT_OWNER) == 0
	               ? owner_of(config, account, item->owner)
	               : recipient;
}

int64_t levels_retry_at(const struct config *config, const struct notice *notice, int64_t retry_at)
{
	int64_t earliest = 0;

	for (size_t i = 0; i < notice->item_count; i++) {
		const struct notice_item *item = &notice->items[i];
		struct told_level told;
		int64_t until;

		if (!item->is_running)
			continue;
		until = quiet_until(config, config_account_by_name(config, item->account),
		                    retry_at);
		if (until == 0 || (levels_find(config, item, &told) && told.level->is_urgent))
			return retry_at;
		if (earliest == 0 || until < earliest)
			earliest = until;
	}
	return earliest > 0 ? earliest : retry_at;
}

/* Move one wait on as far as it goes at `now`, and add rows for what it passes. */
static void pass_levels(const struct config *config, struct planned_wait *wait, int64_t now,
                        struct passed_list *list)
{
	const struct account *account = config_account_by_name(config, wait->account);
	const struct clock_rules rules = rules_of(account);
	struct passing passing = {config, account, wait, 0, list, list->count};
	bool is_reminded = has_reminder(wait) && wait->due_at == wait->snoozed_until &&
	                   wait->snoozed_until <= now;
	struct clock_moment moment;
	struct clock_plan plan;

	clock_lay_out(&plan, &rules, wait->started_at);
	/* It may have been snoozed since it was planned. */
	if (is_reminded || (next_moment(&plan, wait, &moment) && moment.at <= now))
		passing.held_until = quiet_until(config, account, now);
	if (is_reminded)
		remind(&passing, &plan);
	while (next_moment(&plan, wait, &moment) && moment.at <= now) {
		pass_moment(&passing, &moment, wait->level);
		wait->level++;
	}
	set_due(&plan, wait);
}

size_t levels_pass(const struct config *config, struct planned_wait *waits, size_t count,
                   int64_t now, struct passed_list *list)
{
	struct digests digests = {0};
	size_t moved = 0;

	*list = (struct passed_list){0};
	for (size_t i = 0; i < count; i++) {
		struct planned_wait wait = waits[i];
		size_t first = list->count;
		int level = wait.level;

		/* The levels may be others than when it was planned. */
		pass_levels(config, &wait, now, list);
		group_rows(list, first, now, &digests);
		waits[i] = wait;
		if (wait.level > level || list->count > first) {
			waits[i] = waits[moved];
			waits[moved++] = wait;
		}
	}
	free(digests.groups);
	return moved;
}

void levels_digest(const struct config *config, const struct account *account,
                   const struct planned_wait *waits, size_t count, int64_t day, int64_t now,
                   struct passed_list *list)
{
	const struct string_list *recipients = &account->digest.recipients;
	struct digests digests = {0};

	*list = (struct passed_list){0};
	for (size_t i = 0; i < count; i++) {
		size_t first = list->count;
		struct passed_level row = {.wait = waits[i].wait,
		                           .level = ALERT_DIGEST_LEVEL + (int)day,
		                           .due_at = now};

		for (size_t j = 0; j < recipients->count; j++) {
			bool is_owner = strcmp(recipients->items[j], ALERT_OWNER) == 0;

			row.recipient = recipient_keep(
				list, is_owner ? owner_of(config, account, waits[i].owner)
					       : recipients->items[j]);
			row.group = digest_of(&digests, list, row.recipient);
			passed_list_add(list, first, &row);
		}
	}
	free(digests.groups);
}

void levels_stand_in(const struct config *config, const struct notice *notice,
                     struct passed_list *list)
{
	*list = (struct passed_list){0};
	for (size_t i = 0; i < notice->item_count; i++) {
		const struct notice_item *item = &notice->items[i];
		const struct account *account = config_account_by_name(config, item->account);
		const char *recipient = account != NULL ? account->address : config->alert_from;
		struct passed_level row = {
			.wait = item->wait, .level = item->level, .due_at = item->due_at};

		if (strcasecmp(recipient, notice->recipient) == 0)
			recipient = config->alert_from;
		if (strcasecmp(recipient, notice->recipient) == 0)
			continue;
		row.recipient = recipient_keep(list, recipient);
		while (row.group < list->count && list->items[row.group].recipient != row.recipient)
			row.group++;
		passed_list_add(list, list->count, &row);
	}
}

void passed_list_release(struct passed_list *list)
{
	free(list->items);
	string_list_release(&list->recipients);
	*list = (struct passed_list){0};
}
