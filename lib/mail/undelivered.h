#ifndef REJOINDER_MAIL_UNDELIVERED_H
#define REJOINDER_MAIL_UNDELIVERED_H

#include <stdbool.h>

/*
 * The words with which mail systems return mail or say that it is late, in the
 * languages of the common ones.  Texts are given folded: wording_fold().
 */

/* Does a text say that mail could not be delivered, for good or for now? */
bool undelivered_is_text(const char *folded);
/* Does it say so in the words of a machine's form letter, which no person uses? */
bool undelivered_is_form(const char *folded);
/* Does it say that delivery is only late? */
bool undelivered_is_delayed(const char *folded);

/*
 * Does it quote a server's refusal: a reply code and a status that agree, as in
 * "550 5.1.1"?  This needs no language.
 */
bool undelivered_has_refusal(const char *folded);

#endif
