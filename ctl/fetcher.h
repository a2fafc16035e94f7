#ifndef REJOINDER_CTL_FETCHER_H
#define REJOINDER_CTL_FETCHER_H

/*
 * rejoinder-fetcher, beside our own binary or else in PATH: what speaks with mail
 * servers is done by the one program that knows how.
 */

#define FETCHER_PROGRAM "rejoinder-fetcher"

/* Become it. argv[0] is FETCHER_PROGRAM. Returns only if that failed, after a sentence: EX_UNAVAILABLE. */
int fetcher_exec(const char *const *argv);

#endif
