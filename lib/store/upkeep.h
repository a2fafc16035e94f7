#ifndef REJOINDER_STORE_UPKEEP_H
#define REJOINDER_STORE_UPKEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * The table upkeep: what is done each night, and how the last time went.  Who is to do a
 * task is decided by its row in a write transaction, so that of several schedulers one does it;
 * the tasks themselves are the caller's.
 */

enum upkeep_task { UPKEEP_CHECK, UPKEEP_BACKUP, UPKEEP_PURGE };
#define UPKEEP_TASKS 3
const char *upkeep_task_name(enum upkeep_task task); /* "check", "backup", "purge" */

/* What failed, or whose end nobody told, is done again after that time, not the next night. */
#define UPKEEP_RETRY_S 3600

struct upkeep_row {
	bool is_there;
	int64_t tried_at; /* Unix seconds */
	int64_t done_at;  /* the last time that it went well, 0: never */
	char *error;      /* of the last time, NULL: it went well, or it was not tried yet */
};

/* The rows by task. They are the caller's: upkeep_rows_release(). */
int store_read_upkeep(struct store *store, struct upkeep_row rows_out[UPKEEP_TASKS],
                      struct error *err) MUST_CHECK;
void upkeep_rows_release(struct upkeep_row rows[UPKEEP_TASKS]);

/* Is it to be done now, in the night that began at night_at?  What has no row is not. */
bool upkeep_is_due(const struct upkeep_row *row, int64_t night_at, int64_t now);

/*
 * From now on these tasks are done each night and others are not: one that had no row gets
 * one, and is due the next night; the rows of others go.
 */
int store_set_upkeep(struct store *store, const bool is_wanted[UPKEEP_TASKS], int64_t now,
                     int64_t deadline_ms, struct error *err) MUST_CHECK;

/* Take a task if it is due: 1 it is the caller's, who ends it, 0 it is not, or -1 with *err. */
int store_claim_upkeep(struct store *store, enum upkeep_task task, int64_t night_at, int64_t now,
                       int64_t deadline_ms, struct error *err) MUST_CHECK;

/* It was done, and failed for that reason in words, or went well (NULL). */
int store_end_upkeep(struct store *store, enum upkeep_task task, const char *reason, int64_t now,
                     int64_t deadline_ms, struct error *err) MUST_CHECK;

#endif
