#ifndef REJOINDER_CTL_RELAY_MAP_H
#define REJOINDER_CTL_RELAY_MAP_H

#include "lib/base/config.h"

/*
 * The map by which Postfix knows whose mail goes out by a relay (transport_map), as
 * `rejoinder postfix maps` writes it.
 */

/* Its lines by the configuration: one for each enabled account with a relay, in its order. */
void relay_map_lines(const struct config *config, struct string_list *out);

/* The map as it is, a heap string; NULL with *err, or with ERROR_NONE in it if there is none. */
char *relay_map_read(const char *path, struct error *err);

/* The lines of a map that say something, without the blanks around them. */
void relay_map_split(const char *text, struct string_list *out);

#endif
