#ifndef REJOINDER_CTL_FINDING_H
#define REJOINDER_CTL_FINDING_H

#include <jansson.h>
#include <stdbool.h>

/*
 * What a check found, for people and as JSON: whether it is well, what was looked
 * at, what was seen, and what to do.
 */

enum finding_state {
	FINDING_OK,
	FINDING_FAILED,
	FINDING_NONE,
	FINDING_WARNING, /* it works, and may not for long, or not as well as it could */
	FINDING_PROBLEM,
	FINDING_SKIPPED,
};

/* "ok", "failed", "not configured", "warning", "problem", "not tried" */
const char *finding_state_name(enum finding_state state);

/* Strings borrowed; untrusted ones are cleaned when they are printed. */
struct finding {
	enum finding_state state;
	const char *check; /* one word */
	const char *text;
	const char *advice; /* "": none */
};

/* One line, further ones indented; the state is coloured where that is asked for. */
void finding_print(const struct finding *finding, bool is_coloured);

/* Does standard output take colours: a terminal, and nobody said NO_COLOR? */
bool finding_wants_colour(void);

json_t *finding_json(const struct finding *finding);

#endif
