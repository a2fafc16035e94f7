#ifndef REJOINDER_TESTS_STORE_FIXTURE_H
#define REJOINDER_TESTS_STORE_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/store/database.h"
#include "lib/store/record.h"
#include "lib/store/store.h"

/* A directory of its own for each test, with the path of a store in it. */

struct fixture {
	char directory[64];
	char path[80];
	char lock_path[88];
	char wal_path[88];
	struct store *store;
};

static inline void fixture_begin(struct fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	strcpy(fixture->directory, "/tmp/rejoinder-store-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof(fixture->path), "%s/store.db", fixture->directory);
	snprintf(fixture->lock_path, sizeof(fixture->lock_path), "%s-lock", fixture->path);
	snprintf(fixture->wal_path, sizeof(fixture->wal_path), "%s-wal", fixture->path);
}

static inline void fixture_open(struct fixture *fixture)
{
	struct error err = {0};

	fixture->store = store_open(fixture->path, STORE_WRITE, &err);
	if (fixture->store == NULL)
		fail_msg("%s", err.text);
}

static inline void fixture_end(struct fixture *fixture)
{
	DIR *directory = opendir(fixture->directory);
	struct dirent *entry;

	store_close(fixture->store);
	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(directory), entry->d_name, 0), 0);
	closedir(directory);
	assert_int_equal(rmdir(fixture->directory), 0);
}

static inline int64_t in_five_seconds(void)
{
	return store_clock_ms() + 5000;
}

/* A human message from outside that begins a conversation; the key follows from msgid. */
static inline struct record record_of(const char *msgid, int64_t received_at)
{
	struct record record = {
		.direction = DIRECTION_IN,
		.class = CLASS_HUMAN,
		.rule = "none",
		.received_at = received_at,
		.msgid = msgid,
		.from = "customer@example.org",
		.subject = "An offer",
		.auth = "none",
		.match = {.may_open = true},
		.starts_wait = true,
		.queue_id = msgid,
		.client = "192.0.2.1",
	};

	record_key(record.key, msgid, record.from, "today", record.direction, NULL, NULL, 0);
	return record;
}

/* The same from an account to others, who all count against its limit. */
static inline struct record sending_of(const char *msgid, int64_t received_at,
                                       const char *const *recipients, size_t count)
{
	struct record record = record_of(msgid, received_at);

	record.direction = DIRECTION_OUT;
	record.from = "sales@company.test";
	record.account = "Sales";
	record.starts_wait = false;
	record.recipients = record.counted = recipients;
	record.recipient_count = record.counted_count = count;
	return record;
}

/* Record one message that must not fail. */
static inline void record_ok(struct store *store, const struct record *record,
                             struct recorded *recorded)
{
	struct error err = {0};

	if (store_record(store, &record, recorded, 1, in_five_seconds(), &err) < 0)
		fail_msg("%s", err.text);
	if (recorded->status < 0)
		fail_msg("%s", recorded->error.text);
}

static inline void record_many(struct fixture *fixture, int first, int count)
{
	for (int i = first; i < first + count; i++) {
		char msgid[40];
		struct record record;
		struct recorded recorded;

		snprintf(msgid, sizeof(msgid), "<%d@example.org>", i);
		record = record_of(msgid, 1000 + i);
		record_ok(fixture->store, &record, &recorded);
		recorded_release(&recorded);
	}
}

/* A query of one number gives this one. */
static inline void count_is(struct store *store, const char *sql, int64_t expected)
{
	struct error err = {0};
	int64_t count;

	if (read_number(store, sql, &count, &err) < 0)
		fail_msg("%s", err.text);
	if (count != expected)
		fail_msg("%s: %lld, not %lld", sql, (long long)count, (long long)expected);
}

/* No statement that the connection has used so far visits a whole table. */
static inline void assert_no_scans(struct store *store, const char *name)
{
	assert_true(store->kept_count > 5);
	for (size_t i = 0; i < store->kept_count; i++) {
		const char *sql = sqlite3_sql(store->kept[i].raw);
		char explain[2000];
		sqlite3_stmt *plan;

		snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
		assert_int_equal(sqlite3_prepare_v2(store->db, explain, -1, &plan, NULL),
		                 SQLITE_OK);
		while (sqlite3_step(plan) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(plan, 3);

			if (strncmp(detail, "SCAN ", 5) == 0 && strstr(detail, "INDEX") == NULL &&
			    strstr(detail, "(subquery") == NULL &&
			    strstr(detail, "CONSTANT ROW") == NULL &&
			    strstr(detail, "sqlite_master") == NULL)
				fail_msg("%s: %s: %s", name, detail, sql);
		}
		sqlite3_finalize(plan);
	}
}

#endif
