#ifndef REJOINDER_CTL_RELAY_MAP_H
#define REJOINDER_CTL_RELAY_MAP_H

#include "lib/base/config.h"

#define RELAY_MAP_MODE 0644 /* trivial-rewrite(8) reads it as user postfix */

/*
 * The map by which Postfix knows whose mail goes out by a relay (transport_map), as
 * `rejoinder postfix maps` writes it.
 */

/* Its lines by the configuration: one for each enabled account with a relay, in its order. */
void relay_map_lines(const struct config *config, struct string_list *out);

/* The whole map with them, a heap string. */
char *relay_map_text(const struct config *config);
/* Did `rejoinder postfix maps` write it, by whatever configuration, and nobody a line of his own? */
bool relay_map_is_ours(const char *text);

/* The lines of a map that say something, without the blanks around them. */
void relay_map_split(const char *text, struct string_list *out);

#endif
