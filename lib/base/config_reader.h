#ifndef REJOINDER_BASE_CONFIG_READER_H
#define REJOINDER_BASE_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/config_read.h"

/*
 * The reading of a configuration, for the two files that do it: config_read.c brings lines
 * and titles, config_keys.c takes keys and values.
 */

#define LINE_MAX_BYTES 199 /* INI_MAX_LINE of libinih is 200 */

enum section {
	SECTION_NONE,
	SECTION_UNKNOWN,
	SECTION_REJOINDER,
	SECTION_ACCOUNT,
	SECTION_COMMON,
	SECTION_CALENDAR,
};

struct reader {
	const char *text; /* what is left of the file */
	size_t length;
	int line_number;
	int title_line; /* of [rejoinder] */
	struct config *config;
	struct commons *commons;
	struct mistakes *mistakes;

	char line[LINE_MAX_BYTES + 1]; /* the line that libinih has */
	bool is_indented;
	bool is_awaited; /* libinih should call back for it */

	enum section section;
	struct account *account; /* or [common] section */
	struct named_calendar *calendar;
	const struct option
		*option;     /* of the last key in this section, NULL: not to be continued */
	bool has_key;        /* libinih remembers a key that an indented line continues */
	bool drops_indented; /* the line that they continue was refused */
};

#define mistake_here(reader, ...)                                                                  \
	mistake_add((reader)->mistakes, (reader)->line_number, __VA_ARGS__)

/* How much of a text from the file a message shows: no half of a character. */
int reader_shown_length(const char *text);

/*
 * A key and its value, as libinih calls back for them; an indented line is a value of the
 * key before it.  Always 1: what is wrong is a mistake.
 */
int reader_take_value(void *reader, const char *section, const char *key, const char *value);

#endif
