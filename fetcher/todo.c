#include "fetcher/todo.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"

static int compare_uidl(const void *key, const void *row)
{
	return strcmp(key, ((const struct uidl_row *)row)->uidl);
}

static bool is_to_fetch_again(const struct pop3_item *item, const struct uidl_row *row,
                              const struct todo_options *options)
{
	if (row->state == UIDL_TOO_LARGE && item->size_bytes > (uint64_t)options->max_message_bytes)
		return false;
	/* The cause may be gone: a limit raised, a mailbox made. */
	return (row->state == UIDL_REFUSED || row->state == UIDL_TOO_LARGE) &&
	       (options->retries_now || row->done_at + TODO_RETRY_S <= options->now ||
	        row->done_at > options->now); /* the clock went back */
}

static bool is_to_drop(const struct uidl_row *row, const struct todo_options *options)
{
	return row->state == UIDL_DELIVERED && options->leave_s >= 0 &&
	       row->done_at + options->leave_s <= options->now;
}

static const struct uidl_row *find_known(const char *uidl, const struct uidl_row *known,
                                         size_t known_count)
{
	return known_count == 0 ? NULL
	                        : bsearch(uidl, known, known_count, sizeof(*known), compare_uidl);
}

bool todo_is_all_gone(const struct pop3_listing *listing, const struct uidl_row *known,
                      size_t known_count, const struct todo_options *options)
{
	bool is_missed = false;

	for (size_t i = 0; i < listing->count; i++)
		if (find_known(listing->items[i].uidl, known, known_count) != NULL)
			return false;
	for (size_t i = 0; i < known_count && !is_missed; i++)
		is_missed = !is_to_drop(&known[i], options);
	return is_missed;
}

void todo_make(struct todo *todo, const struct pop3_listing *listing, const struct uidl_row *known,
               size_t known_count, const struct todo_options *options)
{
	bool *is_listed = xzalloc(known_count + 1);
	const struct pop3_item **again = xreallocarray(NULL, listing->count + 1, sizeof(*again));
	size_t again_count = 0;

	*todo = (struct todo){
		.fetch = xreallocarray(NULL, listing->count + 1, sizeof(*todo->fetch)),
		.drop = xreallocarray(NULL, listing->count + 1, sizeof(*todo->drop)),
		.gone = xreallocarray(NULL, known_count + 1, sizeof(*todo->gone)),
	};
	for (size_t i = 0; i < listing->count; i++) {
		const struct pop3_item *item = &listing->items[i];
		const struct uidl_row *row = find_known(item->uidl, known, known_count);

		if (row != NULL)
			is_listed[row - known] = true;
		if (row == NULL)
			todo->fetch[todo->fetch_count++] = item;
		else if (is_to_fetch_again(item, row, options))
			again[again_count++] = item;
		else if (is_to_drop(row, options))
			todo->drop[todo->drop_count++] = item;
	}
	/* What was refused before keeps no new mail waiting. */
	for (size_t i = 0; i < again_count; i++)
		todo->fetch[todo->fetch_count++] = again[i];
	for (size_t i = 0; i < known_count; i++)
		if (!is_listed[i])
			todo->gone[todo->gone_count++] = known[i].uidl;
	free(again);
	free(is_listed);
}

void todo_release(struct todo *todo)
{
	free(todo->fetch);
	free(todo->drop);
	free(todo->gone);
	*todo = (struct todo){0};
}
