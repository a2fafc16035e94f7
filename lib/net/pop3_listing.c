#include "lib/net/pop3_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"

#define COUNT_MAX (10 * POP3_MESSAGES_MAX) /* how far to count, only to say the number */

/* What is read of LIST and UIDL so far; the items are sorted by number once LIST ended. */
struct reading {
	struct pop3_listing *listing;
	size_t capacity;
	size_t count; /* of lines, also those that are too many to keep */
};

static int compare_numbers(const void *a, const void *b)
{
	const struct pop3_item *left = a, *right = b;

	return (left->number > right->number) - (left->number < right->number);
}

static int compare_uidls(const void *a, const void *b)
{
	const struct pop3_item *const *left = a, *const *right = b;
	int order = strcmp((*left)->uidl, (*right)->uidl);

	return order != 0 ? order : compare_numbers(*left, *right);
}

/* What cannot be used is marked by the empty uidl, which no server can give. */
static bool is_usable(const struct pop3_item *item)
{
	return item->uidl[0] != '\0';
}

/* The first sentence stays. */
static void PRINTF_LIKE(2, 3) note_unusable(struct pop3_listing *listing, const char *format, ...)
{
	va_list args;

	if (listing->unusable[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(listing->unusable, sizeof(listing->unusable), format, args);
	va_end(args);
}

static int not_understood(struct pop3 *pop3, const char *command, struct error *err)
{
	char words[100];

	return error_set(err, ERROR_PERMANENT, "cannot read a line of %s: found \"%s\"", command,
	                 pop3_clean(words, sizeof(words), pop3->line, pop3->line_length));
}

static int take_list_line(struct pop3 *pop3, struct reading *reading, struct error *err)
{
	struct pop3_listing *listing = reading->listing;
	struct pop3_item item = {0};

	if (pop3_parse_list_line(pop3->line, pop3->line_length, &item.number, &item.size_bytes) !=
	    0)
		return not_understood(pop3, "LIST", err);
	if (++reading->count > POP3_MESSAGES_MAX)
		return reading->count < COUNT_MAX
		               ? 0
		               : error_set(err, ERROR_PERMANENT,
		                           "the mailbox holds at least %d messages, more than %d",
		                           COUNT_MAX, POP3_MESSAGES_MAX);
	if (listing->count == reading->capacity) {
		reading->capacity = reading->capacity > 0 ? 2 * reading->capacity : 64;
		listing->items = xreallocarray(listing->items, reading->capacity, sizeof(item));
	}
	listing->items[listing->count++] = item;
	return 0;
}

static int end_list(struct reading *reading, struct error *err)
{
	struct pop3_listing *listing = reading->listing;
	size_t i;

	if (reading->count > POP3_MESSAGES_MAX)
		return error_set(err, ERROR_PERMANENT,
		                 "the mailbox holds %zu messages, more than %d", reading->count,
		                 POP3_MESSAGES_MAX);
	if (listing->count > 0)
		qsort(listing->items, listing->count, sizeof(listing->items[0]), compare_numbers);
	for (i = 1; i < listing->count; i++)
		if (listing->items[i].number == listing->items[i - 1].number)
			return error_set(err, ERROR_PERMANENT, "LIST names message %u twice",
			                 listing->items[i].number);
	return 0;
}

static int take_uidl_line(struct pop3 *pop3, struct reading *reading, struct error *err)
{
	struct pop3_listing *listing = reading->listing;
	struct pop3_item *item = NULL, key;
	char words[100];
	const char *uidl = "";
	size_t length = 0;
	int rc = pop3_parse_uidl_line(pop3->line, pop3->line_length, &key.number, &uidl, &length);

	if (rc < 0)
		return not_understood(pop3, "UIDL", err);
	if (listing->count > 0)
		item = bsearch(&key, listing->items, listing->count, sizeof(key), compare_numbers);
	if (item == NULL)
		return error_set(err, ERROR_PERMANENT, "UIDL names message %u, LIST does not",
		                 key.number);
	if (item->uidl != NULL)
		return error_set(err, ERROR_PERMANENT, "UIDL names message %u twice", key.number);
	if (rc == 1)
		note_unusable(listing, "message %u has no usable uidl: found \"%s\"", key.number,
		              pop3_clean(words, sizeof(words), pop3->line, pop3->line_length));
	item->uidl = xmemdup0(uidl, length);
	return 0;
}

/* What UIDL names twice tells neither of them: neither is used. */
static void leave_out_shared(struct pop3_listing *listing)
{
	struct pop3_item **sorted = xreallocarray(NULL, listing->count, sizeof(sorted[0]));
	size_t first, end, i;

	for (i = 0; i < listing->count; i++)
		sorted[i] = &listing->items[i];
	qsort(sorted, listing->count, sizeof(sorted[0]), compare_uidls);
	for (first = 0; first < listing->count; first = end) {
		end = first + 1;
		while (end < listing->count && strcmp(sorted[end]->uidl, sorted[first]->uidl) == 0)
			end++;
		if (end == first + 1)
			continue;
		note_unusable(listing, "the uidl \"%.80s\" belongs to message %u and to %u",
		              sorted[first]->uidl, sorted[first]->number,
		              sorted[first + 1]->number);
		for (i = first; i < end; i++)
			sorted[i]->uidl[0] = '\0';
	}
	free(sorted);
}

/* Once UIDL ended: keep what can be told from others. */
static int keep_usable(struct pop3_listing *listing, struct error *err)
{
	size_t kept = 0, i;

	if (listing->count == 0)
		return 0;
	for (i = 0; i < listing->count; i++) {
		if (listing->items[i].uidl != NULL)
			continue;
		note_unusable(listing, "LIST names message %u, UIDL does not",
		              listing->items[i].number);
		listing->items[i].uidl = xstrdup("");
	}
	leave_out_shared(listing);
	for (i = 0; i < listing->count; i++) {
		if (is_usable(&listing->items[i]))
			listing->items[kept++] = listing->items[i];
		else
			free(listing->items[i].uidl);
	}
	listing->unusable_count = listing->count - kept;
	listing->count = kept;
	return kept > 0 ? 0 : error_set(err, ERROR_PERMANENT, "%s", listing->unusable);
}

/* Read the lines of a listing up to its lone dot. */
static int read_lines(struct pop3 *pop3, struct reading *reading,
                      int (*take)(struct pop3 *, struct reading *, struct error *),
                      struct error *err)
{
	for (;;) {
		if (pop3_read_line(pop3, err) != 0)
			return -1;
		if (pop3->line_length == 1 && pop3->line[0] == '.')
			return 0;
		if (take(pop3, reading, err) != 0)
			return -1;
	}
}

static int read_list(struct pop3 *pop3, struct reading *reading, struct error *err)
{
	int status = pop3_read_status(pop3, err);

	if (status < 0)
		return -1;
	if (status == 0)
		return pop3_refuse(pop3, pop3_refusal_kind(pop3->line, pop3->line_length), "LIST",
		                   err);
	if (read_lines(pop3, reading, take_list_line, err) != 0)
		return -1;
	return end_list(reading, err);
}

static int read_uidls(struct pop3 *pop3, struct reading *reading, struct error *err)
{
	enum error_kind kind = ERROR_PERMANENT;
	int status;

	connection_begin_reply(pop3->connection);
	status = pop3_read_status(pop3, err);
	if (status < 0)
		return -1;
	if (status == 0) {
		/* Only without a reason, and without having offered it, it lacks UIDL. */
		if (pop3->capabilities.has_uidl ||
		    pop3_has_response_code(pop3->line, pop3->line_length))
			kind = pop3_refusal_kind(pop3->line, pop3->line_length);
		return pop3_refuse(pop3, kind, "UIDL", err);
	}
	if (read_lines(pop3, reading, take_uidl_line, err) != 0)
		return -1;
	return keep_usable(reading->listing, err);
}

int pop3_list(struct pop3 *pop3, struct pop3_listing *listing, struct error *err)
{
	struct reading reading = {.listing = listing};
	bool is_ahead = pop3->capabilities.has_pipelining;

	*listing = (struct pop3_listing){0};
	if (pop3_check_usable(pop3, err) != 0)
		return -1;
	if (pop3_command(pop3, err, is_ahead ? "LIST\r\nUIDL" : "LIST") != 0 ||
	    read_list(pop3, &reading, err) != 0 ||
	    (!is_ahead && pop3_command(pop3, err, "UIDL") != 0) ||
	    read_uidls(pop3, &reading, err) != 0) {
		pop3_listing_release(listing);
		return pop3_break(pop3, err);
	}
	return 0;
}

void pop3_listing_release(struct pop3_listing *listing)
{
	size_t i;

	for (i = 0; i < listing->count; i++)
		free(listing->items[i].uidl);
	free(listing->items);
	*listing = (struct pop3_listing){0};
}
