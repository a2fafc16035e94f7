#ifndef REJOINDER_CTL_MOMENT_H
#define REJOINDER_CTL_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Times as people write them on a command line: how long, or when on this machine's clock.
 */

#define MOMENT_SPAN_MAX_S (3650LL * 86400)

/*
 * A number and m, h, d or w.  Of one over MOMENT_SPAN_MAX_S only that is sure to come out.
 * False: it is no span.
 */
bool moment_read_span(const char *text, int64_t *seconds_out);

/* 2026-12-01, 2026-12-01T09:00 or with a blank: local time. False: it is no moment. */
bool moment_read(const char *text, int64_t *at_out);

#endif
