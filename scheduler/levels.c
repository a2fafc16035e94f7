#include "scheduler/levels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/conversation/clock.h"

#define NO_GROUP SIZE_MAX

const struct account *levels_account(const struct config *config, const char *name)
{
	if (name == NULL)
		return NULL;
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && strcasecmp(account->name, name) == 0)
			return account;
	}
	return NULL;
}

/* Returns how many delays there are. */
static size_t read_delays(const struct account *account, int64_t delays_s[ALERT_LEVELS_MAX])
{
	size_t count = account != NULL ? account->alerts.count : 0;

	for (size_t i = 0; i < count; i++)
		delays_s[i] = account->alerts.items[i].after_s;
	return count;
}

void levels_plan(const struct config *config, struct planned_wait *wait)
{
	int64_t delays_s[ALERT_LEVELS_MAX];
	size_t count = read_delays(levels_account(config, wait->account), delays_s);
	int64_t at = clock_due_at(wait->started_at, delays_s, count, wait->level);

	wait->due_at = at == CLOCK_NEVER ? DUE_NEVER : at;
}

static bool has_levels_of(const struct account *account, const struct account *other)
{
	size_t count = other != NULL ? other->alerts.count : 0;

	if (account->alerts.count != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (account->alerts.items[i].after_s != other->alerts.items[i].after_s)
			return false;
	}
	return true;
}

static bool has_all_levels_of(const struct config *config, const struct config *other)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled &&
		    !has_levels_of(account, levels_account(other, account->name)))
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

static void pass_level(const struct config *config, const struct account *account,
                       const struct planned_wait *wait, struct passed_list *list, size_t first)
{
	const struct alert_level *level = &account->alerts.items[wait->level];
	struct passed_level row = {.wait = wait->wait,
	                           .level = wait->level,
	                           .due_at = wait->due_at,
	                           .group = NO_GROUP};
	const char *owner = wait->owner;

	if (owner == NULL || !config_is_staff(config, owner))
		owner = account->address;
	for (size_t i = 0; i < level->recipients.count; i++) {
		const char *recipient = level->recipients.items[i];

		row.recipient = recipient_keep(
			list, strcmp(recipient, ALERT_OWNER) == 0 ? owner : recipient);
		passed_list_add(list, first, &row);
	}
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
		bool is_late = true;
		size_t group;

		if (list->items[i].group != NO_GROUP)
			continue;
		for (size_t j = i; j < list->count; j++)
			is_late = is_late && (list->items[j].recipient != recipient ||
			                      list->items[j].due_at < now - LEVEL_LATE_S);
		group = is_late ? digest_of(digests, list, recipient) : list->group_count++;
		for (size_t j = i; j < list->count; j++) {
			if (list->items[j].recipient == recipient)
				list->items[j].group = group;
		}
	}
}

size_t levels_pass(const struct config *config, struct planned_wait *waits, size_t count,
                   int64_t now, struct passed_list *list)
{
	struct digests digests = {0};
	size_t moved = 0;

	*list = (struct passed_list){0};
	for (size_t i = 0; i < count; i++) {
		struct planned_wait wait = waits[i];
		const struct account *account = levels_account(config, wait.account);
		size_t first = list->count;
		int level = wait.level;

		/* The levels may be others than when it was planned. */
		for (levels_plan(config, &wait); wait.due_at <= now; levels_plan(config, &wait)) {
			pass_level(config, account, &wait, list, first);
			wait.level++;
		}
		group_rows(list, first, now, &digests);
		waits[i] = wait;
		if (wait.level > level) {
			waits[i] = waits[moved];
			waits[moved++] = wait;
		}
	}
	free(digests.groups);
	return moved;
}

void levels_stand_in(const struct config *config, const struct notice *notice,
                     struct passed_list *list)
{
	*list = (struct passed_list){0};
	for (size_t i = 0; i < notice->item_count; i++) {
		const struct notice_item *item = &notice->items[i];
		const struct account *account = levels_account(config, item->account);
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
