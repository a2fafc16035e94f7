#ifndef REJOINDER_BASE_ZONE_H
#define REJOINDER_BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * A time zone, read from a TZif file (RFC 8536) into memory of its own: the C
 * library knows one zone a process, which threads would have to share.
 */

#define ZONE_DIRECTORY "/usr/share/zoneinfo"
#define ZONE_LOCAL     "localtime" /* the machine's, as a name */
#define ZONE_MAX_BYTES (256 * 1024)

struct zone;

/*
 * Read the zone of an IANA name such as Europe/Berlin, or the machine's own,
 * which is UTC where there is none.  NULL with *err (ERROR_CONFIG): no such zone, an
 * unreadable file, or none of the format.
 */
struct zone *zone_open(const char *name, struct error *err) MUST_CHECK;
void zone_free(struct zone *zone);

/* The same from the bytes of a file. */
struct zone *zone_parse(const char *bytes, size_t length, struct error *err) MUST_CHECK;

/* Seconds east of UTC that hold at Unix time `at`. NULL is UTC. */
int64_t zone_offset(const struct zone *zone, int64_t at);

/*
 * The Unix time of a local one, given in seconds since 1970-01-01 00:00 local.
 * Of a time that the clock shows twice it is the first, of one that it leaves out
 * the moment when it leaps: so a later local time is never an earlier moment.
 */
int64_t zone_to_unix(const struct zone *zone, int64_t local);

#endif
