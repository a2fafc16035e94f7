#ifndef REJOINDER_CTL_FETCHER_H
#define REJOINDER_CTL_FETCHER_H

#include "ctl/finding.h"

/*
 * rejoinder-fetcher, beside our own binary or else in PATH: what speaks with mail
 * servers is done by the one program that knows how.
 */

#define FETCHER_PROGRAM "rejoinder-fetcher"

/* Become it. argv[0] is FETCHER_PROGRAM. Returns only if that failed, after a sentence: EX_UNAVAILABLE. */
int fetcher_exec(const char *const *argv);

/*
 * Let it test an account; what it finds is given to `take` as it comes, the strings
 * borrowed for that long.  0, or an exit code after a sentence.
 */
int fetcher_test(const char *config_path, const char *account,
                 void (*take)(void *context, const struct finding *finding), void *context);

#endif
