#ifndef REJOINDER_MILTER_OUTBOUND_H
#define REJOINDER_MILTER_OUTBOUND_H

#include "milter/plan.h"

/* Mail of staff to the outside: whose it is, what is recorded, what is rewritten. */

/*
 * The account that outbound mail of this author leaves by: the one whose address
 * From is; else the first whose senders match; else, for an author who is named
 * or a message that opted in, the default outgoing account of From's domain.
 * NULL: nobody named this author.  *reason_out says why, in words.
 */
const struct account *outbound_account(const struct mail *mail, bool is_opted_in,
                                       const char **reason_out);

/*
 * May the message be rewritten: neither its sender nor a recipient is excluded
 * and, unless the account wants all answers, its Reply-To leads to no foreign address.
 * *reason_out is written only when it may not.
 */
bool outbound_may_rewrite(const struct mail *mail, const struct account *account,
                          const char **reason_out);

#define OUTBOUND_REASON_SIZE 80

/*
 * Would the message be rewritten for one of its authors (or, where none can be
 * read, its envelope sender), if only its header were in order? That is: one From,
 * with one author, and no field that is there more often than we remove it.
 * reason is written when it is so: "it has 2 From fields".
 */
bool outbound_is_unreadable(const struct plan *plan, const struct mail *mail,
                            char reason[OUTBOUND_REASON_SIZE]);

void outbound_record(struct plan *plan, const struct mail *mail);
void outbound_edits(const struct plan *plan, const struct mail *mail,
                    const struct recorded *recorded, struct edit_list *edits);

#endif
