#include "lib/store/daemon.h"

#include <stdlib.h>

#include "lib/store/database.h"
#include "lib/store/rows.h"

int store_set_daemon(struct store *store, const char *name, const char *version, int64_t pid,
                     int64_t now, int64_t deadline_ms, struct error *err)
{
	struct statement insert;

	store->doing = "record the start of a daemon";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	statement_begin(&insert, store,
	                "INSERT INTO daemon (name, version, pid, started_at)"
	                " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET"
	                " version = excluded.version, pid = excluded.pid,"
	                " started_at = excluded.started_at");
	bind_text(&insert, 1, name, KEPT_WORD_BYTES);
	bind_text(&insert, 2, version, KEPT_WORD_BYTES);
	bind_int(&insert, 3, pid);
	bind_int(&insert, 4, now);
	if (statement_run(&insert, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

void daemon_rows_free(struct daemon_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(rows[i].name);
		free(rows[i].version);
	}
	free(rows);
}

int store_list_daemons(struct store *store, struct daemon_row **rows_out, size_t *count_out,
                       struct error *err)
{
	struct statement query;
	int status;

	*rows_out = NULL;
	*count_out = 0;
	store->doing = "list daemons";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT name, version, pid, started_at FROM daemon ORDER BY name");
	while ((status = statement_step(&query, err)) > 0) {
		struct daemon_row *row;

		*rows_out = rows_add(*rows_out, count_out, sizeof(**rows_out));
		row = &(*rows_out)[*count_out - 1];
		row->name = column_copy(&query, 0);
		row->version = column_copy(&query, 1);
		row->pid = column_int(&query, 2);
		row->started_at = column_int(&query, 3);
	}
	statement_end(&query);
	read_end(store);
	if (status < 0) {
		daemon_rows_free(*rows_out, *count_out);
		*rows_out = NULL;
		*count_out = 0;
	}
	return status;
}
