#include "lib/store/wait.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/store/database.h"

static int update_reply_to(struct store *store, int64_t conversation, const char *customer,
                           const char *reply_to, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET reply_to = ?3 WHERE conversation = ?1 AND customer = ?2"
	                " AND ended_at IS NULL AND reply_to IS NOT ?3");
	bind_int(&update, 1, conversation);
	bind_text(&update, 2, customer, KEPT_ADDRESS_BYTES);
	bind_text(&update, 3, reply_to, KEPT_ADDRESS_BYTES);
	return statement_run(&update, err);
}

static int find_running(struct store *store, int64_t conversation, const char *customer,
                        struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT 1 FROM wait WHERE conversation = ?1 AND ended_at IS NULL"
	                " AND (?2 IS NULL OR customer = ?2) LIMIT 1");
	bind_int(&query, 1, conversation);
	bind_text(&query, 2, customer, KEPT_ADDRESS_BYTES);
	status = statement_step(&query, err);
	statement_end(&query);
	return status;
}

int wait_start(struct store *store, int64_t conversation, const char *customer,
               const char *reply_to, int64_t message, int64_t at, unsigned *count,
               struct error *err)
{
	char customer_key[KEPT_ADDRESS_BYTES + 1], reply_key[KEPT_ADDRESS_BYTES + 1];
	const char *answer_to;
	struct statement insert;
	int64_t id;
	int running;

	address_key(customer_key, customer);
	address_key(reply_key, reply_to);
	answer_to = reply_key[0] == '\0' ? NULL : reply_key;
	if (customer_key[0] == '\0')
		return 0;
	running = find_running(store, conversation, customer_key, err);
	if (running < 0)
		return -1;
	if (running > 0)
		return answer_to == NULL
		               ? 0
		               : update_reply_to(store, conversation, customer_key, answer_to, err);

	statement_begin(&insert, store,
	                "INSERT INTO wait"
	                " (id, conversation, customer, reply_to, started_at, started_by)"
	                " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
	bind_int(&insert, 2, conversation);
	bind_text(&insert, 3, customer_key, KEPT_ADDRESS_BYTES);
	bind_text(&insert, 4, answer_to, KEPT_ADDRESS_BYTES);
	bind_int(&insert, 5, at);
	bind_int(&insert, 6, message);
	if (statement_insert(&insert, &id, err) < 0)
		return -1;
	(*count)++;
	return 0;
}

static int end_for_recipient(struct store *store, int64_t conversation, const char *recipient,
                             int64_t message, int64_t at, unsigned *count, struct error *err)
{
	char key[KEPT_ADDRESS_BYTES + 1];
	struct statement update;

	address_key(key, recipient);
	if (key[0] == '\0')
		return 0;
	statement_begin(&update, store,
	                "UPDATE wait SET ended_at = ?3, ended_by = ?4, end_reason = 'answered'"
	                " WHERE conversation = ?1"
	                " AND ended_at IS NULL AND started_at <= ?3"
	                " AND (customer = ?2 OR reply_to = ?2)");
	bind_int(&update, 1, conversation);
	bind_text(&update, 2, key, KEPT_ADDRESS_BYTES);
	bind_int(&update, 3, at);
	bind_int(&update, 4, message);
	if (statement_run(&update, err) < 0)
		return -1;
	*count += (unsigned)sqlite3_changes(store->db);
	return 0;
}

int wait_end(struct store *store, int64_t conversation, const char *const *recipients,
             size_t recipient_count, int64_t message, int64_t at, unsigned *count,
             struct error *err)
{
	int running = find_running(store, conversation, NULL, err);

	if (running <= 0)
		return running;
	for (size_t i = 0; i < recipient_count; i++)
		if (end_for_recipient(store, conversation, recipients[i], message, at, count, err) <
		    0)
			return -1;
	return 0;
}

struct ended_wait {
	int64_t id, conversation;
	int64_t ended_at, ended_by;
	char *customer, *reply_to;
};

static int find_ended(struct store *store, int64_t message, const char *recipient,
                      struct ended_wait **waits_out, size_t *count_out, struct error *err)
{
	struct statement query;
	int status;

