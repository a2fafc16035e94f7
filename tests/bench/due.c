/*
 * How long the store takes to find what is due, as open conversations become many, beside
 * the same question asked without its index: over all waits, and as a program would ask
 * it that keeps no waits, over the last message of each open conversation.
 *
 * usage: due [COUNT...]
 *
 * For each COUNT of open conversations (10000, 100000 and 1000000 if none is given) it
 * makes a store in TMPDIR, in which 10,000 customers wait and 100 of them are due, and
 * checks that all ways find the same.  Times are medians in milliseconds; what counts is
 * the ratio.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/memory.h"
#include "lib/store/alert.h"
#include "lib/store/store.h"

#define NOW        2000000000
#define LEVEL_S    14400
#define WAITING    10000
#define DUE        100
#define LIST_MAX   5000
#define LOOKS      201
#define SCANS      5
#define TEXT(x)    #x
#define NUMBER(x)  TEXT(x)
#define TMPDIR_MAX 200

static const char fill_sql[] =
	"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
	/* who: 1 to 10,000 for those that wait, else NULL */
	"CREATE TEMP TABLE given AS WITH RECURSIVE n (i) AS"
	" (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT count FROM size))"
	" SELECT i, CASE WHEN i % ((SELECT count FROM size) / " NUMBER(
		WAITING) ") = 0"
			 " THEN i / ((SELECT count FROM size) / " NUMBER(
				 WAITING) ") END AS who FROM n;"
					  "INSERT INTO conversation (id, created_at, updated_at, subject, owner, account)"
					  " SELECT i, " NUMBER(NOW) ", " NUMBER(
						  NOW) ", 'Question ' || i, 'jane@company.test',"
						       " 'Sales' FROM given;"
						       /* The first 100 who wait are due. */
						       "INSERT INTO wait (id, conversation, customer, started_at, started_by, ended_at,"
						       " end_reason, wall_s, due_at) SELECT i, i, 'customer-' || i || '@example.org',"
						       " " NUMBER(NOW) " - " NUMBER(LEVEL_S) " - " NUMBER(
							       DUE) " + coalesce(who, 0), i,"
								    " CASE WHEN who IS NULL THEN " NUMBER(
									    NOW) " END,"
										 " CASE WHEN who IS NULL THEN 'answered' END, CASE WHEN who IS NULL THEN 3600 END,"
										 " CASE WHEN who IS NOT NULL THEN " NUMBER(NOW) " - " NUMBER(
											 DUE) " + who END FROM given;"
											      "INSERT INTO message (id, conversation, dedupe_key, direction, class, match, msgid,"
											      " from_address, received_at, is_known_sender) SELECT 2 * i, i,"
											      " CAST(printf('%032d', 2 * i) AS BLOB), 'in', 'human', 'new', '<' || i || '@example.org>',"
											      " 'customer-' || i || '@example.org',"
											      " " NUMBER(NOW) " - " NUMBER(LEVEL_S) " - " NUMBER(
												      DUE) " + coalesce(who, 0), 0 FROM given;"
													   "INSERT INTO message (id, conversation, dedupe_key, direction, class, match, msgid,"
													   " from_address, received_at, is_known_sender) SELECT 2 * i + 1, i,"
													   " CAST(printf('%032d', 2 * i + 1) AS BLOB), 'out', 'human', 'own-id',"
													   " '<' || i || '@company.test>', 'jane@company.test', " NUMBER(
														   NOW) ", 1"
															" FROM given WHERE who IS NULL;"
															"DROP TABLE given; COMMIT; PRAGMA journal_mode = WAL;";

static const char scan_sql[] =
	"SELECT w.id FROM wait w NOT INDEXED CROSS JOIN conversation c"
	" WHERE c.id = w.conversation AND c.state = 'open' AND w.ended_at IS NULL"
	" AND w.due_at <= " NUMBER(NOW) " ORDER BY w.due_at, w.started_at, w.id";
static const char messages_sql[] =
	"SELECT c.id FROM conversation c JOIN message m ON m.id = (SELECT l.id FROM message l"
	" WHERE l.conversation = c.id ORDER BY l.received_at DESC, l.id DESC LIMIT 1)"
	" WHERE c.state = 'open' AND m.direction = 'in' AND m.received_at <= " NUMBER(
		NOW) " - " NUMBER(LEVEL_S);

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

