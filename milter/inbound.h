#ifndef REJOINDER_MILTER_INBOUND_H
#define REJOINDER_MILTER_INBOUND_H

#include "milter/plan.h"

/* Mail that comes in, and mail between staff: what is recorded, tagged, and who gets it. */

void inbound_record(struct plan *plan, const struct mail *mail);

/* recorded->status 1: for us, but of no conversation; tagged with its class only. */
void inbound_edits(const struct plan *plan, const struct mail *mail,
                   const struct recorded *recorded, struct edit_list *edits);

#endif