	*waits_out = NULL;
	*count_out = 0;
	statement_begin(&query, store,
	                "SELECT id, conversation, ended_at, ended_by, customer, reply_to FROM wait"
	                " WHERE ended_by = ?1 AND (?2 = '' OR customer = ?2 OR reply_to = ?2)"
	                " ORDER BY started_at, id");
	bind_int(&query, 1, message);
	bind_text(&query, 2, recipient, KEPT_ADDRESS_BYTES);
	while ((status = statement_step(&query, err)) > 0) {
		struct ended_wait *wait;

		*waits_out = xreallocarray(*waits_out, *count_out + 1, sizeof(**waits_out));
		wait = &(*waits_out)[(*count_out)++];
		wait->id = column_int(&query, 0);
		wait->conversation = column_int(&query, 1);
		wait->ended_at = column_int(&query, 2);
		wait->ended_by = column_int(&query, 3);
		wait->customer = column_copy(&query, 4);
		wait->reply_to = column_copy(&query, 5);
	}
	statement_end(&query);
	return status;
}

/* The next human answer to him that is not known to have failed: 1, 0 or -1. */
static int find_later_answer(struct store *store, const struct ended_wait *wait,
                             int64_t *message_out, int64_t *at_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT m.id, m.received_at FROM message m WHERE m.conversation = ?1"
	                " AND m.direction = 'out' AND m.class = 'human'"
	                " AND (m.received_at, m.id) > (?2, ?3)"
	                " AND EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.id"
	                " AND r.address IN (?4, ?5))"
	                " AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.message = m.id"
	                " AND f.action = 'failed' AND f.recipient IN ('', ?4, coalesce(?5, ?4)))"
	                " ORDER BY m.received_at, m.id LIMIT 1");
	bind_int(&query, 1, wait->conversation);
	bind_int(&query, 2, wait->ended_at);
	bind_int(&query, 3, wait->ended_by);
	bind_text(&query, 4, wait->customer, KEPT_ADDRESS_BYTES);
	bind_text(&query, 5, wait->reply_to, KEPT_ADDRESS_BYTES);
	status = statement_step(&query, err);
	if (status > 0) {
		*message_out = column_int(&query, 0);
		*at_out = column_int(&query, 1);
	}
	statement_end(&query);
	return status;
}

static int end_by_other(struct store *store, int64_t wait, int64_t message, int64_t at,
                        struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET ended_at = ?2, ended_by = ?3 WHERE id = ?1");
	bind_int(&update, 1, wait);
	bind_int(&update, 2, at);
	bind_int(&update, 3, message);
	return statement_run(&update, err);
}

/* Not in a closed conversation: nobody is told there, and a new question is a wait of its own. */
static int resume(struct store *store, int64_t wait, unsigned *count, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET ended_at = NULL, ended_by = NULL, end_reason = NULL,"
	                " due_at = NULL WHERE id = ?1"
	                " AND (SELECT c.state FROM conversation c WHERE c.id = wait.conversation)"
	                " = 'open'"
	                " AND NOT EXISTS (SELECT 1 FROM wait r"
	                " WHERE r.conversation = wait.conversation AND r.customer = wait.customer"
	                " AND r.ended_at IS NULL)");
	bind_int(&update, 1, wait);
	if (statement_run(&update, err) < 0)
		return -1;
	*count += (unsigned)sqlite3_changes(store->db);
	return 0;
}

int wait_resume(struct store *store, int64_t message, const char *recipient, unsigned *count,
                struct error *err)
{
	char key[KEPT_ADDRESS_BYTES + 1];
	struct ended_wait *waits;
	size_t wait_count;
	int status;

	address_key(key, recipient);
	status = find_ended(store, message, key, &waits, &wait_count, err);
	for (size_t i = 0; i < wait_count && status >= 0; i++) {
		int64_t later, later_at;

		status = find_later_answer(store, &waits[i], &later, &later_at, err);
		if (status > 0)
			status = end_by_other(store, waits[i].id, later, later_at, err);
		else if (status == 0)
			status = resume(store, waits[i].id, count, err);
	}
	for (size_t i = 0; i < wait_count; i++) {
		free(waits[i].customer);
		free(waits[i].reply_to);
	}
	free(waits);
	return status < 0 ? -1 : 0;
}
