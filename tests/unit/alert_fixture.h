#ifndef REJOINDER_TESTS_ALERT_FIXTURE_H
#define REJOINDER_TESTS_ALERT_FIXTURE_H

#include "tests/unit/store_fixture.h"

#include "lib/base/memory.h"
#include "lib/store/alert.h"
#include "lib/store/database.h"
#include "lib/store/query.h"

/* Waits as mail makes them, and short forms of the calls that must not fail. */

#define CUSTOMER "customer@example.org"
#define OTHER    "other@example.com"
#define JANE     "jane@company.test"
#define BOSS     "boss@company.test"

#define OK(call)                                                                                   \
	do {                                                                                       \
		struct error err_ = {0};                                                           \
		struct error *err = &err_;                                                         \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err_.text);                                      \
	} while (0)

struct waiting {
	int64_t wait, conversation;
};

/* The number that a query gives, 0 if it gives none; ?1 is the id. */
static inline int64_t number_of(struct store *store, const char *sql, int64_t id)
{
	sqlite3_stmt *raw;
	int64_t value = 0;

	if (sqlite3_prepare_v2(store->db, sql, -1, &raw, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(store->db));
	sqlite3_bind_int64(raw, 1, id);
	if (sqlite3_step(raw) == SQLITE_ROW)
		value = sqlite3_column_int64(raw, 0);
	sqlite3_finalize(raw);
	return value;
}

static inline int64_t number(struct store *store, const char *sql)
{
	return number_of(store, sql, 0);
}

static inline void run_sql(struct store *store, const char *sql)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(store->db));
}

/* A customer writes, in a conversation of his own if `conversation` is 0. */
static inline struct waiting ask(struct store *store, const char *msgid, const char *from,
                                 int64_t conversation, int64_t at)
{
	struct record record = record_of(msgid, at);
	struct recorded recorded;
	struct waiting waiting;

	record.from = from;
	record.account = "Sales";
	record.match.token_conversation = conversation;
	record.reopens = true;
	record_ok(store, &record, &recorded);
	waiting.conversation = recorded.conversation;
	waiting.wait = number_of(store,
	                         "SELECT id FROM wait WHERE ended_at IS NULL"
	                         " AND conversation = ?1 ORDER BY id DESC",
	                         recorded.conversation);
	recorded_release(&recorded);
	return waiting;
}

/* Jane answers the customer. */
static inline void answer(struct store *store, const char *msgid, int64_t conversation, int64_t at)
{
	static const char *const recipients[] = {CUSTOMER};
	struct record record = record_of(msgid, at);
	struct recorded recorded;

	record.direction = DIRECTION_OUT;
	record.from = record.owner = JANE;
	record.match.token_conversation = conversation;
	record.recipients = recipients;
	record.recipient_count = 1;
	record.starts_wait = false;
	record.ends_waits = true;
	record.reference = "Sales Order SO-0001";
	record_ok(store, &record, &recorded);
	assert_int_equal(recorded.waits_ended, 1);
	recorded_release(&recorded);
}

/* And her answer bounces. */
static inline void bounce(struct store *store, const char *msgid, const char *original,
                          int64_t conversation, int64_t at)
{
	const struct record_failure failure = {CUSTOMER, "failed", "5.1.1", NULL, NULL};
	struct record record = record_of(msgid, at);
	struct recorded recorded;

	record.class = CLASS_BOUNCE;
	record.from = "";
	record.starts_wait = false;
	record.match.report_conversation = conversation;
	record.failures = &failure;
	record.failure_count = 1;
	record.original_msgid = original;
	record_ok(store, &record, &recorded);
	assert_int_equal(recorded.waits_resumed, 1);
	recorded_release(&recorded);
}

static inline void set_closed(struct store *store, int64_t conversation, bool is_closed)
{
	OK(store_set_closed(store, NULL, conversation, is_closed, 1, in_five_seconds(), err));
}

static inline void plan(struct store *store, int64_t wait, int level, int64_t due_at)
{
	const struct planned_wait planned = {.wait = wait, .level = level, .due_at = due_at};

	OK(store_plan_waits(store, &planned, 1, in_five_seconds(), err));
}

static inline int64_t next_due(struct store *store)
{
	int64_t at = -1;

	OK(store_next_due(store, &at, err));
	return at;
}

/* One level of one wait passes, for one recipient. */
static inline void pass(struct store *store, int64_t wait, int level, const char *recipient,
                        int64_t now)
{
	const struct passed_level passed = {
		.wait = wait, .level = level, .due_at = now, .recipient = recipient};
	const struct planned_wait moved = {.wait = wait, .level = level + 1, .due_at = DUE_NEVER};

	OK(store_create_notices(store, &passed, 1, &moved, 1, now, in_five_seconds(), err));
}

/* Take all that is free for 60 s; it must be `count` notices. */
static inline struct notice *take(struct store *store, int64_t now, size_t count)
{
	struct notice *notices;
	size_t taken;

	OK(store_take_notices(store, now, 60, 100, &notices, &taken, in_five_seconds(), err));
	assert_int_equal(taken, count);
	return notices;
}

#endif
