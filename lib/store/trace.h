#ifndef REJOINDER_STORE_TRACE_H
#define REJOINDER_STORE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * The story of a message as the store knows it: found by what an admin has in hand,
 * told as facts with their times.  Look-ups that no index serves read a table in
 * pieces, newest first, each piece a short read transaction.
 */

/*
 * Messages, the newest first, at most limit: that arrived under a queue id, that have a
 * Message-ID (with its brackets), that an address sent or got (any case), of a conversation.
 * *ids_out is the caller's.
 */
int store_trace_queue_id(struct store *store, const char *queue_id, size_t limit, int64_t **ids_out,
                         size_t *count_out, struct error *err) MUST_CHECK;
int store_trace_msgid(struct store *store, const char *msgid, size_t limit, int64_t **ids_out,
                      size_t *count_out, struct error *err) MUST_CHECK;
int store_trace_address(struct store *store, const char *address, size_t limit, int64_t **ids_out,
                        size_t *count_out, struct error *err) MUST_CHECK;
int store_trace_conversation(struct store *store, int64_t conversation, size_t limit,
                             int64_t **ids_out, size_t *count_out, struct error *err) MUST_CHECK;

/*
 * Messages that belong to the story of this one: reports on it, and the alerts about
 * who waited because of it, as far as they came by the milter.
 */
int store_trace_companions(struct store *store, int64_t message, int64_t **ids_out,
                           size_t *count_out, struct error *err) MUST_CHECK;

struct trace_message {
	int64_t id, conversation, related, received_at;
	char *direction, *class, *rule, *match; /* words of the store */
	char *msgid, *from, *subject, *account; /* NULL: none */
};

/* 1 and *out, which trace_message_release() lets go of, 0 if it is gone, -1 with *err. */
int store_trace_message(struct store *store, int64_t id, struct trace_message *out,
                        struct error *err) MUST_CHECK;
void trace_message_release(struct trace_message *message);

enum trace_kind {
	TRACE_ARRIVED,    /* who: client; what: "smtp", "local", "fetch"; detail: account */
	TRACE_WAIT_BEGAN, /* because of this message; who: customer */
	TRACE_WAIT_ENDED, /* that it began; who: customer; what: end_reason; other: the answer or 0 */
	TRACE_ANSWERED, /* it ended a wait; who: customer; other: that began it; number: seconds */
	TRACE_FAILED,   /* a report speaks of it; who: recipient; what: action; detail: status
	                     and diagnostic; other: the report */
	TRACE_REPORTS,  /* it reports; as TRACE_FAILED, other: the message */
	TRACE_ALERT,    /* about a wait that it began; who: recipient; what: "open", "sent",
	                     "dropped"; at: when that was, or when it was due; number: notice */
	TRACE_LETTER,   /* because of it; who: recipient; what: state; detail: kind; number: id */
};

struct trace_fact {
	enum trace_kind kind;
	int64_t at;
	int64_t other, number;
	char *queue_id; /* of an arrival, or NULL */
	char *who, *what, *detail;
};

/* The facts of a message, of each kind in order of time, at most TRACE_FACTS_MAX of a kind. */
#define TRACE_FACTS_MAX 200
int store_trace_facts(struct store *store, int64_t message, struct trace_fact **facts_out,
                      size_t *count_out, struct error *err) MUST_CHECK;
void trace_facts_free(struct trace_fact *facts, size_t count);

#endif
