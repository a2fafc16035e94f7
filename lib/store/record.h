#ifndef REJOINDER_STORE_RECORD_H
#define REJOINDER_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/digest.h"
#include "lib/base/error.h"
#include "lib/base/list.h"
#include "lib/conversation/match.h"
#include "lib/mail/class.h"
#include "lib/store/care.h"
#include "lib/store/store.h"

/*
 * Recording messages: what the milter knows of one goes in as a struct record,
 * what the edits need comes back as a struct recorded.  Many are recorded in one
 * transaction.
 */

enum direction { DIRECTION_OUT, DIRECTION_IN, DIRECTION_INTERNAL };
#define DIRECTIONS 3
const char *direction_name(enum direction direction); /* "out", "in", "internal" */

enum arrival { ARRIVAL_SMTP, ARRIVAL_LOCAL, ARRIVAL_FETCH };
const char *arrival_name(enum arrival arrival); /* "smtp", "local", "fetch" */

#define RECORD_NAME_BYTES      200
#define RECORD_RECIPIENTS_KEPT 200 /* of one message, besides the counted; waits look at all */

/* One failed, delayed, ... recipient that a bounce speaks of. Strings borrowed. */
struct record_failure {
	const char *recipient; /* or "" */
	const char *action;
	const char *status;
	const char *diagnostic;
	const char *original; /* who it was sent to, if the report calls him that too; or NULL */
};

/* What is to be recorded. All strings are borrowed for the call; NULL is "not there". */
struct record {
	const struct config *config; /* calendars and accounts; NULL: none, and all reopens */
	enum direction direction;
	enum message_class class;
	const char *rule;
	unsigned char key[DIGEST_BYTES]; /* dedupe key, see record_key() */
	/* The keys that this message has in the other directions. */
	unsigned char copy_keys[DIRECTIONS - 1][DIGEST_BYTES];
	bool has_copy_keys;
	int64_t received_at; /* Unix seconds */
	const char *msgid;
	const char *from;      /* address as found in From */
	const char *from_name; /* display name in From, UTF-8, at most RECORD_NAME_BYTES */
	const char *reply_to;  /* first address of Reply-To, inbound only */
	const char *subject;   /* UTF-8, at most 500 bytes */
	const char *text;      /* first KiB of new text where keep_text is on */
	const char *auth;      /* "pass", "fail", "none" */

	struct match_input match;
	const char *const
		*names;    /* every id the message names (In-Reply-To, References), nearest first */
	size_t name_count; /* at most MATCH_IDS_MAX are kept */

	const char *account; /* name of the account; NULL when tracked only */
	const char *reference;
	const char *owner; /* outbound: the staff sender who becomes owner unless it is pinned */
	const char *const *
		recipients; /* envelope recipients outside, tokens left out (of out); all others for in/internal */
	size_t recipient_count;
	bool adds_participants; /* outbound: recipients and from become participants */
	bool starts_wait;       /* inbound, human, from outside */
	bool ends_waits;        /* outbound, human */
	bool reopens; /* human mail of a customer: into a closed conversation it goes as below */
	/*
	 * Internal, human: where the account that it came in by, or that of its conversation,
	 * has internal customers it ends waits, and may begin one of a sender who is no account.
	 */
	bool answers_colleagues, asks_as_colleague;

	/*
	 * Outbound: the recipients that count against the account's daily limit, that limit
	 * (0: none) and how many of it are told as near (0: none are).  All of them are kept,
	 * so that a repeat counts nobody twice.
	 */
	const char *const *counted;
	size_t counted_count;
	size_t counted_further; /* more that have no names here: a repeat counts none of them */
	int64_t daily_limit, daily_limit_warn; /* recipients a day (UTC) */
	bool stops_at_limit; /* over it nothing is recorded: RECORDED_OVER_LIMIT */

	const char *reference_type; /* of a conversation that this message opens */
	const char *
		acknowledged_to; /* inbound: who is sent an acknowledgement if this message opens a conversation; NULL: nobody */

	const struct record_failure *failures; /* of a bounce */
	size_t failure_count;
	const char *original_msgid; /* of the message a bounce returns */

	unsigned invalid_tokens; /* seen and not believed: counted */

	/*
	 * A mail to a link of an alert: what it asks for is done instead, and nothing else of
	 * it is looked at but config, from, received_at, and the key where has_copy_keys.
	 */
	bool is_action;
	enum action action;
	int64_t notice;

