#ifndef REJOINDER_STORE_QUERY_H
#define REJOINDER_STORE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/list.h"
#include "lib/store/store.h"

/*
 * Reading for people: what `rejoinder list`, `show` and `status` print.  Each
 * call is one short read transaction; what it returns is the caller's.
 */

struct conversation_row {
	int64_t id;
	int64_t created_at, updated_at;              /* Unix seconds */
	char *subject, *reference, *owner, *account; /* NULL: none */
	char *reference_type;                        /* what its account calls it, or NULL */
	bool is_closed;
	bool is_owner_pinned;
	int64_t snoozed_until; /* 0: it was not; may be past */
	int64_t continues;     /* the closed conversation that its first message answered, or 0 */
	int64_t message_count;
	int64_t waiting_count; /* customers that wait now */
	int64_t waiting_since; /* the oldest of them, 0 if none */
};

struct message_row {
	int64_t id;
	int64_t received_at;
	char *direction, *class, *rule, *match;               /* words of the store */
	char *msgid, *from, *subject, *account, *auth, *text; /* NULL: none */
	bool is_known_sender;
	int64_t related;               /* conversation, or 0 */
	struct string_list recipients; /* the first 200 */
	struct string_list failures;   /* "nobody@example.org failed 5.1.1 550 no such user" */
	bool is_bounced;               /* a failure with action failed */
	struct string_list deliveries; /* "smtp 4bXYZ 2026-11-22T10:00:00Z" */
};

struct wait_row {
	int64_t id;
	int64_t conversation;
	char *customer;
	int64_t started_at;
	int64_t ended_at;             /* 0: it runs */
	int64_t started_by, ended_by; /* messages; ended_by 0: it runs, or nobody answered */
	char *end_reason;             /* word of the store; NULL: it runs */
	int64_t wall_s, business_s;   /* how long it was; -1: not known, or it runs */
};

struct conversation_filter {
	bool is_waiting;     /* only those with a running wait */
	const char *account; /* or NULL */
	size_t limit;        /* at most this many, newest activity (waiting: longest wait) first */
};

int store_list_conversations(struct store *store, const struct conversation_filter *filter,
                             struct conversation_row **rows_out, size_t *count_out,
                             struct error *err) MUST_CHECK;
/* 1 and *row_out, 0 if there is none, -1 with *err. */
int store_get_conversation(struct store *store, int64_t id, struct conversation_row *row_out,
                           struct error *err) MUST_CHECK;
/* Conversations whose formatted id begins with this prefix (any case), at most limit. */
int store_find_by_prefix(struct store *store, const char *prefix, size_t limit, int64_t **ids_out,
                         size_t *count_out, struct error *err) MUST_CHECK;
#define LISTED_MESSAGES_MAX 10000 /* the newest of a conversation, in order of time */
int store_list_messages(struct store *store, int64_t conversation, struct message_row **rows_out,
                        size_t *count_out, struct error *err) MUST_CHECK;
int store_list_waits(struct store *store, int64_t conversation, struct wait_row **rows_out,
                     size_t *count_out, struct error *err) MUST_CHECK;
int store_list_participants(struct store *store, int64_t conversation, struct string_list *out,
                            struct error *err) MUST_CHECK;
/* Conversations that continue this one, the oldest first. */
int store_list_continued(struct store *store, int64_t conversation, int64_t **ids_out,
                         size_t *count_out, struct error *err) MUST_CHECK;
/* Conversations recorded as related to this one, either way. */
int store_list_related(struct store *store, int64_t conversation, int64_t **ids_out,
                       size_t *count_out, struct error *err) MUST_CHECK;

void conversation_row_release(struct conversation_row *row);
void conversation_rows_free(struct conversation_row *rows, size_t count);
void message_rows_free(struct message_row *rows, size_t count);
void wait_rows_free(struct wait_row *rows, size_t count);

struct store_totals {
	int64_t conversations_open, conversations_closed;
	int64_t messages_out, messages_in, messages_internal;
	int64_t deliveries;
	int64_t messages_bounced;
	int64_t waits_running;
	int64_t oldest_wait_at; /* 0: none */
	int64_t invalid_tokens;
	int64_t letters_waiting; /* besides alerts, see letter.h */
	int64_t database_bytes, wal_bytes;
	int schema_version;
};

/* Tables are counted in several short transactions: the numbers are not of one moment. */
int store_totals(struct store *store, struct store_totals *out, struct error *err) MUST_CHECK;

#endif
