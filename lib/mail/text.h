#ifndef REJOINDER_MAIL_TEXT_H
#define REJOINDER_MAIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/message.h"

/*
 * The readable text of parts, for what lib/mail looks for in it.
 */

/* Decode a text part to valid UTF-8, at most max_bytes; the tags of text/html removed. Heap string. */
char *text_of_part(const struct part *part, size_t max_bytes);

/* The first text/plain that is no attachment, else the first text/html, or NULL. */
const struct part *text_first_part(const struct part_list *parts);

/*
 * HTML to plain text: block elements end a line, entities are resolved, quoted
 * mail (blockquote, and what common clients mark as the answered message) gets
 * "> " before each line.  Heap string of at most max_bytes bytes.
 */
char *text_from_html(const char *html, size_t length, size_t max_bytes);

#endif
