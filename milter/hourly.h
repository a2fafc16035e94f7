#ifndef REJOINDER_MILTER_HOURLY_H
#define REJOINDER_MILTER_HOURLY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Who was complained of within the hour, so that each sender's mistakes are
 * logged once: a table of fixed size, for many threads.  Where it is full
 * the oldest gives way, and is complained of again.
 */

struct hourly;

struct hourly *hourly_new(void);
void hourly_free(struct hourly *hourly);

/*
 * Is it the sender's (any case) first time within an hour? now: Unix seconds.
 * Always, if hourly is NULL.
 */
bool hourly_is_due(struct hourly *hourly, const char *sender, int64_t now);

#endif
