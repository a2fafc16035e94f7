#ifndef REJOINDER_STORE_CARE_INTERNAL_H
#define REJOINDER_STORE_CARE_INTERNAL_H

#include "lib/base/digest.h"
#include "lib/store/care.h"

/*
 * The links of alerts inside a write transaction, where a mail asks for what they do.
 * Inside lib/store only.
 */

/*
 * store_do_action() without its transaction.  mail: the key of the mail that asks, or NULL;
 * the same mail again is answered as it was, and does nothing.
 */
int care_do_action(struct store *store, const struct config *config, enum action action,
                   int64_t notice, const char *by, const unsigned char mail[DIGEST_BYTES],
                   int64_t now, struct care_outcome *out, struct error *err) MUST_CHECK;

#endif