	enum arrival arrival;
	const char *queue_id;
	const char *client; /* address of the SMTP client, for the delivery */
};

#define RECORDED_NOT_OURS   1 /* MATCH_NONE: nothing written */
#define RECORDED_OVER_LIMIT 2 /* stops_at_limit: nothing written */
#define RECORDED_IN_VAIN    3 /* is_action: nothing written, care says why */

/* What came of it. Strings are the caller's: recorded_release(). */
struct recorded {
	int status; /* 0, RECORDED_..., or -1: error says why */
	struct error error;
	bool is_repeat; /* the message was there: a delivery was added, the rest is as first recorded */
	int64_t message;
	int64_t conversation;
	int64_t first_received_at; /* of the message: the issue day of its token */
	enum match_reason reason;
	enum message_class class; /* as first recorded */
	char *rule;
	int64_t related;
	char *owner;          /* of the conversation at this message, or NULL */
	char *reference;      /* or NULL */
	char *reference_type; /* or NULL */
	int64_t counted_today; /* recipients of the account, with this message's even if over the limit */
	bool is_known_sender;
	bool is_new_conversation;
	bool is_capped;  /* its sender is past a rate cap */
	bool is_crowded; /* so many wait in the conversation that its sender, a stranger, does not */
	unsigned waits_started, waits_ended, waits_resumed;
	struct care_outcome care; /* of an action; conversation stands above as well */
};

void recorded_release(struct recorded *recorded);

/*
 * Record a batch in one transaction, each record under a savepoint: a record
 * that fails (its status -1) or is over its limit leaves the others whole.  Per
 * record, in order: a message with this key is a repeat and only its delivery is
 * added (of one that went out also its recipients, who of them counts, and whom it
 * answers; one delivery per queue id); else match_find() on what the store holds now;
 * then conversation, message, ids, counts, participants, waits, failures, letters.
 *
 * What reopens and leads to a closed conversation opens it again if the account that it
 * came in by (else that of the conversation) allows that so long after it was closed.
 * Otherwise it goes to the conversation that continues the closed one, or the one that
 * continues that, if that is open or may be opened; else it begins one that continues the
 * last of them: with its subject, reference, account, owner and participants, and under the
 * reason that led to the closed one, which is related.  Machine mail stays where it led.
 *
 * Human mail of ours into it goes on to what continues it as well, but opens and begins none.
 *
 * A colleague who writes to an account with internal customers is one when his message
 * begins a conversation, or he ever waited in the one it leads to or in what that continues.
 * It begins one if it would lead to a conversation of another account, unless a token says so.
 *
 * Human mail from outside whose sender is past a rate cap (cap.h) starts no wait,
 * reopens nothing and is not acknowledged; of the first of a day the operator is told.  It
 * does start one in an open conversation that knows its sender, if none of his runs there.  Mail
 * whose authentication failed counts against other such mail only.
 *
 * When the transaction itself cannot be begun or committed every result says so, and
 * -1 with *err comes back (ERROR_FULL, ERROR_TEMPORARY, ERROR_CORRUPT); nothing was written then.
 * deadline_ms: of the monotonic clock, how long to wait for the write lock.
 */
int store_record(struct store *store, const struct record *const *records, struct recorded *results,
                 size_t count, int64_t deadline_ms, struct error *err) MUST_CHECK;

/*
 * The dedupe key: SHA-256 over (Message-ID, From address, Date, direction), without Message-ID
 * also subject and the first 4 KiB of the body.  from is lower-cased first; date is the value as found.
 */
void record_key(unsigned char out[DIGEST_BYTES], const char *msgid, const char *from,
                const char *date, enum direction direction, const char *subject, const char *body,
                size_t body_length);
/*
 * Make a key depend on one thing more: of messages without a Message-ID, which programs send alike
 * to many, who gets them.
 */
void record_key_add(unsigned char key[DIGEST_BYTES], const char *detail);

/*
 * Does a message that the store holds have or name one of these ids? 1, 0 or -1
 * with *err. At most MATCH_IDS_MAX are looked up. For reader connections.
 */
int store_knows_ids(struct store *store, const char *const *ids, size_t count,
                    struct error *err) MUST_CHECK;

#endif
