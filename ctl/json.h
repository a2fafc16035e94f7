#ifndef REJOINDER_CTL_JSON_H
#define REJOINDER_CTL_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "lib/store/query.h"

/*
 * JSON for programs.  Rows of the store become objects whose keys are those of
 * rejoinder(8); an absent value is null, a time is UTC as in RFC 3339, an id is a
 * string, and bytes that are not UTF-8 are U+FFFD.
 */

json_t *json_text(const char *text);      /* NULL gives null */
json_t *json_time(int64_t at);            /* 0 gives null */
json_t *json_conversation_id(int64_t id); /* 0 gives null */
json_t *json_texts(const struct string_list *list);

json_t *json_conversation(const struct conversation_row *row);
json_t *json_message(const struct message_row *row);
json_t *json_wait(const struct wait_row *row);

/* Print the document with a line end, all of it ASCII, and let go of it. */
void json_print(json_t *document);

#endif
