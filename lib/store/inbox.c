#include "lib/store/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "lib/store/database.h"
#include "lib/store/rows.h"

#define CHUNK_ROWS 20000 /* read in one read transaction, some ms */

static const char *const state_names[] = {
	[UIDL_DELIVERED] = "delivered",
	[UIDL_SKIPPED] = "skipped",
	[UIDL_TOO_LARGE] = "too-large",
	[UIDL_REFUSED] = "refused",
};

static bool state_from_name(const char *name, enum uidl_state *out)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++)
		if (name != NULL && strcmp(state_names[i], name) == 0) {
			*out = (enum uidl_state)i;
			return true;
		}
	return false;
}

void uidl_rows_free(struct uidl_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(rows[i].uidl);
	free(rows);
}

static int read_uidl(struct statement *query, struct uidl_row *row, struct error *err)
{
	char *state = column_copy(query, 1);
	bool is_known = state_from_name(state, &row->state);

	free(state);
	row->uidl = column_copy(query, 0);
	row->done_at = column_int(query, 2);
	return is_known ? 0
	                : error_set(err, ERROR_CORRUPT,
	                            "cannot %s in %s: a UIDL has an unknown state",
	                            query->store->doing, query->store->path);
}

/* Those after `last`, at most CHUNK_ROWS: how many, or -1. */
static int read_chunk(struct store *store, const char *account, const char *last,
                      struct uidl_row **rows, size_t *count, struct error *err)
{
	struct statement query;
	int status, read_count = 0;

	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT uidl, state, done_at FROM uidl WHERE account = ?1 AND uidl > ?2"
	                " ORDER BY uidl LIMIT ?3");
	bind_text(&query, 1, account, KEPT_NAME_BYTES);
	bind_text(&query, 2, last, UIDL_MAX_BYTES);
	bind_int(&query, 3, CHUNK_ROWS);
	while ((status = statement_step(&query, err)) > 0) {
		*rows = rows_add(*rows, count, sizeof(**rows));
		read_count++;
		if (read_uidl(&query, &(*rows)[*count - 1], err) < 0) {
			status = -1;
			break;
		}
	}
	statement_end(&query);
	read_end(store);
	return status < 0 ? -1 : read_count;
}

int store_list_uidls(struct store *store, const char *account, struct uidl_row **rows_out,
                     size_t *count_out, struct error *err)
{
	int read_count;

	*rows_out = NULL;
	*count_out = 0;
	store->doing = "list UIDLs";
	do {
		const char *last = *count_out > 0 ? (*rows_out)[*count_out - 1].uidl : "";

		read_count = read_chunk(store, account, last, rows_out, count_out, err);
	} while (read_count == CHUNK_ROWS);
	if (read_count < 0) {
		uidl_rows_free(*rows_out, *count_out);
		*rows_out = NULL;
		*count_out = 0;
		return -1;
	}
	return 0;
}

static int add_uidl(struct store *store, const char *account, const struct uidl_row *row,
                    struct error *err)
{
	struct statement insert;

	/* a cut one could be that of another message */
	if (row->uidl[0] == '\0' || strlen(row->uidl) > UIDL_MAX_BYTES)
		return error_set(err, ERROR_PERMANENT,
		                 "cannot %s in %s: a UIDL of %zu bytes, allowed are 1 to %d",
		                 store->doing, store->path, strlen(row->uidl), UIDL_MAX_BYTES);
	statement_begin(&insert, store,
	                "INSERT INTO uidl (account, uidl, state, done_at) VALUES (?1, ?2, ?3, ?4)"
	                " ON CONFLICT (account, uidl) DO UPDATE SET state = excluded.state,"
	                " done_at = excluded.done_at WHERE uidl.state <> 'delivered'");
	bind_text(&insert, 1, account, KEPT_NAME_BYTES);
	bind_text(&insert, 2, row->uidl, UIDL_MAX_BYTES);
	bind_text(&insert, 3, state_names[row->state], KEPT_WORD_BYTES);
	bind_int(&insert, 4, row->done_at);
	return statement_run(&insert, err);
}

