#include "lib/store/lease.h"

#include "lib/store/database.h"

static int run_with_time(struct store *store, const char *sql, int64_t id, int64_t at,
                         struct error *err)
{
	struct statement update;

	statement_begin(&update, store, sql);
	bind_int(&update, 1, id);
	bind_int(&update, 2, at);
	return statement_run(&update, err);
}

int lease_take(struct store *store, const struct lease_table *table, int64_t id, int64_t until,
               struct error *err)
{
	return run_with_time(store, table->take, id, until, err);
}

int lease_end(struct store *store, const struct lease_table *table, int64_t id, bool is_sent,
              int64_t now, struct error *err)
{
	struct statement update;

	statement_begin(&update, store, table->end);
	bind_int(&update, 1, id);
	bind_text(&update, 2, is_sent ? "sent" : "dropped", KEPT_WORD_BYTES);
	bind_int(&update, 3, now);
	if (statement_run(&update, err) < 0)
		return -1;
	return sqlite3_changes(store->db) > 0;
}

int lease_put_off(struct store *store, const struct lease_table *table, int64_t id,
                  int64_t retry_at, int64_t deadline_ms, struct error *err)
{
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	if (run_with_time(store, table->put_off, id, retry_at, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}
