#ifndef REJOINDER_FETCHER_ONCE_H
#define REJOINDER_FETCHER_ONCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "fetcher/settings.h"

/*
 * `rejoinder fetch`: one poll of one inbox, now, for somebody who looks on.  What
 * was refused or too large is tried again.  Returns the exit code.
 */
int once(const struct settings *settings, const char *name, bool is_dry_run,
         const atomic_bool *is_stopping);

#endif
