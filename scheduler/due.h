#ifndef REJOINDER_SCHEDULER_DUE_H
#define REJOINDER_SCHEDULER_DUE_H

#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"

/*
 * What the scheduler does, in small units: plan the waits that began, make
 * notices of the levels that were passed, send one of them and mark it.  All it
 * must not forget stands in the store, so that it may be killed at any moment.
 */

struct due;

struct due *due_new(const char *config_path);
void due_free(struct due *due);

/*
 * Read configuration and keys (again).  0, or -1 with *err after every mistake
 * was logged: then what was in force stays in force.
 */
int due_load(struct due *due, struct error *err) MUST_CHECK;
/* What is in force, until the next due_load(). */
const struct config *due_config(const struct due *due);

/*
 * Do one unit of work.  Returns how many milliseconds to wait before the next
 * call: 0 when there is more to do, at most a second, since nothing else tells that the
 * store has changed.  What goes wrong is logged here, and tried again.
 */
int64_t due_work(struct due *due);

#endif
