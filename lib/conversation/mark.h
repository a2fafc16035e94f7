#ifndef REJOINDER_CONVERSATION_MARK_H
#define REJOINDER_CONVERSATION_MARK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/secret.h"

/*
 * A mark: what our fetcher and our scheduler write into the field
 * `Rejoinder-Mark` of a message that they hand to Postfix, so that the milter
 * knows whose it is.  It is the first field of that name, honoured only from
 * internal_hosts, and removed there, so that nobody outside ever sees one.
 *
 *     KIND DAY KEYID NONCE MAC DETAIL
 *
 * KIND is fetched or alert; DAY counts days since 1970-01-01; KEYID is one
 * character; NONCE is 13 characters of base32, random; MAC is 16 characters of
 * base32: the first 80 bits of HMAC-SHA256 over "rejoinder-mark-1" NUL KIND NUL
 * DAY NUL NONCE NUL DETAIL NUL.  DETAIL is the rest of the line: the name of the
 * POP3 account, or the conversation's id.  It does not depend on the message: a
 * sender could write one whose Message-ID Postfix cuts, and the fetcher and the
 * milter would never agree on it.
 */

#define MARK_FIELD        "Rejoinder-Mark"
#define MARK_DETAIL_BYTES 200
#define MARK_SIZE         300

enum mark_kind { MARK_FETCHED, MARK_ALERT };

/* detail: at most MARK_DETAIL_BYTES, one line. */
void mark_make(char out[MARK_SIZE], const struct keyring *keyring, enum mark_kind kind,
               const char *detail, int64_t now);

/*
 * Verify a mark.  1 and *kind_out, detail_out; 0 if it is not ours, or more than
 * two days old or early.
 */
int mark_verify(const struct keyring *keyring, const char *value, int64_t now,
                enum mark_kind *kind_out, char detail_out[MARK_DETAIL_BYTES + 1]);

#endif
