#include "milter/edits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"

void edit_list_release(struct edit_list *edits)
{
	for (size_t i = 0; i < edits->count; i++) {
		free(edits->items[i].name);
		free(edits->items[i].value);
	}
	free(edits->items);
	memset(edits, 0, sizeof(*edits));
}

static void add(struct edit_list *edits, enum edit_kind kind, const char *name, unsigned index,
                const char *value)
{
	struct edit *edit;

	/* Grow by doubling: capacity is the power of two at or above the count. */
	if ((edits->count & (edits->count - 1)) == 0)
		edits->items = xreallocarray(edits->items, edits->count == 0 ? 1 : edits->count * 2,
		                             sizeof(*edit));
	edit = &edits->items[edits->count++];
	edit->kind = kind;
	edit->name = xstrdup(name);
	edit->index = index;
	edit->value = xstrdup(value);
}

void edit_set_field(struct edit_list *edits, const char *name, unsigned index, const char *value)
{
	add(edits, EDIT_SET_FIELD, name, index, value);
}

void edit_insert_field(struct edit_list *edits, const char *name, const char *value)
{
	add(edits, EDIT_INSERT_FIELD, name, 1, value);
}

void edit_set_sender(struct edit_list *edits, const char *address)
{
	add(edits, EDIT_SET_SENDER, NULL, 0, address);
}

void edit_add_rcpt(struct edit_list *edits, const char *address)
{
	add(edits, EDIT_ADD_RCPT, NULL, 0, address);
}

void edit_delete_rcpt(struct edit_list *edits, const char *given)
{
	add(edits, EDIT_DELETE_RCPT, NULL, 0, given);
}

/* Deleting shifts the later fields of that name at once: from the last to the first. */
static void delete_from(struct edit_list *edits, const char *name, unsigned last, unsigned first)
{
	if (last >= first + EDIT_DELETIONS_MAX)
		last = first + EDIT_DELETIONS_MAX - 1;
	for (unsigned index = last; index >= first; index--)
		add(edits, EDIT_DELETE_FIELD, name, index, NULL);
}

void edit_make_field(struct edit_list *edits, const struct header *header, const char *name,
                     const char *value)
{
	unsigned count = header_count(header, name);

	if (count == 0 && value != NULL)
		edit_insert_field(edits, name, value);
	else if (value != NULL)
		edit_set_field(edits, name, 1, value);
	delete_from(edits, name, count, 2);
}

void edit_delete_fields(struct edit_list *edits, const struct header *header, const char *name)
{
	delete_from(edits, name, header_count(header, name), 1);
}

/*
 * The fields of one name carry indices 1 to n in the order of arrival, so going
 * backwards over the header deletes each name from its last to its first.
 */
void edit_delete_ours(struct edit_list *edits, const struct header *header)
{
	for (size_t i = header->count; i-- > 0;) {
		const struct field *field = &header->fields[i];
		if (header_is_ours(field->name))
			add(edits, EDIT_DELETE_FIELD, field->name, field->index, NULL);
	}
}
