#ifndef REJOINDER_SCHEDULER_COMPOSE_HTML_H
#define REJOINDER_SCHEDULER_COMPOSE_HTML_H

#include "lib/base/buffer.h"

/*
 * The pieces of HTML that our mail is made of: styles stand inline, since mail
 * clients remove others; nothing is loaded; and the colours of text and ground are left
 * to the client, whose reader may want them dark.
 */

/* Muted text; the names of styles that several pieces have. */
#define HTML_MUTED "font-size:14px;opacity:0.75"
#define HTML_WRAP  "overflow-wrap:anywhere;word-break:break-word"

void html_begin(struct buffer *out);
void html_end(struct buffer *out);

/* Append untrusted text (clean UTF-8, see mail_text.h) as it stands in HTML, in an attribute too. */
void html_append_escaped(struct buffer *out, const char *text);

/* The same as a piece whose direction of writing is its own. */
void html_append_isolated(struct buffer *out, const char *text);

#endif
