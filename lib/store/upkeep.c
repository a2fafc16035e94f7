#include "lib/store/upkeep.h"

#include <stdlib.h>
#include <string.h>

#include "lib/store/database.h"

/* What a clock that was wrong wrote so far in the future is not believed. */
#define FUTURE_MAX_S 86400

const char *upkeep_task_name(enum upkeep_task task)
{
	static const char *const names[UPKEEP_TASKS] = {
		[UPKEEP_CHECK] = "check",
		[UPKEEP_BACKUP] = "backup",
		[UPKEEP_PURGE] = "purge",
	};

	return names[task];
}

void upkeep_rows_release(struct upkeep_row rows[UPKEEP_TASKS])
{
	for (int i = 0; i < UPKEEP_TASKS; i++) {
		free(rows[i].error);
		rows[i] = (struct upkeep_row){0};
	}
}

static int read_row(struct store *store, enum upkeep_task task, struct upkeep_row *row,
                    struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT tried_at, coalesce(done_at, 0), error FROM upkeep"
	                " WHERE task = ?1");
	bind_text(&query, 1, upkeep_task_name(task), KEPT_WORD_BYTES);
	status = statement_step(&query, err);
	if (status > 0) {
		row->is_there = true;
		row->tried_at = column_int(&query, 0);
		row->done_at = column_int(&query, 1);
		row->error = column_copy(&query, 2);
	}
	statement_end(&query);
	return status < 0 ? -1 : 0;
}

int store_read_upkeep(struct store *store, struct upkeep_row rows_out[UPKEEP_TASKS],
                      struct error *err)
{
	int status = 0;

	memset(rows_out, 0, UPKEEP_TASKS * sizeof(*rows_out));
	store->doing = "look at the nightly work";
	if (read_begin(store, err) < 0)
		return -1;
	for (int i = 0; i < UPKEEP_TASKS && status == 0; i++)
		status = read_row(store, (enum upkeep_task)i, &rows_out[i], err);
	read_end(store);
	if (status < 0)
		upkeep_rows_release(rows_out);
	return status;
}

bool upkeep_is_due(const struct upkeep_row *row, int64_t night_at, int64_t now)
{
	int64_t tried_at = row->tried_at <= now + FUTURE_MAX_S ? row->tried_at : 0;
	int64_t done_at = row->done_at <= now + FUTURE_MAX_S ? row->done_at : 0;

	/* It was set up, and never tried: the first night is the next one. */
	if (row->is_there && row->done_at == 0 && row->error == NULL)
		return tried_at < night_at;
	return row->is_there && done_at < night_at &&
	       (tried_at < night_at || now - tried_at >= UPKEEP_RETRY_S);
}

/* Run a statement of a task and a moment in the transaction that is open. */
static int run(struct store *store, const char *sql, enum upkeep_task task, int64_t now,
               const char *reason, struct error *err)
{
	struct statement change;

	statement_begin(&change, store, sql);
	bind_text(&change, 1, upkeep_task_name(task), KEPT_WORD_BYTES);
	bind_int(&change, 2, now);
	bind_text(&change, 3, reason, KEPT_LINE_BYTES);
	return statement_run(&change, err);
}

static int finish(struct store *store, int status, struct error *err)
{
	if (status < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err) < 0 ? -1 : status;
}

int store_set_upkeep(struct store *store, const bool is_wanted[UPKEEP_TASKS], int64_t now,
                     int64_t deadline_ms, struct error *err)
{
	int status = 0;

	store->doing = "set the nightly work";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	for (int i = 0; i < UPKEEP_TASKS && status == 0; i++)
		status = run(store,
		             is_wanted[i] ? "INSERT INTO upkeep (task, tried_at, error)"
		                            " VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
		                          : "DELETE FROM upkeep WHERE task = ?1 AND ?2 > 0"
		                            " AND ?3 IS NULL",
		             (enum upkeep_task)i, now, NULL, err);
	return finish(store, status, err);
}

/* What the last time said stays until this one has ended: nobody is told of what is not known. */
int store_claim_upkeep(struct store *store, enum upkeep_task task, int64_t night_at, int64_t now,
                       int64_t deadline_ms, struct error *err)
{
	struct upkeep_row row = {0};
	int status;

	store->doing = "take up the nightly work";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	status = read_row(store, task, &row, err);
	if (status == 0 && upkeep_is_due(&row, night_at, now))
		status =
			run(store, "UPDATE upkeep SET tried_at = ?2 WHERE task = ?1 AND ?3 IS NULL",
		            task, now, NULL, err) < 0
				? -1
				: 1;
	free(row.error);
	return finish(store, status, err);
}

int store_end_upkeep(struct store *store, enum upkeep_task task, const char *reason, int64_t now,
                     int64_t deadline_ms, struct error *err)
{
	store->doing = "record the nightly work";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	return finish(store,
	              run(store,
	                  "UPDATE upkeep SET tried_at = ?2,"
	                  " done_at = iif(?3 IS NULL, ?2, done_at), error = ?3"
	                  " WHERE task = ?1",
	                  task, now, reason, err),
	              err);
}
