#include "lib/store/stats.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/store/database.h"
#include "lib/store/rows.h"

/*
 * One read transaction: so many rows or, on a disk that is slow, so much time.  Both are
 * far from READ_MAX_MS.
 */
#define PAGE_ROWS 10000
#define PAGE_MS   200

/* The last row of a page; the next one begins behind it. */
struct place {
	int64_t at, id;
};

enum { COLUMN_ID, COLUMN_AT, COLUMN_ACCOUNT, COLUMN_IS_CLOSED, COLUMN_WALL, COLUMN_BUSINESS };

/* CROSS: the waits first, in the order of their index, so that a page is a piece of it. */
#define COLUMNS(at)                                                                                \
	"SELECT w.id, w." at ", c.account, w.end_reason IS 'closed',"                              \
	" coalesce(w.wall_s, -1), coalesce(w.business_s, -1)"                                      \
	" FROM wait w CROSS JOIN conversation c ON c.id = w.conversation"
#define BEHIND(at) " AND (w." at ", w.id) > (?1, ?2) ORDER BY w." at ", w.id LIMIT ?3"

static const char ended_sql[] =
	COLUMNS("ended_at") " WHERE w.ended_at IS NOT NULL" BEHIND("ended_at");
/* Nobody waits in a closed conversation. */
static const char running_sql[] =
	COLUMNS("started_at") " WHERE w.ended_at IS NULL AND c.state = 'open'" BEHIND("started_at");

static void add_duration(struct durations *durations, int64_t seconds)
{
	if (seconds < 0)
		return;
	durations->seconds =
		rows_add(durations->seconds, &durations->count, sizeof(*durations->seconds));
	durations->seconds[durations->count - 1] = seconds;
}

static void add_ended(struct wait_stats *stats, struct statement *query)
{
	if (column_int(query, COLUMN_IS_CLOSED)) {
		stats->closed++;
		return;
	}
	stats->answered++;
	add_duration(&stats->wall, column_int(query, COLUMN_WALL));
	add_duration(&stats->business, column_int(query, COLUMN_BUSINESS));
}

static void add_running(struct wait_stats *stats, struct statement *query)
{
	if (stats->waiting++ == 0)
		stats->waiting_since = column_int(query, COLUMN_AT);
}

static bool is_account(const char *account, const char *other)
{
	if (account == NULL || other == NULL)
		return account == other;
	return strcasecmp(account, other) == 0;
}

/* Those of an account, begun if there are none yet. */
static struct wait_stats *stats_of(struct stats *stats, const char *account)
{
	struct wait_stats *added;

	for (size_t i = 0; i < stats->account_count; i++)
		if (is_account(stats->accounts[i].account, account))
			return &stats->accounts[i];
	stats->accounts = rows_add(stats->accounts, &stats->account_count, sizeof(*added));
	added = &stats->accounts[stats->account_count - 1];
	added->account = account != NULL ? xstrdup(account) : NULL;
	return added;
}

/* What is read, page by page. */
struct reading {
	const char *sql;
	void (*add)(struct wait_stats *stats, struct statement *query);
	struct place place;
	const char *account; /* NULL: of all */
};

/* 1: there may be more pages, 0: there are none, -1 with *err. */
static int read_page(struct store *store, struct reading *reading, struct stats *out,
                     struct error *err)
{
	int64_t end_ms = store_clock_ms() + PAGE_MS, rows = 0;
	bool is_late = false;
	struct statement query;
	int status = 0;

	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store, reading->sql);
	bind_int(&query, 1, reading->place.at);
	bind_int(&query, 2, reading->place.id);
	bind_int(&query, 3, PAGE_ROWS);
	while (!is_late && (status = statement_step(&query, err)) > 0) {
		char *account = column_copy(&query, COLUMN_ACCOUNT);

		reading->place.id = column_int(&query, COLUMN_ID);
		reading->place.at = column_int(&query, COLUMN_AT);
		if (reading->account == NULL || is_account(reading->account, account)) {
			reading->add(&out->all, &query);
			reading->add(stats_of(out, account), &query);
		}
		free(account);
		rows++;
		is_late = store_clock_ms() >= end_ms;
	}
	statement_end(&query);
	read_end(store);
	if (status < 0)
		return -1;
	return is_late || rows == PAGE_ROWS;
}

static int read_pages(struct store *store, struct reading *reading, struct stats *out,
                      struct error *err)
{
	int status;

	do
		status = read_page(store, reading, out, err);
	while (status > 0);
	return status;
}

static int compare(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return (one > other) - (one < other);
}

static void sort(struct wait_stats *stats)
{
	struct durations *const all[] = {&stats->wall, &stats->business};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->count > 1)
			qsort(all[i]->seconds, all[i]->count, sizeof(*all[i]->seconds), compare);
}

int store_read_stats(struct store *store, const char *account, int64_t since, struct stats *out,
                     struct error *err)
{
	struct reading ended = {ended_sql, add_ended, {.at = since}, account};
	struct reading running = {running_sql, add_running, {.at = INT64_MIN}, account};

	memset(out, 0, sizeof(*out));
	store->doing = "read how long customers waited";
	if (read_pages(store, &ended, out, err) < 0 || read_pages(store, &running, out, err) < 0) {
		stats_release(out);
		return -1;
	}
	sort(&out->all);
	for (size_t i = 0; i < out->account_count; i++)
		sort(&out->accounts[i]);
	return 0;
}

static void release(struct wait_stats *stats)
{
	free(stats->account);
	free(stats->wall.seconds);
	free(stats->business.seconds);
}

void stats_release(struct stats *stats)
{
	for (size_t i = 0; i < stats->account_count; i++)
		release(&stats->accounts[i]);
	free(stats->accounts);
	release(&stats->all);
	memset(stats, 0, sizeof(*stats));
}

int64_t durations_percentile(const struct durations *durations, unsigned percent)
{
	size_t rank = (durations->count * percent + 99) / 100;

	return rank > 0 ? durations->seconds[rank - 1] : -1;
}

size_t durations_within(const struct durations *durations, int64_t seconds)
{
	size_t low = 0, high = durations->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (durations->seconds[middle] <= seconds)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
