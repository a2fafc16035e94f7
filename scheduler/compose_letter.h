#ifndef REJOINDER_SCHEDULER_COMPOSE_LETTER_H
#define REJOINDER_SCHEDULER_COMPOSE_LETTER_H

#include "lib/base/buffer.h"
#include "lib/base/config.h"
#include "lib/store/letter.h"
#include "scheduler/compose.h"

/*
 * A letter made into the bytes of a mail (RFC 5322, CRLF).  Pure, and as wary of
 * subjects, addresses and ids as compose.h.
 */

/*
 * The Message-ID of a letter, `<rejoinder-letter-ID@domain>`, the domain being
 * that of the account or of alert_from: the same at every try.
 */
void compose_letter_msgid(char out[COMPOSED_MSGID_SIZE], const struct letter *letter,
                          const char *domain);

/*
 * Write the acknowledgement (RFC 3834) that an account gives: in the customer's
 * thread, its answers led to the conversation.  In the account's subject and text
 * {subject}, {reference}, {conversation}, {account} and {address} are replaced.
 *
 * account: the letter's, with an acknowledge_text.  out: initialised with
 * COMPOSED_MAX_BYTES; what it held is gone.
 */
void compose_acknowledgement(struct buffer *out, const struct letter *letter,
                             const struct account *account, const struct compose_context *context);

/* Write what the operator is told of a sender past a rate cap (cap.h). */
void compose_capped(struct buffer *out, const struct letter *letter,
                    const struct compose_context *context);

/* Write what the operator is told of a daily limit. account: the letter's, with a limit. */
void compose_limit(struct buffer *out, const struct letter *letter, const struct account *account,
                   const struct compose_context *context);

/* Write what the operator is told of the beginning or the end of a trouble (trouble.h). */
void compose_trouble(struct buffer *out, const struct letter *letter,
                     const struct compose_context *context);

#endif