static double median(double *times, size_t count)
{
	qsort(times, count, sizeof(*times), compare);
	return times[count / 2];
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "due: cannot %s: %s\n", what, why);
	exit(1);
}

static struct store *open_store(const char *path)
{
	struct error err = {0};
	struct store *store = store_open(path, STORE_WRITE, &err);

	if (store == NULL)
		fail("open the store", err.text);
	return store;
}

static sqlite3 *open_database(const char *path)
{
	sqlite3 *database;

	if (sqlite3_open(path, &database) != SQLITE_OK)
		fail("open the database", sqlite3_errmsg(database));
	return database;
}

static void run(sqlite3 *database, const char *sql)
{
	if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail("fill the store", sqlite3_errmsg(database));
}

static void fill(const char *path, long count)
{
	char *size = xasprintf("CREATE TEMP TABLE size AS SELECT %ld AS count", count);
	sqlite3 *database;

	store_close(open_store(path));
	database = open_database(path);
	run(database, "PRAGMA temp_store = MEMORY");
	run(database, size);
	run(database, fill_sql);
	sqlite3_close(database);
	free(size);
}

static void expect(const char *what, int64_t found)
{
	char text[40];

	snprintf(text, sizeof(text), "it found %" PRId64, found);
	if (found != DUE)
		fail(what, text);
}

/* What the scheduler asks when the store has changed: is something due, and what? */
static double look_up(struct store *store)
{
	double times[LOOKS];

	for (size_t i = 0; i < LOOKS; i++) {
		struct planned_wait *waits;
		struct error err = {0};
		int64_t next;
		size_t count;

		times[i] = now_ms();
		if (store_next_due(store, &next, &err) < 0 ||
		    store_list_due(store, NOW, LIST_MAX, &waits, &count, &err) < 0)
			fail("look up what is due", err.text);
		times[i] = now_ms() - times[i];
		planned_waits_free(waits, count);
		expect("look up what is due", (int64_t)count);
	}
	return median(times, LOOKS);
}

static double scan(sqlite3 *database, const char *sql)
{
	double times[SCANS];

	for (size_t i = 0; i < SCANS; i++) {
		sqlite3_stmt *statement;
		int64_t count = 0;

		times[i] = now_ms();
		if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
			fail("scan", sqlite3_errmsg(database));
		while (sqlite3_step(statement) == SQLITE_ROW)
			count++;
		sqlite3_finalize(statement);
		times[i] = now_ms() - times[i];
		expect("scan", count);
	}
	return median(times, SCANS);
}

static void remove_all(const char *directory)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;

	while (entries != NULL && (entry = readdir(entries)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(entries), entry->d_name, 0);
	if (entries != NULL)
		closedir(entries);
	rmdir(directory);
}

static void measure(long count)
{
	const char *parent = getenv("TMPDIR");
	char *directory = xasprintf("%.*s/rejoinder-due-XXXXXX", TMPDIR_MAX,
	                            parent != NULL && *parent != '\0' ? parent : "/tmp");
	double found, by_waits, by_messages;
	struct store *store;
	sqlite3 *database;
	char *path;

	if (mkdtemp(directory) == NULL)
		fail("make a directory", directory);
	path = xasprintf("%s/store.db", directory);
	fill(path, count);
	store = open_store(path);
	found = look_up(store);
	store_close(store);
	database = open_database(path);
	by_waits = scan(database, scan_sql);
	by_messages = scan(database, messages_sql);
	sqlite3_close(database);
	printf("%10ld %9.2f ms %9.1f ms %7.0fx %11.1f ms %7.0fx\n", count, found, by_waits,
	       by_waits / found, by_messages, by_messages / found);
	fflush(stdout);
	remove_all(directory);
	free(path);
	free(directory);
}

int main(int argc, char **argv)
{
	static const long counts[] = {10000, 100000, 1000000};

	for (int i = 1; i < argc; i++)
		if (atol(argv[i]) < WAITING)
			fail("take COUNT", "found less than " NUMBER(WAITING));
	printf("%d wait, %d of them are due\n", WAITING, DUE);
	printf("%10s %12s %12s %8s %14s %8s\n", "open", "look-up", "all waits", "ratio",
	       "last messages", "ratio");
	if (argc == 1)
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
			measure(counts[i]);
	for (int i = 1; i < argc; i++)
		measure(atol(argv[i]));
	return 0;
}
