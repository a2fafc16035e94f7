#ifndef REJOINDER_BASE_PRESET_H
#define REJOINDER_BASE_PRESET_H

#include <stdbool.h>

/*
 * What popular mail services want, for `preset = name` of an account: one table.
 *
 * A service is added with one row of it; its values are read as those of
 * rejoinder.conf(5) are, and a unit test reads them all.  Limits of a service
 * whose own unit is another one are what is safe in each of its plans.
 */

#define PRESET_VALUES_MAX 6

enum sign_in { SIGN_IN_PASSWORD, SIGN_IN_APP_PASSWORD, SIGN_IN_OAUTH2 };
enum sub_addressing { SUB_ADDRESSING_NO, SUB_ADDRESSING_YES, SUB_ADDRESSING_NOT_HERE };

struct preset_value {
	const char *key, *value; /* of an account */
};

struct preset {
	const char *name;  /* as in `preset = name` */
	const char *title; /* as people call the service */
	/* For the side that the account has; the first without a key ends them. */
	struct preset_value incoming[PRESET_VALUES_MAX + 1];
	struct preset_value outgoing[PRESET_VALUES_MAX + 1];
	enum sign_in sign_in;
	/* Does user+detail@ reach user@?  Not here: answers do not come by this service. */
	enum sub_addressing sub_addressing;
	const char *checked_on; /* YYYY-MM-DD */
	const char *unchecked;  /* what could not be checked then, or NULL */
	const char *note;       /* one line for people, or NULL */
};

/* The table, ended by an entry without a name. */
const struct preset *preset_table(void);

const struct preset *preset_find(const char *name); /* any case, or NULL */
/* The name in the table nearest to a mistyped one, or NULL if none is near. */
const char *preset_nearest(const char *name);

/* What the preset says for a key, on whichever side, or NULL. */
const char *preset_value(const struct preset *preset, const char *key);
bool preset_has_incoming(const struct preset *preset);

/* "password", "app password", "OAuth2" */
const char *preset_sign_in_name(enum sign_in sign_in);

#endif