int store_add_uidls(struct store *store, const char *account, const struct uidl_row *rows,
                    size_t count, int64_t deadline_ms, struct error *err)
{
	store->doing = "record UIDLs";
	if (count == 0)
		return 0;
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (add_uidl(store, account, &rows[i], err) < 0) {
			transaction_rollback(store);
			return -1;
		}
	}
	return transaction_commit(store, err);
}

static int forget_uidl(struct store *store, const char *account, const char *uidl,
                       struct error *err)
{
	struct statement delete;

	if (strlen(uidl) > UIDL_MAX_BYTES)
		return 0;
	statement_begin(&delete, store, "DELETE FROM uidl WHERE account = ?1 AND uidl = ?2");
	bind_text(&delete, 1, account, KEPT_NAME_BYTES);
	bind_text(&delete, 2, uidl, UIDL_MAX_BYTES);
	return statement_run(&delete, err);
}

int store_forget_uidls(struct store *store, const char *account, const char *const *uidls,
                       size_t count, int64_t deadline_ms, struct error *err)
{
	store->doing = "forget UIDLs";
	if (count == 0)
		return 0;
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (forget_uidl(store, account, uidls[i], err) < 0) {
			transaction_rollback(store);
			return -1;
		}
	}
	return transaction_commit(store, err);
}

int store_put_inbox(struct store *store, const struct inbox_row *row, int64_t deadline_ms,
                    struct error *err)
{
	struct statement insert;

	store->doing = "record a poll";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	statement_begin(&insert, store,
	                "INSERT INTO inbox (account, polled_at, succeeded_at, next_poll_at,"
	                " failure_count, backlog, on_server, delivered_total, error)"
	                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
	                " ON CONFLICT (account) DO UPDATE SET polled_at = excluded.polled_at,"
	                " succeeded_at = excluded.succeeded_at,"
	                " next_poll_at = excluded.next_poll_at,"
	                " failure_count = excluded.failure_count, backlog = excluded.backlog,"
	                " on_server = excluded.on_server,"
	                " delivered_total = inbox.delivered_total + excluded.delivered_total,"
	                " error = excluded.error");
	bind_text(&insert, 1, row->account, KEPT_NAME_BYTES);
	bind_int(&insert, 2, row->polled_at);
	bind_int(&insert, 3, row->succeeded_at);
	bind_int(&insert, 4, row->next_poll_at);
	bind_int(&insert, 5, row->failure_count);
	bind_int(&insert, 6, row->backlog);
	bind_int(&insert, 7, row->on_server);
	bind_int(&insert, 8, row->delivered_total);
	bind_text(&insert, 9, row->error, KEPT_LINE_BYTES);
	if (statement_run(&insert, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

void inbox_rows_free(struct inbox_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(rows[i].account);
		free(rows[i].error);
	}
	free(rows);
}

static void read_inbox(struct statement *query, struct inbox_row *row)
{
	row->account = column_copy(query, 0);
	row->polled_at = column_int(query, 1);
	row->succeeded_at = column_int(query, 2);
	row->next_poll_at = column_int(query, 3);
	row->failure_count = column_int(query, 4);
	row->backlog = column_int(query, 5);
	row->on_server = column_int(query, 6);
	row->delivered_total = column_int(query, 7);
	row->error = column_copy(query, 8);
}

int store_list_inboxes(struct store *store, struct inbox_row **rows_out, size_t *count_out,
                       struct error *err)
{
	struct statement query;
	int status;

	*rows_out = NULL;
	*count_out = 0;
	store->doing = "list inboxes";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT account, polled_at, succeeded_at, next_poll_at, failure_count,"
	                " backlog, on_server, delivered_total, error FROM inbox ORDER BY account");
	while ((status = statement_step(&query, err)) > 0) {
		*rows_out = rows_add(*rows_out, count_out, sizeof(**rows_out));
		read_inbox(&query, &(*rows_out)[*count_out - 1]);
	}
	statement_end(&query);
	read_end(store);
	if (status < 0) {
		inbox_rows_free(*rows_out, *count_out);
		*rows_out = NULL;
		*count_out = 0;
	}
	return status;
}
