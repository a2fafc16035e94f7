#ifndef REJOINDER_FETCHER_SCHEDULE_H
#define REJOINDER_FETCHER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "fetcher/settings.h"

/*
 * Which inbox is polled when, and by which of a few threads: a server that is slow
 * or dead takes up one of them and delays no other inbox.
 */

struct schedule;

/* Start polling. settings are taken over. The number of threads is that of these settings. */
struct schedule *schedule_start(struct settings *settings);

/*
 * Go by other settings from now on, which are taken over; polls under way end
 * under theirs.  A new inbox is due at once.
 */
void schedule_reload(struct schedule *schedule, struct settings *settings);

/*
 * Let every poll end after its message in hand.  true when all have ended and
 * *schedule is freed; false when some had not in wait_s seconds: then nothing may
 * follow but the end of the process, which loses nothing.
 */
bool schedule_stop(struct schedule *schedule, int wait_s);

#endif
