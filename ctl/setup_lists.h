#ifndef REJOINDER_CTL_SETUP_LISTS_H
#define REJOINDER_CTL_SETUP_LISTS_H

#include "ctl/postconf.h"

/*
 * Lists of milters as the plan of `rejoinder setup` edits them: as text with $names, so
 * that what the admin wrote stays as he wrote it.
 */

#define SETUP_MILTER     "$rejoinder_milter"
#define SETUP_SUBMISSION "$submission_milters"

/* a and b are lists; either may be empty. A heap string. */
char *setup_list_join(const char *a, const char *b);
/* Without commas and blanks that only part its elements: "a,b". A heap string. */
char *setup_list_compact(const char *list);
/* With one of its elements, `from`, replaced by `to` ("": taken out). A heap string. */
char *setup_list_replace(const char *list, const char *from, const char *to);
/* Does it have this element, word for word?  $name and ${name} are the same. */
bool setup_list_has(const char *list, const char *element);
bool setup_list_equal(const char *a, const char *b);

/* Is one of its milters, $names expanded, this endpoint? Names in any of its spellings. */
bool setup_list_has_endpoint(const struct postconf *postconf, const char *list,
                             const struct string_list *endpoints);

/* Is everything in it a milter as Postfix takes one? Else -1, and *err names where it stands. */
int setup_list_check(const struct postconf *postconf, const char *list, const char *where,
                     struct error *err) MUST_CHECK;

/* Text with each run of blanks as one. A heap string. */
char *setup_collapse(const char *text);

/*
 * A line of master.cf with the option -o { parameter = value }, in the place of one that set
 * the same, else at the end.  A heap string, its words separated by one blank.
 */
char *setup_line_set_option(const char *line, const char *parameter, const char *value);

#endif
