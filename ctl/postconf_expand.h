#ifndef REJOINDER_CTL_POSTCONF_EXPAND_H
#define REJOINDER_CTL_POSTCONF_EXPAND_H

#include "ctl/postconf.h"

/*
 * $names of Postfix's configuration: $name, ${name}, $(name), ${name?text} and
 * ${name:text}, as postconf(5) has them.  A comparison, ${{a} == {b} ? ...}, stays as it
 * is written; so does what is nested deeper than 20 names or longer than 64 KiB.
 */

/* What a name stands for, $names as written, NULL if it is not known. */
typedef const char *postconf_lookup(const void *context, const char *name);

/* A heap string. */
char *postconf_expand_with(const char *text, postconf_lookup *lookup, const void *context);

/* By the values of main.cf. */
char *postconf_expand(const struct postconf *postconf, const char *text);

#endif
