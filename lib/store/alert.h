#ifndef REJOINDER_STORE_ALERT_H
#define REJOINDER_STORE_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * What the scheduler remembers: when each running wait passes its next level,
 * and which notices (mails) were due to whom.
 *
 * A wait is planned: its level is the number of the next one (from 0) and due_at when that is passed.
 * A wait that starts or resumes is unplanned until the scheduler computed that.  When levels
 * are passed, notices are created in the same transaction that moves the wait on:
 * one row a (wait, level, recipient), so nobody is told twice.  A notice is then
 * taken (leased), sent, and marked; one that was taken and never marked is
 * taken again after its lease, under the same id and so the same Message-ID.
 * Waits in a closed conversation are as if they did not run, until it opens again.  While
 * a conversation is snoozed (care.h) its waits pass no level; a digest lists them.  At its end
 * those who were told last are told again.
 */

#define DUE_NEVER INT64_MAX /* no further level */

/* Of an alert: this and more, below a digest, is the end of a snooze, by its hour since 1970. */
#define ALERT_REMINDER_LEVEL 100000
/* Of an alert: this and more is a daily digest, by its day since 1970-01-01. */
#define ALERT_DIGEST_LEVEL 1000000

struct planned_wait {
	int64_t wait;
	int64_t started_at;
	int level;             /* next one to pass */
	char *account;         /* of the conversation, or NULL */
	char *owner;           /* of the conversation, or NULL */
	int64_t snoozed_until; /* of the conversation: no level is passed before; 0: it is not */
	int64_t due_at; /* Unix seconds or DUE_NEVER; filled by the caller of store_plan_waits() */
};

/* Running waits that are not planned, at most limit. */
int store_list_unplanned(struct store *store, size_t limit, struct planned_wait **waits_out,
                         size_t *count_out, struct error *err) MUST_CHECK;
/* Running waits whose due_at is now or earlier, the oldest first, at most limit. */
int store_list_due(struct store *store, int64_t now, size_t limit, struct planned_wait **waits_out,
                   size_t *count_out, struct error *err) MUST_CHECK;
void planned_waits_free(struct planned_wait *waits, size_t count);

/* Set level and due_at of these waits, if they still run. */
int store_plan_waits(struct store *store, const struct planned_wait *waits, size_t count,
                     int64_t deadline_ms, struct error *err) MUST_CHECK;
/*
 * Make every running wait unplanned: levels have changed, or the clock was set.  Notices and
 * letters that rest for over LEASE_MOST_S from now on, which only another clock wanted, rest no
 * longer.
 */
#define LEASE_MOST_S (2 * 86400)
int store_replan_all(struct store *store, int64_t now, int64_t deadline_ms,
                     struct error *err) MUST_CHECK;

/* One passed level of one wait for one recipient. */
struct passed_level {
	int64_t wait;
	int level;
	int64_t due_at;
	const char *recipient; /* lower case */
	size_t group; /* under count; levels of one group share a notice; groups have one recipient */
	int64_t not_before; /* 0, or when it may be told first: the same in a group */
};

/*
 * Create notices: one transaction that inserts every (wait, level, recipient)
 * that is not there yet and whose wait still runs, makes a notice for each group
 * that got one, and plans the waits of `moved` on.  A group that may not be told
 * yet joins the notice that waits for the same moment and recipient.
 */
int store_create_notices(struct store *store, const struct passed_level *levels, size_t count,
                         const struct planned_wait *moved, size_t moved_count, int64_t now,
                         int64_t deadline_ms, struct error *err) MUST_CHECK;

/* Running waits of an account (its name in any case), the oldest first, at most limit. */
int store_list_waiting(struct store *store, const char *account, size_t limit,
                       struct planned_wait **waits_out, size_t *count_out,
                       struct error *err) MUST_CHECK;

/* The day of the account's last digest: 1 and *day_out, 0 if there was none, -1 with *err. */
int store_digest_day(struct store *store, const char *account, int64_t *day_out,
                     struct error *err) MUST_CHECK;

/*
 * One transaction that creates notices as store_create_notices() does and remembers
 * that the account's digest of that day was; it does nothing if that of the day or of the next one
 * was already.  An account without any before begins on the day, and so does one whose last day is
 * one that a wrong clock said: nothing is created.
 * levels: one for each (wait, recipient), none if nobody waits.
 */
int store_create_digest(struct store *store, const char *account, int64_t day,
                        const struct passed_level *levels, size_t count, int64_t now,
                        int64_t deadline_ms, struct error *err) MUST_CHECK;

/* What a notice says of one wait. */
struct notice_item {
	int64_t wait, conversation;
	int level;
	int64_t due_at, started_at;
	/*
	 * Nobody answered, closed or snoozed it meanwhile.  What does not run is not told: when
	 * the notice ends it is taken back, so that it is due again if its wait runs again.
	 */
	bool is_running;
	char *customer, *reply_to; /* addresses; reply_to may be NULL */
	char *from_name; /* untrusted: what he called himself when the wait started, or NULL */
	char *subject, *reference, *owner, *account; /* of the conversation; NULL: none */
	char *msgid; /* of the customer's message that started the wait */
	char *text;  /* of the first KiB of his last message where kept, or NULL */
};

struct notice {
	int64_t id;
	char *recipient;
	int64_t created_at; /* or from when on it may be told, if that is later */
	int64_t attempts;   /* this one included: over 1 it may have been sent before */
	struct notice_item *items;
	size_t item_count; /* 0: what it was about is gone */
};

/* Take up to limit notices that are neither done nor leased, and lease them until now + lease_s. */
int store_take_notices(struct store *store, int64_t now, int64_t lease_s, size_t limit,
                       struct notice **notices_out, size_t *count_out, int64_t deadline_ms,
                       struct error *err) MUST_CHECK;
void notices_free(struct notice *notices, size_t count);

enum notice_end { NOTICE_SENT, NOTICE_DROPPED };

/* A notice is done; nothing happens to one that was done before. */
int store_end_notice(struct store *store, int64_t notice, enum notice_end end, int64_t now,
                     int64_t deadline_ms, struct error *err) MUST_CHECK;
/* Not now: take it again from retry_at on. */
int store_retry_notice(struct store *store, int64_t notice, int64_t retry_at, int64_t deadline_ms,
                       struct error *err) MUST_CHECK;

/*
 * The next moment when something is due: a wait, a notice (from its creation, once taken from the
 * end of its lease); DUE_NEVER if nothing; 0 when a wait is unplanned.
 */
int store_next_due(struct store *store, int64_t *at_out, struct error *err) MUST_CHECK;

/* Changes when another connection committed (PRAGMA data_version). */
int store_data_version(struct store *store, int64_t *out, struct error *err) MUST_CHECK;

struct alert_totals {
	int64_t notices_waiting, notices_sent, notices_dropped;
};
int store_alert_totals(struct store *store, struct alert_totals *out, struct error *err) MUST_CHECK;

#endif
