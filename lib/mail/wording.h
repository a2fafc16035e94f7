#ifndef REJOINDER_MAIL_WORDING_H
#define REJOINDER_MAIL_WORDING_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What machines write to people, in the languages of the common ones.  Texts are
 * given folded: wording_fold().
 */

/* ASCII in lower case, each run of white space one blank; at most max_bytes of the text are read. Heap string. */
char *wording_fold(const char *text, size_t max_bytes);

/* Does a text say that mail could not be delivered, for good or for now? */
bool wording_is_undelivered(const char *folded);
/* Does it say that delivery is only late? */
bool wording_is_delayed(const char *folded);

/* Does a subject begin as mail systems begin that of a returned message? */
bool wording_is_bounce_subject(const char *folded);

/*
 * Does a subject begin with the fixed phrase of an out-of-office reply, alone or
 * before a mark such as `:`?  A phrase that a sentence goes on from is people's.
 */
bool wording_is_absence_subject(const char *folded);
/* Is it one that people write too ("... is out of the office")? Other marks must agree. */
bool wording_may_be_absence_subject(const char *folded);

#endif
