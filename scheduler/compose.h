#ifndef REJOINDER_SCHEDULER_COMPOSE_H
#define REJOINDER_SCHEDULER_COMPOSE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buffer.h"
#include "lib/base/config.h"
#include "lib/base/secret.h"
#include "lib/store/alert.h"
#include "scheduler/compose_when.h"

/*
 * A notice made into the bytes of a mail (RFC 5322, CRLF).  What it says of one
 * wait is an alert: an answer to it goes to the customer, in his thread, and
 * belongs to the conversation.  What it says of several is a digest, which
 * nobody can answer.  Either is there as plain text, complete on its own, and as
 * HTML.  Pure, but that times are shown in the zone of the process where no other
 * is given.
 *
 * Subjects, texts and addresses are untrusted: each becomes one line of UTF-8
 * without control characters, cut where it is too long for a line.
 *
 * What an alert says is quoted to the customer by mail clients whose user does not delete
 * it.  So it is short, and what is for staff alone stands in the plain text below the
 * line `-- `, which many clients do not quote.
 */

#define COMPOSED_MAX_BYTES  (2 * 1024 * 1024)
#define COMPOSED_LINES_MAX  8   /* of the customer's text */
#define COMPOSED_ITEMS_MAX  200 /* listed in a digest; the rest is counted */
#define COMPOSED_MSGID_SIZE 360

struct compose_context {
	const struct config *config;
	const struct keyring *keys;
	int64_t now; /* Unix seconds */
};

/*
 * The waits of a notice that still run, each once with the highest of its
 * levels, the longest first.  items: room for notice->item_count pointers, into the notice.
 * Returns how many there are.
 */
size_t compose_select(const struct notice *notice, const struct notice_item **items);

/* The Message-ID of a notice, `<rejoinder-notice-ID@domain of alert_from>`: the same at every try. */
void compose_msgid(char out[COMPOSED_MSGID_SIZE], const struct notice *notice,
                   const struct config *config);

/*
 * Write the mail about these items (at least one) of the notice.  clocks: by which each
 * item is told, in their order; NULL: the zone of the process, and no calendar.
 * out: initialised with COMPOSED_MAX_BYTES; what it held is gone.
 */
void compose_timed_notice(struct buffer *out, const struct notice *notice,
                          const struct notice_item *const *items,
                          const struct compose_clock *clocks, size_t count,
                          const struct compose_context *context);

#endif
