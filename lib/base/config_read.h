#ifndef REJOINDER_BASE_CONFIG_READ_H
#define REJOINDER_BASE_CONFIG_READ_H

#include "lib/base/config.h"

/*
 * What the files that read a configuration share; not for others.
 *
 * Mistakes are collected, never returned at the first.  After MISTAKES_MAX one
 * more line says that there are others.
 */

#define MISTAKES_MAX  50
#define MISTAKE_BYTES 600 /* of one text, cut beyond */

struct mistakes {
	struct string_list *list;
	const char *path; /* of the configuration */
	size_t found;     /* those that are not listed, or stood there, included */
};

/* Add "path:line: text" (without a line when it is 0), of the configuration or of another file. */
void mistake_add(struct mistakes *mistakes, int line, const char *format, ...) PRINTF_LIKE(3, 4);
void mistake_add_in(struct mistakes *mistakes, const char *path, int line, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* The known key nearest to an unknown one, or NULL if none is within two edits. */
const char *config_nearest_key(const struct option *table, const char *key);

/*
 * The [common "name"] sections: accounts of which only the keys count.  {0} is
 * none; config_release_accounts() frees them.
 */
#define CONFIG_COMMONS_MAX 100

struct commons {
	struct account *items;
	size_t count;
};

/*
 * Read the lines of the configuration into *config and *commons: values only, no
 * defaults.  Returns the line of [rejoinder], or 0 if there is none.
 */
int config_read(struct config *config, struct commons *commons, const char *text, size_t length,
                struct mistakes *mistakes);
void config_release_accounts(struct account *accounts, size_t count);
void config_release_calendars(struct named_calendar *calendars, size_t count);

/* Give each account what it has not itself: from its [common] sections, then from its preset. */
void config_inherit(struct config *config, const struct commons *commons,
                    struct mistakes *mistakes);

/*
 * Read the zones, and let each account have the calendar that it names.  What its
 * levels, warning, repetition and quiet hours demand of each other is checked too.
 * The defaults are in place.
 */
void config_set_calendars(struct config *config, struct mistakes *mistakes);

/* Where the value of a key of the table comes from. */
const struct option_origin *config_origin(const struct option *table,
                                          const struct option_origin *origins, const char *key);

/* Has the account the key itself, from a [common] section or from a preset? */
bool config_account_has(const struct account *account, const char *key);
/*
 * The line where the key of an account stands; that of `preset` if the value is
 * the preset's, the title of its section if it is a default.
 */
int config_account_line(const struct account *account, const char *key);

/*
 * The content of a file of at most max_bytes (the caller's), and whether others
 * than owner and group can read it.  NULL with *err.
 */
char *config_read_file(const char *path, size_t max_bytes, size_t *length_out, bool *is_public_out,
                       struct error *err);

/*
 * Check the files that enabled accounts name, and read those of `acknowledge`: what
 * is found wrong is config->troubles.
 */
void config_read_acknowledgements(struct config *config, struct mistakes *troubles);
void config_check_password_files(const struct config *config, struct mistakes *troubles);

/*
 * What one value alone does not show.  title_line: what config_read() returned.
 * The defaults are in place.
 */
void config_check(const struct config *config, int title_line, struct mistakes *mistakes);
/* The part of that about inboxes, relays, limits and answers of one enabled account, which has an address. */
void config_check_service(const struct config *config, const struct account *account,
                          struct mistakes *mistakes);

#endif
