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

static bool separates(char c)
{
	return scan_is_blank(c) || c == ',' || c == ';';
}

/* The next word of [*at, end) without a bracket at its end; false if there is none. */
static bool next_bare(const char **at, const char *end, const char **from_out, const char **to_out)
{
	const char *from = *at, *to;

	while (from < end && separates(*from))
		from++;
	for (to = from; to < end && !separates(*to); to++)
		;
	*at = to;
	*from_out = from;
	*to_out = to;
	while (*to_out > from && (*to_out)[-1] == '>')
		(*to_out)--;
	return to > from;
}

/* Ids whose brackets were lost: a value in which each word has an @, and there is no `<`. */
static void add_bare(struct string_list *ids, const char *value, size_t length, size_t max_count)
{
	const char *end = value + length, *at = value, *from, *to;

	while (next_bare(&at, end, &from, &to)) {
		if (memchr(from, '@', (size_t)(to - from)) == NULL ||
		    memchr(from, '"', (size_t)(to - from)) != NULL ||
		    memchr(from, '(', (size_t)(to - from)) != NULL ||
		    memchr(from, ')', (size_t)(to - from)) != NULL)
			return;
	}
	for (at = value; ids->count < max_count && next_bare(&at, end, &from, &to);)
		add_id(ids, from, to);
}

/* Is it an id though its bracket is not closed: a word with an @? */
static bool is_unclosed_id(const char *from, const char *to)
{
	if (memchr(from, '@', (size_t)(to - from)) == NULL)
		return false;
	for (; from < to; from++)
		if (separates(*from))
			return false;
	return true;
}

void msgid_parse(struct string_list *ids, const char *value, size_t length, size_t max_count)
{
	struct scan scan = {.bytes = value, .length = length};

	if (memchr(value, '<', length) == NULL) {
		add_bare(ids, value, length, max_count);
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
		if (scan.at < length && *to == '>') {
			add_id(ids, from, to);
			continue;
		}
		while (to > from && scan_is_blank(to[-1]))
			to--;
		if (is_unclosed_id(from, to))
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
