#include "lib/store/relay.h"

#include <stdlib.h>

#include "lib/store/database.h"
#include "lib/store/rows.h"

int store_set_relay(struct store *store, const char *account, const char *failure, int64_t now,
                    int64_t deadline_ms, struct error *err)
{
	struct statement change;

	store->doing = "record how a relay does";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	statement_begin(&change, store,
	                failure != NULL
	                        ? "INSERT INTO relay (account, since, tried_at, error)"
	                          " VALUES (?1, ?2, ?2, ?3) ON CONFLICT (account) DO UPDATE"
	                          " SET tried_at = excluded.tried_at, error = excluded.error"
	                        : "DELETE FROM relay WHERE account = ?1 AND ?2 > 0 AND ?3 IS NULL");
	bind_text(&change, 1, account, KEPT_NAME_BYTES);
	bind_int(&change, 2, now);
	bind_text(&change, 3, failure, KEPT_LINE_BYTES);
	if (statement_run(&change, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

void relay_rows_free(struct relay_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(rows[i].account);
		free(rows[i].error);
	}
	free(rows);
}

int store_list_relays(struct store *store, struct relay_row **rows_out, size_t *count_out,
                      struct error *err)
{
	struct statement query;
	int status;

	*rows_out = NULL;
	*count_out = 0;
	store->doing = "list relays";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT account, since, tried_at, error FROM relay ORDER BY account");
	while ((status = statement_step(&query, err)) > 0) {
		struct relay_row *row;

		*rows_out = rows_add(*rows_out, count_out, sizeof(**rows_out));
		row = &(*rows_out)[*count_out - 1];
		row->account = column_copy(&query, 0);
		row->since = column_int(&query, 1);
		row->tried_at = column_int(&query, 2);
		row->error = column_copy(&query, 3);
	}
	statement_end(&query);
	read_end(store);
	if (status < 0) {
		relay_rows_free(*rows_out, *count_out);
		*rows_out = NULL;
		*count_out = 0;
	}
	return status;
}
