#ifndef REJOINDER_MILTER_EDITS_H
#define REJOINDER_MILTER_EDITS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/header.h"

/*
 * The edits of one message as data: what outbound and inbound decide, in the
 * order in which server.c applies them.  Nothing is sent before the list is
 * complete, and the order is such that a part of it does no harm.
 */

enum edit_kind {
	EDIT_SET_FIELD, /* replace the index-th field of that name */
	EDIT_DELETE_FIELD, /* remove the index-th field of that name; callers go from the last to the first */
	EDIT_INSERT_FIELD, /* put a field at the top, below what Postfix put there */
	EDIT_SET_SENDER,   /* envelope sender */
	EDIT_ADD_RCPT,
	EDIT_DELETE_RCPT,
};

/*
 * Fields of one name that are removed at most: Postfix reads its queue file from
 * the beginning for each.
 */
#define EDIT_DELETIONS_MAX 200

struct edit {
	enum edit_kind kind;
	char *name;     /* of a field, or NULL */
	unsigned index; /* of a field, 1-based */
	char *value; /* of a field (folded with LF and a blank), or an address; NULL for a deletion of a field */
};

struct edit_list {
	struct edit *items;
	size_t count;
	bool is_discard; /* no recipient would remain: the message is to be dropped, and Postfix logs it */
};

void edit_list_release(struct edit_list *edits);

void edit_set_field(struct edit_list *edits, const char *name, unsigned index, const char *value);
void edit_insert_field(struct edit_list *edits, const char *name, const char *value);
void edit_set_sender(struct edit_list *edits, const char *address);
void edit_add_rcpt(struct edit_list *edits, const char *address);
void edit_delete_rcpt(struct edit_list *edits, const char *given);

/*
 * Have one field of that name in the header that arrived: change the first and
 * delete the others (at most EDIT_DELETIONS_MAX), or insert one where there was
 * none.  value NULL: the first stays as it is.
 */
void edit_make_field(struct edit_list *edits, const struct header *header, const char *name,
                     const char *value);
/* Delete every field of that name, the first EDIT_DELETIONS_MAX of them. */
void edit_delete_fields(struct edit_list *edits, const struct header *header, const char *name);
/* Delete every field of ours, whatever its name. */
void edit_delete_ours(struct edit_list *edits, const struct header *header);

#endif
