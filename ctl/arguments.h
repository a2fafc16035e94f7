#ifndef REJOINDER_CTL_ARGUMENTS_H
#define REJOINDER_CTL_ARGUMENTS_H

#include <stdbool.h>

/*
 * Reading a command line with getopt_long(3).  It stands alone because
 * <getopt.h> and lib/base/option.h both name a struct option.
 */

#define FLAGS_MAX       16
#define FLAG_VALUES_MAX 100

/*
 * One option; a table of them ends with an entry without a name.  With is_given
 * and value it may stand FLAG_VALUES_MAX times: value is an array of so many, and
 * those that are not NULL are taken.
 */
struct flag {
	const char *name;   /* the long form, without its dashes */
	char letter;        /* the short form, or 0 */
	bool *is_given;     /* set for an option without value, else NULL */
	const char **value; /* set for an option with a value, else NULL; points into argv */
};

/*
 * Read the options of argv[1] and on; afterwards *argc and *argv are the
 * operands alone.  is_ordered: stop at the first operand, else options may stand
 * after operands too.  speaker names the command in the sentence that goes to
 * stderr on a mistake.  Returns 0, or -1 after that sentence.
 */
int arguments_read(const char *speaker, const struct flag *flags, bool is_ordered, int *argc,
                   char ***argv);

#endif
