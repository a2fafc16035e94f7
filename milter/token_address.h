#ifndef REJOINDER_MILTER_TOKEN_ADDRESS_H
#define REJOINDER_MILTER_TOKEN_ADDRESS_H

#include <stdint.h>

#include "lib/conversation/token.h"
#include "milter/policy.h"

/*
 * Addresses that may hold a token, in each of the forms in which one comes back:
 * the detail of an incoming account's address; the same behind another
 * delimiter, which a relay or a provider puts there; and the whole local part at
 * the token_domain of an account.  Pure.
 */

struct token_address {
	const struct account *account; /* the incoming account that it is an address of, or NULL */
	const char *text;              /* of the token, in the address; NULL: there is none */
	size_t length;
	enum token_verdict verdict; /* TOKEN_MALFORMED where there is none */
	int64_t conversation;       /* of a token that is believed, or 0 */
};

/* Read local@domain. The verdict is that of `now`, Unix seconds. */
void token_address_read(struct token_address *out, const struct policy *policy, const char *address,
                        int64_t now);

#endif
