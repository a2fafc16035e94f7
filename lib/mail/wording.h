#ifndef REJOINDER_MAIL_WORDING_H
#define REJOINDER_MAIL_WORDING_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What mail systems write to people, and how such texts are made comparable.  Texts
 * are given folded: wording_fold().
 */

/*
 * A text made comparable: letters of Latin, Greek and Cyrillic in lower case,
 * typographic and full-width marks as their ASCII kin, each run of white space one
 * blank.  At most max_bytes of valid UTF-8 are read.  Heap string.
 */
char *wording_fold(const char *text, size_t max_bytes);

/* Is one of the phrases, a list that NULL ends, in a text? */
bool wording_has_phrase(const char *const *phrases, const char *folded);

/* Does a subject begin as mail systems begin that of a returned message? */
bool wording_is_bounce_subject(const char *folded);

/* Does a subject begin as Exchange begins that of a read receipt? */
bool wording_is_receipt_subject(const char *folded);

/* Is it the words with which a provider passes a complaint on that is no proper report? */
bool wording_is_complaint(const char *folded);

/* Is it a list manager's refusal of a mail to its list? */
bool wording_is_list_refusal(const char *folded);

/*
 * The status (RFC 3463 3) that a reason in plain words means, without its class:
 * "1.1" of "user unknown"; or NULL.
 */
const char *wording_status_detail(const char *folded);

#endif
