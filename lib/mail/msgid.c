#include "lib/mail/msgid.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/scan.h"

/*
 * Add the id between brackets: [from, to) without them.  Returns false if it is
 * none: empty, too long, or with a control byte.
 */
static bool add_id(struct string_list *ids, const char *from, const char *to)
{
	char id[MSGID_MAX_BYTES + 1];
	size_t length = 0;

	id[length++] = '<';
	for (const char *p = from; p < to; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		if (c < 0x20 || c == 0x7f || length >= MSGID_MAX_BYTES - 1)
			return false;
		id[length++] = *p;
	}
	if (length == 1)
		return false;
	id[length++] = '>';
	id[length] = '\0';
	string_list_add(ids, id);
	return true;
}

/* A value that is one word with an @ and no `<`: an id whose brackets were lost. */
static void add_bare(struct string_list *ids, const char *value, size_t length)
{
	const char *end = value + length;

	while (value < end && scan_is_blank(*value))
		value++;
	while (end > value && (scan_is_blank(end[-1]) || end[-1] == '>'))
		end--;
	if (memchr(value, '@', (size_t)(end - value)) == NULL)
		return;
	for (const char *p = value; p < end; p++) {
		if (scan_is_blank(*p) || strchr("\"(),;", *p) != NULL)
			return;
	}
	add_id(ids, value, end);
}

void msgid_parse(struct string_list *ids, const char *value, size_t length, size_t max_count)
{
	struct scan scan = {.bytes = value, .length = length};

	if (memchr(value, '<', length) == NULL) {
		if (ids->count < max_count)
			add_bare(ids, value, length);
		return;
	}
	while (scan.at < length && ids->count < max_count) {
		const char *from;
		const char *to;

		if (scan_comment(&scan) || scan_quoted(&scan))
			continue;
		if (value[scan.at++] != '<')
			continue;
		from = value + scan.at;
		for (to = from; to < value + length && *to != '<' && *to != '>'; to++)
			;
		scan.at = (size_t)(to - value);
		if (scan.at < length && *to == '>')
			add_id(ids, from, to);
	}
}

char *msgid_first(const char *value, size_t length)
{
	struct string_list ids = {0};
	char *first;

	msgid_parse(&ids, value, length, 1);
	first = ids.count > 0 ? xstrdup(ids.items[0]) : NULL;
	string_list_release(&ids);
	return first;
}
