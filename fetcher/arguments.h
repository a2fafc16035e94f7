#ifndef REJOINDER_FETCHER_ARGUMENTS_H
#define REJOINDER_FETCHER_ARGUMENTS_H

#include <stdbool.h>
#include <stdio.h>

/*
 * The command line.  It stands alone because <getopt.h> and lib/base/option.h both
 * name a struct option.
 */

#define ARGUMENTS_PROGRAM "rejoinder-fetcher"

struct arguments {
	const char *config_path;
	const char *once; /* the account to poll now, or NULL */
	const char *test; /* the account to try, or NULL; with neither, run as a service */
	bool is_dry_run;
	bool wants_help, wants_version;
};

/* 0, or -1 if there is a mistake: then the usage is due. */
int arguments_read(struct arguments *arguments, int argc, char **argv);

/* Print how to use the program. Returns status. */
int arguments_usage(FILE *stream, int status);

#endif
