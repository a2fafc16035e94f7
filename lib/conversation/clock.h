#ifndef REJOINDER_CONVERSATION_CLOCK_H
#define REJOINDER_CONVERSATION_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * When a wait passes the levels of its account.  Pure: `now` and the levels are
 * parameters.
 */

#define CLOCK_NEVER INT64_MAX

/*
 * When a wait that began at started_at passes level number `level` (from 0) of
 * the given delays, which stand in ascending order (seconds): Unix seconds, or CLOCK_NEVER if
 * there is no such level.
 */
int64_t clock_due_at(int64_t started_at, const int64_t *delays_s, size_t delay_count, int level);

/*
 * How many levels from `level` on are passed at `now`.
 */
size_t clock_passed(int64_t started_at, const int64_t *delays_s, size_t delay_count, int level,
                    int64_t now);

/*
 * Write a duration as people say it: "20 s", "45 min", "2 h 5 min", "3 days",
 * "1 day 4 h".  What is smaller is cut off, so that no one is said to wait longer than he did;
 * below 0 is "0 s".
 */
void clock_describe(int64_t seconds, char *out, size_t size);

#endif
