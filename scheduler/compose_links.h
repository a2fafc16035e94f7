#ifndef REJOINDER_SCHEDULER_COMPOSE_LINKS_H
#define REJOINDER_SCHEDULER_COMPOSE_LINKS_H

#include "lib/conversation/action.h"
#include "scheduler/compose.h"

/*
 * The links of an alert: each opens a mail that, sent as it is, does something to
 * the conversation.  rejoinder-milter takes it, from staff only.
 */

/* What a link does, as its reader would say it. */
const char *links_label(enum action action);

/*
 * The mailto: URI (RFC 6068) of an action on what the notice says of this item: ASCII
 * without blanks, quotes and angle brackets, a heap string.  NULL if the conversation has
 * no incoming account or addresses have no details.
 */
char *links_make(const struct notice *notice, const struct notice_item *item, enum action action,
                 const struct compose_context *context);

#endif
