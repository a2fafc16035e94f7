#include "lib/base/alert_level.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/base/pattern.h"

const char *alert_recipients_read(struct string_list *recipients, const char *text)
{
	static const char separators[] = ", \t";

	for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
		size_t length = strcspn(text, separators);
		char *recipient = xmemdup0(text, length);

		for (char *at = recipient; *at != '\0'; at++)
			*at = (char)tolower((unsigned char)*at);
		text += length;
		if (string_list_has(recipients, recipient)) {
			free(recipient);
			continue;
		}
		if (strcmp(recipient, ALERT_OWNER) != 0 && !address_is_valid(recipient)) {
			free(recipient);
			return "owner, or addresses such as team@company.example, after the to";
		}
		string_list_take(recipients, recipient);
	}
	if (recipients->count == 0)
		return "a recipient after the to";
	return recipients->count > ALERT_RECIPIENTS_MAX ? "at most 50 recipients" : NULL;
}

static int compare_levels(const struct alert_level *one, const struct alert_level *other)
{
	if (one->after_s != other->after_s)
		return one->after_s < other->after_s ? -1 : 1;
	return one->is_business - other->is_business;
}

const char *alert_levels_add(struct alert_levels *levels, const struct alert_level *kind,
                             const char *recipients)
{
	struct alert_level level = {.after_s = kind->after_s,
	                            .is_business = kind->is_business,
	                            .is_urgent = kind->is_urgent};
	const char *expected = alert_recipients_read(&level.recipients, recipients);
	size_t at = 0;

	while (at < levels->count && compare_levels(&levels->items[at], &level) < 0)
		at++;
	if (expected == NULL && levels->count >= ALERT_LEVELS_MAX)
		expected = "at most 20 levels";
	if (expected == NULL && at < levels->count &&
	    compare_levels(&levels->items[at], &level) == 0)
		expected = "a time that no other level of the account has";
	if (expected != NULL) {
		string_list_release(&level.recipients);
		return expected;
	}
	levels->items = xreallocarray(levels->items, levels->count + 1, sizeof(*levels->items));
	memmove(&levels->items[at + 1], &levels->items[at],
	        (levels->count - at) * sizeof(*levels->items));
	levels->items[at] = level;
	levels->count++;
	return NULL;
}

void alert_levels_copy(struct alert_levels *levels, const struct alert_levels *from)
{
	levels->count = from->count;
	levels->items = xreallocarray(NULL, from->count + 1, sizeof(*levels->items));
	for (size_t i = 0; i < from->count; i++) {
		levels->items[i] = from->items[i];
		levels->items[i].recipients = (struct string_list){0};
		string_list_copy(&levels->items[i].recipients, &from->items[i].recipients);
	}
}

void alert_levels_release(struct alert_levels *levels)
{
	for (size_t i = 0; i < levels->count; i++)
		string_list_release(&levels->items[i].recipients);
	free(levels->items);
	*levels = (struct alert_levels){0};
}
