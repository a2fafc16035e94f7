#include "lib/store/trouble.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/store/database.h"
#include "lib/store/letter_internal.h"
#include "lib/store/rows.h"

void troubles_free(struct trouble *troubles, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(troubles[i].name);
		free(troubles[i].detail);
	}
	free(troubles);
}

/* What a query without parameters gives: name, since, detail. */
static int list_troubles(struct store *store, const char *sql, struct trouble **troubles_out,
                         size_t *count_out, struct error *err)
{
	struct statement query;
	int status;

	*troubles_out = NULL;
	*count_out = 0;
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store, sql);
	while ((status = statement_step(&query, err)) > 0) {
		struct trouble *trouble;

		*troubles_out = rows_add(*troubles_out, count_out, sizeof(**troubles_out));
		trouble = &(*troubles_out)[*count_out - 1];
		trouble->name = column_copy(&query, 0);
		trouble->since = column_int(&query, 1);
		trouble->detail = column_copy(&query, 2);
	}
	statement_end(&query);
	read_end(store);
	if (status < 0) {
		troubles_free(*troubles_out, *count_out);
		*troubles_out = NULL;
		*count_out = 0;
	}
	return status;
}

int store_lasting_troubles(struct store *store, struct trouble **troubles_out, size_t *count_out,
                           struct error *err)
{
	store->doing = "list troubles";
	return list_troubles(store, "SELECT name, since, detail FROM trouble ORDER BY name",
	                     troubles_out, count_out, err);
}

int store_list_failed_upkeep(struct store *store, struct trouble **troubles_out, size_t *count_out,
                             struct error *err)
{
	store->doing = "list what failed at night";
	return list_troubles(store,
	                     "SELECT task, tried_at, error FROM upkeep"
	                     " WHERE error IS NOT NULL ORDER BY task",
	                     troubles_out, count_out, err);
}

/* End a write transaction: its status if that is an error, else the commit's, else its status. */
static int finish(struct store *store, int status, struct error *err)
{
	if (status < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err) < 0 ? -1 : status;
}

static int set_trouble(struct store *store, const struct trouble *trouble, int64_t now,
                       struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO trouble (name, since, detail) VALUES (?1, ?2, ?3)"
	                " ON CONFLICT (name) DO NOTHING");
	bind_text(&insert, 1, trouble->name, TROUBLE_NAME_BYTES);
	bind_int(&insert, 2, trouble->since);
	bind_text(&insert, 3, trouble->detail, KEPT_LINE_BYTES);
	if (statement_run(&insert, err) < 0)
		return -1;
	if (sqlite3_changes(store->db) == 0)
		return 0;
	return letter_add_trouble(store, LETTER_TROUBLE_BEGAN, trouble, now, err) < 0 ? -1 : 1;
}

int store_set_trouble(struct store *store, const struct trouble *trouble, int64_t now,
                      int64_t deadline_ms, struct error *err)
{
	store->doing = "note a trouble";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	return finish(store, set_trouble(store, trouble, now, err), err);
}

/* What is known of a trouble that lasts: 1, 0 it does not, or -1. */
static int find_trouble(struct store *store, const char *name, struct trouble *out,
                        struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, "SELECT name, since, detail FROM trouble WHERE name = ?1");
	bind_text(&query, 1, name, TROUBLE_NAME_BYTES);
	status = statement_step(&query, err);
	if (status > 0)
		*out = (struct trouble){.name = column_copy(&query, 0),
		                        .since = column_int(&query, 1),
		                        .detail = column_copy(&query, 2)};
	statement_end(&query);
	return status;
}

static int delete_trouble(struct store *store, const char *name, struct error *err)
{
	struct statement delete;

	statement_begin(&delete, store, "DELETE FROM trouble WHERE name = ?1");
	bind_text(&delete, 1, name, TROUBLE_NAME_BYTES);
	return statement_run(&delete, err);
}

/*
 * The letter of the beginning is told no more.  One that is under way, or whose outcome nobody
 * knows, counts as sent: the end must be told to who may know of the beginning.
 */
static int end_beginning(struct store *store, const char *name, int64_t now, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE letter SET ended_at = ?2, state = CASE"
	                " WHEN attempts > coalesce(count, 0) THEN 'sent' ELSE 'dropped' END"
	                " WHERE state = 'open' AND kind = 'trouble-began' AND trouble = ?1");
	bind_text(&update, 1, name, TROUBLE_NAME_BYTES);
	bind_int(&update, 2, now);
	return statement_run(&update, err);
}

/* Can somebody have got the letter of the beginning?  Also if it is there no more. */
static int was_told(struct store *store, const char *name, struct error *err)
{
	struct statement query;
	int status;
	bool is_dropped = false;

	statement_begin(&query, store,
	                "SELECT state = 'dropped' FROM letter WHERE kind = 'trouble-began'"
	                " AND trouble = ?1 ORDER BY id DESC LIMIT 1");
	bind_text(&query, 1, name, TROUBLE_NAME_BYTES);
	status = statement_step(&query, err);
	if (status > 0)
		is_dropped = column_int(&query, 0) != 0;
	statement_end(&query);
	return status < 0 ? -1 : !is_dropped;
}

/* 1, 0 or -1, as store_clear_trouble(). */
static int end_trouble(struct store *store, const struct trouble *trouble, bool is_silent,
                       int64_t now, struct error *err)
{
	int is_told;

	if (delete_trouble(store, trouble->name, err) < 0 ||
	    end_beginning(store, trouble->name, now, err) < 0)
		return -1;
	is_told = is_silent ? 0 : was_told(store, trouble->name, err);
	if (is_told < 0 ||
	    (is_told > 0 && letter_add_trouble(store, LETTER_TROUBLE_ENDED, trouble, now, err) < 0))
		return -1;
	return 1;
}

static int clear_trouble(struct store *store, const char *name, bool is_silent, int64_t now,
                         int64_t deadline_ms, struct error *err)
{
	struct trouble trouble = {0};
	int status;

	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	status = find_trouble(store, name, &trouble, err);
	if (status > 0)
		status = end_trouble(store, &trouble, is_silent, now, err);
	free(trouble.name);
	free(trouble.detail);
	return finish(store, status, err);
}

int store_clear_trouble(struct store *store, const char *name, int64_t now, int64_t deadline_ms,
                        struct error *err)
{
	store->doing = "note the end of a trouble";
	return clear_trouble(store, name, false, now, deadline_ms, err);
}

int store_forget_trouble(struct store *store, const char *name, int64_t now, int64_t deadline_ms,
                         struct error *err)
{
	store->doing = "forget a trouble";
	return clear_trouble(store, name, true, now, deadline_ms, err);
}
