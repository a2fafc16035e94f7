#ifndef REJOINDER_MILTER_ACKNOWLEDGE_H
#define REJOINDER_MILTER_ACKNOWLEDGE_H

#include "milter/plan.h"

/*
 * Who is told that a message arrived, should it open a conversation: its envelope
 * sender, if the account acknowledges and RFC 3834 has nothing against it.  It must
 * be human mail of a customer that names the account in To or Cc, or that was
 * fetched for it, its authentication must not have failed, and its sender be a
 * plain address (no literal, route or quoted string) and no list, program or
 * address of ours; of a colleague's mail it may be one of ours that is no account, where the
 * account has internal customers.  NULL: nobody.
 * The address is the mail's.  plan->record must know its class and auth.
 */
const char *acknowledge_recipient(const struct plan *plan, const struct mail *mail);

#endif
