#ifndef REJOINDER_STORE_LETTER_H
#define REJOINDER_STORE_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Letters: mail of our own that recording a message made due, or a trouble (trouble.h), besides
 * alerts (those are notices).  A letter is written in the transaction that found the reason, once a
 * reason; the scheduler takes it (leased), sends it and marks it, as it does with notices.  One
 * that was taken and never marked is taken again after its lease, under the same
 * id and so the same Message-ID.
 */

enum letter_kind {
	LETTER_ACKNOWLEDGEMENT, /* to who opened a conversation; at most one a recipient and day (UTC) */
	LETTER_LIMIT_NEAR,      /* an account passed daily_limit_warn; one a day */
	LETTER_LIMIT_REACHED, /* and daily_limit itself; one a day */
	LETTER_SENDER_CAPPED, /* a sender passed a rate cap (cap.h); one a sender and day */
	LETTER_TROUBLE_BEGAN, /* something is wrong (trouble.h) */
	LETTER_TROUBLE_ENDED, /* and is well again; only after the other */
};

/* As the store and the log have it: "sender-capped". */
const char *letter_kind_name(enum letter_kind kind);

struct letter {
	int64_t id;
	enum letter_kind kind;
	char *recipient; /* lower case; NULL: the operator */
	char *account;   /* name; NULL where a capped sender wrote to none, and of troubles */
	char *sender;    /* who is past a cap, lower case, or NULL */
	int64_t conversation, message; /* 0: none */
	int64_t created_at;
	int64_t attempts; /* this one included: over 1 it may have been sent before */
	int64_t count; /* of a limit: the recipients of that day when it was passed; of a cap: its messages */
	int64_t day;            /* of a limit: days since 1970-01-01 UTC */
	char *trouble, *detail; /* of a trouble: its name, and what is or was wrong, else NULL */
	int64_t since;          /* of a trouble: when it began */

	/* Of the message that is acknowledged or passed the cap; NULL: not there. */
	char *msgid, *from, *subject, *reference;
	char *named_ids; /* the ids it names, as References would, at most 4 KiB, or NULL */
};

/* Take up to limit letters that are neither done nor leased, and lease them until now + lease_s. */
int store_take_letters(struct store *store, int64_t now, int64_t lease_s, size_t limit,
                       struct letter **letters_out, size_t *count_out, int64_t deadline_ms,
                       struct error *err) MUST_CHECK;
void letters_free(struct letter *letters, size_t count);

enum letter_end { LETTER_SENT, LETTER_DROPPED };

/* A letter is done; nothing happens to one that was done before. */
int store_end_letter(struct store *store, int64_t letter, enum letter_end end, int64_t now,
                     int64_t deadline_ms, struct error *err) MUST_CHECK;
/* Not now: take it again from retry_at on. is_untaken: this time nobody can have got it. */
int store_retry_letter(struct store *store, int64_t letter, int64_t retry_at, bool is_untaken,
                       int64_t deadline_ms, struct error *err) MUST_CHECK;
/* When the next letter can be taken; DUE_NEVER (alert.h) if none waits. */
int store_next_letter(struct store *store, int64_t *at_out, struct error *err) MUST_CHECK;

/* To how many counted recipients an account sent on a day (days since 1970-01-01 UTC); 0 if to none. */
int store_count_of_day(struct store *store, const char *account, int64_t day, int64_t *count_out,
                       struct error *err) MUST_CHECK;

/*
 * Let mail of an account to `wanted` more recipients go on a day, as far as no more than
 * limit go on it: in *granted_out to how many, who count as released from then on.
 * What was released is apart from what was counted, and counts each delivery to a
 * recipient.  With an error nothing may go; it may have been taken for released.
 */
int store_release(struct store *store, const char *account, int64_t day, int64_t limit,
                  int64_t wanted, int64_t *granted_out, int64_t deadline_ms,
                  struct error *err) MUST_CHECK;
/* How many were released on a day. */
int store_released_of_day(struct store *store, const char *account, int64_t day,
                          int64_t *released_out, struct error *err) MUST_CHECK;

#endif
