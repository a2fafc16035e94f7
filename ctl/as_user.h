#ifndef REJOINDER_CTL_AS_USER_H
#define REJOINDER_CTL_AS_USER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "lib/base/error.h"

/*
 * Do something as another user would: in a child process, with that user's groups.
 * Only root can; anybody else does it as he is.
 */

/* Is it this user who would do it now? False if we are another and not root, or there is none. */
bool as_user_can(const char *user);

/*
 * work: returns a number of its own, and fills *err where that says so; it must come to
 * an end within timeout_ms, else it is ended.  Returns its number, or -1 with *err if
 * there is no such user, or the child could not do its work.
 */
int as_user(const char *user, int (*work)(void *context, struct error *err), void *context,
            int timeout_ms, struct error *err) MUST_CHECK;

/* For the rest of the process root is whoever owns that file or directory; root stays root. */
int as_owner(const struct stat *of, struct error *err) MUST_CHECK;

#endif
