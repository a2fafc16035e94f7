#ifndef REJOINDER_SCHEDULER_COMPOSE_PARTS_H
#define REJOINDER_SCHEDULER_COMPOSE_PARTS_H

#include "scheduler/compose.h"

/* The two parts of what compose.h composes: UTF-8 with LF line ends, both saying the same. */

/* Where an answer to the alert about this item goes, a heap string, or NULL. */
char *compose_answer_address(const struct notice_item *item);

/* Who waits, clean, a heap string: `Bob Builder <bob@example.org>`, or his address alone. */
char *compose_customer(const struct notice_item *item);
void compose_append_customer_html(struct buffer *out, const struct notice_item *item);

/* The level that the item warns of is not passed yet: how many seconds are left, else 0. */
int64_t compose_time_left(const struct notice_item *item, const struct compose_context *context);

/* Append the parts of an alert. clock: or NULL. */
void compose_alert_parts(struct buffer *plain, struct buffer *html, const struct notice *notice,
                         const struct notice_item *item, const struct compose_clock *clock,
                         const struct compose_context *context);

/* Append the parts of a digest. clocks: one an item, or NULL. */
void compose_digest_parts(struct buffer *plain, struct buffer *html,
                          const struct notice_item *const *items,
                          const struct compose_clock *clocks, size_t count, int64_t now);

#endif
