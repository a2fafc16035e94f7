#include "lib/store/limit.h"

#include "lib/store/database.h"
#include "lib/store/letter_internal.h"

/* query: for the one number of an account and day; 0 if there is no row. */
static int read_of_day(struct store *store, const char *query_text, const char *account,
                       int64_t day, int64_t *out, struct error *err)
{
	struct statement query;
	int status;

	*out = 0;
	statement_begin(&query, store, query_text);
	bind_text(&query, 1, account, KEPT_NAME_BYTES);
	bind_int(&query, 2, day);
	status = statement_step(&query, err);
	if (status > 0)
		*out = column_int(&query, 0);
	statement_end(&query);
	return status < 0 ? -1 : 0;
}

static int read_count(struct store *store, const char *account, int64_t day, int64_t *count_out,
                      struct error *err)
{
	return read_of_day(store, "SELECT count FROM account_day WHERE account = ?1 AND day = ?2",
	                   account, day, count_out, err);
}

static int read_released(struct store *store, const char *account, int64_t day,
                         int64_t *released_out, struct error *err)
{
	return read_of_day(store,
	                   "SELECT released FROM account_day WHERE account = ?1 AND day = ?2",
	                   account, day, released_out, err);
}

int store_count_of_day(struct store *store, const char *account, int64_t day, int64_t *count_out,
                       struct error *err)
{
	store->doing = "read the count of a day";
	return read_count(store, account, day, count_out, err);
}

int store_released_of_day(struct store *store, const char *account, int64_t day,
                          int64_t *released_out, struct error *err)
{
	store->doing = "read what was released on a day";
	return read_released(store, account, day, released_out, err);
}

/* In *granted_out how many of those wanted the limit allows; the count is raised by them. */
static int release(struct store *store, const char *account, int64_t day, int64_t limit,
                   int64_t wanted, int64_t *granted_out, struct error *err)
{
	struct statement insert;
	int64_t released;

	if (read_released(store, account, day, &released, err) < 0)
		return -1;
	*granted_out = released >= limit           ? 0
	               : wanted < limit - released ? wanted
	                                           : limit - released;
	if (*granted_out <= 0)
		return 0;
	statement_begin(&insert, store,
	                "INSERT INTO account_day (account, day, count, released)"
	                " VALUES (?1, ?2, 0, ?3) ON CONFLICT (account, day)"
	                " DO UPDATE SET released = released + excluded.released");
	bind_text(&insert, 1, account, KEPT_NAME_BYTES);
	bind_int(&insert, 2, day);
	bind_int(&insert, 3, *granted_out);
	return statement_run(&insert, err);
}

int store_release(struct store *store, const char *account, int64_t day, int64_t limit,
                  int64_t wanted, int64_t *granted_out, int64_t deadline_ms, struct error *err)
{
	store->doing = "release mail of an account";
	*granted_out = 0;
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	if (release(store, account, day, limit, wanted, granted_out, err) < 0) {
		*granted_out = 0;
		transaction_rollback(store);
		return -1;
	}
	if (transaction_commit(store, err) == 0)
		return 0;
	*granted_out = 0;
	return -1;
}

/* How many of them were not marked for this message before: *count_out. */
static int mark_recipients(struct store *store, const struct record *record, int64_t message,
                           int64_t *count_out, struct error *err)
{
	struct statement insert;
	int status = 0;

	*count_out = 0;
	statement_begin(&insert, store,
	                "INSERT INTO recipient (message, address, is_counted) VALUES (?1, ?2, 1)"
	                " ON CONFLICT (message, address) DO UPDATE SET is_counted = 1"
	                " WHERE is_counted = 0");
	for (size_t i = 0; i < record->counted_count && status == 0; i++) {
		bind_int(&insert, 1, message);
		bind_text(&insert, 2, record->counted[i], KEPT_ADDRESS_BYTES);
		status = statement_step(&insert, err);
		if (status == 0)
			*count_out += sqlite3_changes(store->db);
		statement_reset(&insert);
	}
	statement_end(&insert);
	return status;
}

static int raise_count(struct store *store, const char *account, int64_t day, int64_t by,
                       struct error *err)
{
	struct statement insert;

	statement_begin(&insert, store,
	                "INSERT INTO account_day (account, day, count) VALUES (?1, ?2, ?3)"
	                " ON CONFLICT (account, day) DO UPDATE SET count = count + excluded.count");
	bind_text(&insert, 1, account, KEPT_NAME_BYTES);
	bind_int(&insert, 2, day);
	bind_int(&insert, 3, by);
	return statement_run(&insert, err);
}

/* At or over: a limit that is lowered may never be met.  That each is told once an index sees to. */
static int add_letters(struct store *store, const struct record *record, int64_t count,
                       struct error *err)
{
	if (record->daily_limit <= 0)
		return 0;
	if (record->daily_limit_warn > 0 && count >= record->daily_limit_warn &&
	    letter_add_limit(store, record, LETTER_LIMIT_NEAR, count, err) < 0)
		return -1;
	if (count >= record->daily_limit)
		return letter_add_limit(store, record, LETTER_LIMIT_REACHED, count, err);
	return 0;
}

int limit_count(struct store *store, const struct record *record, struct recorded *recorded,
                struct error *err)
{
	int64_t day = record->received_at / SECONDS_A_DAY;
	int64_t before, added;

	if (record->counted_count + record->counted_further == 0 || record->account == NULL)
		return 0;
	if (mark_recipients(store, record, recorded->message, &added, err) < 0 ||
	    read_count(store, record->account, day, &before, err) < 0)
		return -1;
	if (!recorded->is_repeat)
		added += (int64_t)record->counted_further;
	recorded->counted_today = before + added;
	if (added == 0)
		return 0;
	if (record->stops_at_limit && record->daily_limit > 0 &&
	    recorded->counted_today > record->daily_limit)
		return RECORDED_OVER_LIMIT;
	if (raise_count(store, record->account, day, added, err) < 0)
		return -1;
	return add_letters(store, record, recorded->counted_today, err);
}
