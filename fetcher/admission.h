#ifndef REJOINDER_FETCHER_ADMISSION_H
#define REJOINDER_FETCHER_ADMISSION_H

#include <stdbool.h>
#include <sys/types.h>

#include "fetcher/seldom.h"

/* Who may ask for passwords: postfix_user, root, and the user of this process. */

struct admission {
	uid_t postfix_uid;
	bool has_postfix_user; /* there is such a user */
	struct seldom refused;
};

/* The user is this one from now on. */
void admission_set_user(struct admission *admission, const char *postfix_user);

/* May who connected ask?  Who may not is logged, once a minute. */
bool admission_check(struct admission *admission, int connection);

#endif
