#ifndef REJOINDER_MAIL_ABSENCE_H
#define REJOINDER_MAIL_ABSENCE_H

#include <stdbool.h>

/*
 * The subjects of out-of-office replies that say in no field what they are.  Only
 * the beginning of a subject speaks, and only a fixed phrase that ends there: one
 * that a sentence goes on from is people's.  Subjects are given folded:
 * wording_fold().
 */

/*
 * Is it the subject of a responder: a phrase that machines alone begin a subject
 * with, or one that people use too and that here stands alone or before `:`, `(`
 * or `[`?
 */
bool absence_is_subject(const char *folded);

/* Could it be one, if the header shows a program that answers by itself? */
bool absence_may_be_subject(const char *folded);

#endif
