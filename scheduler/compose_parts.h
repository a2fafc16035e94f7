#ifndef REJOINDER_SCHEDULER_COMPOSE_PARTS_H
#define REJOINDER_SCHEDULER_COMPOSE_PARTS_H

#include "scheduler/compose.h"

/* The two parts of what compose.h composes: UTF-8 with LF line ends, both saying the same. */

/* Where an answer to the alert about this item goes, a heap string, or NULL. */
char *compose_answer_address(const struct notice_item *item);

/* Append the parts of an alert. clock: or NULL. */
void compose_alert_parts(struct buffer *plain, struct buffer *html, const struct notice *notice,
                         const struct notice_item *item, const struct compose_clock *clock,
                         const struct compose_context *context);

/* Append the parts of a digest. clocks: one an item, or NULL. */
void compose_digest_parts(struct buffer *plain, struct buffer *html,
                          const struct notice_item *const *items,
                          const struct compose_clock *clocks, size_t count, int64_t now);

#endif
