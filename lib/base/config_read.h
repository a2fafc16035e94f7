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
};

/* Add "path:line: text" (without a line when it is 0), of the configuration or of another file. */
void mistake_add(struct mistakes *mistakes, int line, const char *format, ...) PRINTF_LIKE(3, 4);
void mistake_add_in(struct mistakes *mistakes, const char *path, int line, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* The known key nearest to an unknown one, or NULL if none is within two edits. */
const char *config_nearest_key(const struct option *table, const char *key);

/*
 * Read the lines of the configuration into *config: values only, no defaults.
 * Returns the line of [rejoinder], or 0 if there is none.
 */
int config_read(struct config *config, const char *text, size_t length, struct mistakes *mistakes);

/* The line where a key of the table stands, 0 if nowhere. */
int config_key_line(const struct option *table, const struct option_origin *origins,
                    const char *key);

/*
 * What one value alone does not show.  title_line: what config_read() returned.
 * The defaults are in place.
 */
void config_check(const struct config *config, int title_line, struct mistakes *mistakes);

#endif
