#include "lib/store/query.h"

#include <string.h>

#include "lib/store/database.h"
#include "lib/store/schema.h"

/* Nobody waits in a closed conversation.  CROSS: the few waits first, by their index. */
#define FROM_RUNNING                                                                               \
	" FROM wait w CROSS JOIN conversation c ON c.id = w.conversation"                          \
	" WHERE w.ended_at IS NULL AND c.state = 'open'"

#define CHUNK_ROWS 20000 /* counted in one read transaction, some ms */

/*
 * Add up over all rows of a table, a chunk of them in one read transaction.  The
 * query takes the last id of the chunk before as ?1 and the chunk's size as ?2,
 * and gives: rows of this chunk, its last id, then the sums.
 */
static int add_up(struct store *store, const char *sql, int64_t *const *sums, size_t sum_count,
                  struct error *err)
{
	int64_t last = 0, rows = CHUNK_ROWS;

	while (rows == CHUNK_ROWS) {
		struct statement query;
		int status;

		if (read_begin(store, err) < 0)
			return -1;
		statement_begin(&query, store, sql);
		bind_int(&query, 1, last);
		bind_int(&query, 2, CHUNK_ROWS);
		status = statement_step(&query, err);
		rows = 0;
		if (status > 0) {
			rows = column_int(&query, 0);
			last = column_int(&query, 1);
			for (size_t i = 0; i < sum_count; i++)
				*sums[i] += column_int(&query, (int)i + 2);
		}
		statement_end(&query);
		read_end(store);
		if (status < 0)
			return -1;
	}
	return 0;
}

static int count_rows(struct store *store, struct store_totals *out, struct error *err)
{
	int64_t *const of_conversations[] = {&out->conversations_open, &out->conversations_closed};
	int64_t *const of_messages[] = {&out->messages_out, &out->messages_in,
	                                &out->messages_internal};
	int64_t *const of_deliveries[] = {&out->deliveries};

	if (add_up(store,
	           "SELECT count(*), max(id), sum(state = 'open'), sum(state = 'closed') FROM"
	           " (SELECT id, state FROM conversation WHERE id > ?1 ORDER BY id LIMIT ?2)",
	           of_conversations, 2, err) < 0 ||
	    add_up(store,
	           "SELECT count(*), max(id), sum(direction = 'out'), sum(direction = 'in'),"
	           " sum(direction = 'internal') FROM"
	           " (SELECT id, direction FROM message WHERE id > ?1 ORDER BY id LIMIT ?2)",
	           of_messages, 3, err) < 0)
		return -1;
	return add_up(store,
	              "SELECT count(*), max(id), count(*) FROM"
	              " (SELECT id FROM delivery WHERE id > ?1 ORDER BY id LIMIT ?2)",
	              of_deliveries, 1, err);
}

static int read_singles(struct store *store, struct store_totals *out, struct error *err)
{
	const struct {
		const char *sql;
		int64_t *out;
	} numbers[] = {
		{"SELECT count(DISTINCT message) FROM failure WHERE action = 'failed'",
	         &out->messages_bounced},
		{"SELECT count(*)" FROM_RUNNING, &out->waits_running},
		{"SELECT min(started_at)" FROM_RUNNING, &out->oldest_wait_at},
		{"SELECT count(*) FROM letter WHERE state = 'open'", &out->letters_waiting},
		{"SELECT value FROM counter WHERE name = 'invalid-token'", &out->invalid_tokens},
	};
	int status = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status == 0; i++) {
		status = read_begin(store, err);
		if (status == 0)
			status = read_number(store, numbers[i].sql, numbers[i].out, err);
		read_end(store);
	}
	return status;
}

int store_totals(struct store *store, struct store_totals *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	store->doing = "count what is stored";
	if (count_rows(store, out, err) < 0 || read_singles(store, out, err) < 0)
		return -1;
	out->database_bytes = file_bytes(store->path);
	out->wal_bytes = file_bytes(store->wal_path);
	return schema_version(store, &out->schema_version, err);
}
