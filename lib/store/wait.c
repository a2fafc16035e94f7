#include "lib/store/wait.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/program.h"
#include "lib/store/alert.h"
#include "lib/store/conversation.h"
#include "lib/store/database.h"

#define LATER_ANSWERS_MAX 1000 /* that are looked at for one that a person wrote */

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

static int has_row(struct statement *query, int64_t conversation, const char *customer,
                   struct error *err)
{
	char key[KEPT_ADDRESS_BYTES + 1];
	int status;

	address_key(key, customer);
	bind_int(query, 1, conversation);
	bind_text(query, 2, key, KEPT_ADDRESS_BYTES);
	status = statement_step(query, err);
	statement_end(query);
	return status;
}

static int runs(struct store *store, int64_t conversation, const char *customer, struct error *err)
{
	struct statement query;

	statement_begin(&query, store,
	                "SELECT 1 FROM wait WHERE conversation = ?1 AND customer = ?2"
	                " AND ended_at IS NULL");
	return has_row(&query, conversation, customer, err);
}

int wait_was_there(struct store *store, int64_t conversation, const char *customer,
                   struct error *err)
{
	struct statement query;

	statement_begin(&query, store,
	                "WITH RECURSIVE thread (id) AS (SELECT ?1 UNION"
	                " SELECT c.continues FROM conversation c JOIN thread ON c.id = thread.id"
	                " WHERE c.continues IS NOT NULL LIMIT 1000)"
	                " SELECT 1 FROM wait JOIN thread ON thread.id = wait.conversation"
	                " WHERE customer = ?2 LIMIT 1");
	return has_row(&query, conversation, customer, err);
}

static int count_running(struct store *store, int64_t conversation, int64_t *out, struct error *err)
{
	struct statement query;
	int status;

	*out = 0;
	statement_begin(&query, store,
	                "SELECT count(*) FROM wait WHERE conversation = ?1 AND ended_at IS NULL");
	bind_int(&query, 1, conversation);
	status = statement_step(&query, err);
	if (status > 0)
		*out = column_int(&query, 0);
	statement_end(&query);
	return status < 0 ? -1 : 0;
}

bool wait_is_crowded(int64_t running, bool is_known)
{
	return running >= WAITS_RUNNING_MAX && !is_known;
}

int wait_start(struct store *store, const struct wait_question *question, unsigned *count,
               struct error *err)
{
	int64_t conversation = question->conversation;
	char customer_key[KEPT_ADDRESS_BYTES + 1], reply_key[KEPT_ADDRESS_BYTES + 1];
	const char *answer_to;
	struct statement insert;
	int64_t id, running_count;
	int running;

	address_key(customer_key, question->customer);
	address_key(reply_key, question->reply_to);
	answer_to = reply_key[0] == '\0' ? NULL : reply_key;
	if (customer_key[0] == '\0')
		return 0;
	running = runs(store, conversation, customer_key, err);
	if (running < 0)
		return -1;
	if (running > 0)
		return answer_to == NULL
		               ? 0
		               : update_reply_to(store, conversation, customer_key, answer_to, err);
	if (count_running(store, conversation, &running_count, err) < 0)
		return -1;
	if (wait_is_crowded(running_count, question->is_known))
		return 1;

	statement_begin(&insert, store,
	                "INSERT INTO wait"
	                " (id, conversation, customer, reply_to, started_at, started_by)"
	                " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
	bind_int(&insert, 2, conversation);
	bind_text(&insert, 3, customer_key, KEPT_ADDRESS_BYTES);
	bind_text(&insert, 4, answer_to, KEPT_ADDRESS_BYTES);
	bind_int(&insert, 5, question->at);
	bind_int(&insert, 6, question->message);
	if (statement_insert(&insert, &id, err) < 0)
		return -1;
	(*count)++;
	return 0;
}

/* What ending and resuming ask of a wait. */
struct wait_facts {
	int64_t id, conversation;
	int64_t started_at, ended_at, ended_by;
	char *customer, *reply_to;
};

struct wait_list {
	struct wait_facts *items;
	size_t count;
};

#define WAIT_FACTS                                                                                 \
	"SELECT id, conversation, started_at, ended_at, ended_by, customer, reply_to FROM wait"

static void wait_list_release(struct wait_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].customer);
		free(list->items[i].reply_to);
	}
	free(list->items);
}

/* Run a query of WAIT_FACTS. */
static int wait_list_read(struct wait_list *list, struct statement *query, struct error *err)
{
	int status;

	*list = (struct wait_list){0};
	while ((status = statement_step(query, err)) > 0) {
		struct wait_facts *wait;

		list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
		wait = &list->items[list->count++];
		wait->id = column_int(query, 0);
		wait->conversation = column_int(query, 1);
		wait->started_at = column_int(query, 2);
		wait->ended_at = column_int(query, 3);
		wait->ended_by = column_int(query, 4);
		wait->customer = column_copy(query, 5);
		wait->reply_to = column_copy(query, 6);
	}
	statement_end(query);
	return status;
}

static int list_running(struct store *store, int64_t conversation, struct wait_list *list,
                        struct error *err)
{
	struct statement query;

	statement_begin(&query, store,
	                WAIT_FACTS " WHERE conversation = ?1 AND ended_at IS NULL ORDER BY id");
	bind_int(&query, 1, conversation);
	return wait_list_read(list, &query, err);
}

/* How a wait ends. */
struct ending {
	int64_t at;
	int64_t message;    /* 0: nobody answered */
	const char *reason; /* a word of the store */
};

static int end_one(struct store *store, const struct config *config, const struct wait_facts *wait,
                   const struct ending *ending, struct error *err)
{
	int64_t ended_at = ending->at > wait->started_at ? ending->at : wait->started_at;
	const struct account *account;
	struct statement update;

	if (conversation_account(store, config, wait->conversation, &account, err) < 0)
		return -1;
	statement_begin(&update, store,
	                "UPDATE wait SET ended_at = ?2, ended_by = nullif(?3, 0), end_reason = ?4,"
	                " wall_s = ?5, business_s = ?6 WHERE id = ?1");
	bind_int(&update, 1, wait->id);
	bind_int(&update, 2, ended_at);
	bind_int(&update, 3, ending->message);
	bind_text(&update, 4, ending->reason, KEPT_WORD_BYTES);
	bind_int(&update, 5, ended_at - wait->started_at);
	if (account != NULL && account->calendar != NULL)
		bind_int(&update, 6,
		         calendar_between(&account->calendar->hours, wait->started_at, ended_at));
	else
		bind_text(&update, 6, NULL, 0);
	return statement_run(&update, err);
}

static bool is_of(const struct wait_facts *wait, const char *key)
{
	return strcmp(wait->customer, key) == 0 ||
	       (wait->reply_to != NULL && strcmp(wait->reply_to, key) == 0);
}

static bool is_answered(const struct wait_facts *wait, const struct wait_answer *answer)
{
	char key[KEPT_ADDRESS_BYTES + 1];

	if (answer->is_repeat && wait->started_at > answer->at)
		return false;
	address_key(key, answer->author);
	if (strcmp(wait->customer, key) == 0)
		return false;
	for (size_t i = 0; i < answer->recipient_count; i++) {
		address_key(key, answer->recipients[i]);
		if (key[0] != '\0' && is_of(wait, key))
			return true;
	}
	return false;
}

int wait_end(struct store *store, const struct config *config, const struct wait_answer *answer,
             unsigned *count, struct error *err)
{
	const struct ending ending = {answer->at, answer->message, "answered"};
	struct wait_list running;
	int status = list_running(store, answer->conversation, &running, err);

	for (size_t i = 0; i < running.count && status >= 0; i++) {
		if (!is_answered(&running.items[i], answer))
			continue;
		status = end_one(store, config, &running.items[i], &ending, err);
		*count += status == 0;
	}
	wait_list_release(&running);
	return status < 0 ? -1 : 0;
}

int wait_close(struct store *store, const struct config *config, int64_t conversation, int64_t now,
               struct error *err)
{
	const struct ending ending = {now, 0, "closed"};
	struct wait_list running;
	int status = list_running(store, conversation, &running, err);

	for (size_t i = 0; i < running.count && status >= 0; i++)
		status = end_one(store, config, &running.items[i], &ending, err);
	wait_list_release(&running);
	return status < 0 ? -1 : 0;
}

/* The next human answer to him that is not known to have failed: 1, 0 or -1. */
static int find_later_answer(struct store *store, const struct wait_facts *wait,
                             int64_t *message_out, int64_t *at_out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT m.id, m.received_at, m.from_address FROM message m"
	                " WHERE m.conversation = ?1"
	                " AND m.direction <> 'in' AND m.class = 'human'"
	                " AND coalesce(m.from_address, '') <> ?4 COLLATE NOCASE"
	                " AND (m.received_at, m.id) > (?2, ?3)"
	                " AND EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.id"
	                " AND r.address IN (?4, ?5))"
	                " AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.message = m.id"
	                " AND f.action = 'failed' AND f.recipient IN ('', ?4, coalesce(?5, ?4)))"
	                " ORDER BY m.received_at, m.id LIMIT ?6");
	bind_int(&query, 1, wait->conversation);
	bind_int(&query, 2, wait->ended_at);
	bind_int(&query, 3, wait->ended_by);
	bind_text(&query, 4, wait->customer, KEPT_ADDRESS_BYTES);
	bind_text(&query, 5, wait->reply_to, KEPT_ADDRESS_BYTES);
	bind_int(&query, 6, LATER_ANSWERS_MAX);
	while ((status = statement_step(&query, err)) > 0) {
		char *author = column_copy(&query, 2);
		bool is_program = author != NULL && address_is_program(author);

		free(author);
		if (is_program)
			continue;
		*message_out = column_int(&query, 0);
		*at_out = column_int(&query, 1);
		break;
	}
	statement_end(&query);
	return status;
}

/* What was told of its levels goes; a digest of a day is told once whatever happens. */
static int forget_levels(struct store *store, int64_t wait, struct error *err)
{
	struct statement update, deletion;

	statement_begin(&update, store, "UPDATE wait SET level = 0 WHERE id = ?1");
	bind_int(&update, 1, wait);
	if (statement_run(&update, err) < 0)
		return -1;
	statement_begin(&deletion, store, "DELETE FROM alert WHERE wait = ?1 AND level < ?2");
	bind_int(&deletion, 1, wait);
	bind_int(&deletion, 2, ALERT_DIGEST_LEVEL);
	return statement_run(&deletion, err);
}

/* Not in a closed conversation: nobody is told there, and a new question is a wait of its own. */
static int resume(struct store *store, const struct wait_facts *wait, int64_t at, unsigned *count,
                  struct error *err)
{
	bool starts_over = at - wait->ended_at > WAIT_FORGOTTEN_S;
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE wait SET ended_at = NULL, ended_by = NULL, end_reason = NULL,"
	                " wall_s = NULL, business_s = NULL, due_at = NULL WHERE id = ?1"
	                " AND (SELECT c.state FROM conversation c WHERE c.id = wait.conversation)"
	                " = 'open'"
	                " AND NOT EXISTS (SELECT 1 FROM wait r"
	                " WHERE r.conversation = wait.conversation AND r.customer = wait.customer"
	                " AND r.ended_at IS NULL)");
	bind_int(&update, 1, wait->id);
	if (statement_run(&update, err) < 0)
		return -1;
	if (sqlite3_changes(store->db) == 0)
		return 0;
	(*count)++;
	return starts_over ? forget_levels(store, wait->id, err) : 0;
}

int wait_resume(struct store *store, const struct config *config, int64_t message,
                const char *recipient, int64_t at, unsigned *count, struct error *err)
{
	char key[KEPT_ADDRESS_BYTES + 1];
	struct statement query;
	struct wait_list ended;
	int status;

	address_key(key, recipient);
	statement_begin(&query, store,
	                WAIT_FACTS " WHERE ended_by = ?1"
	                           " AND (?2 = '' OR customer = ?2 OR reply_to = ?2)"
	                           " ORDER BY started_at, id");
	bind_int(&query, 1, message);
	bind_text(&query, 2, key, KEPT_ADDRESS_BYTES);
	status = wait_list_read(&ended, &query, err);
	for (size_t i = 0; i < ended.count && status >= 0; i++) {
		struct ending later = {.reason = "answered"};

		status = find_later_answer(store, &ended.items[i], &later.message, &later.at, err);
		if (status > 0)
			status = end_one(store, config, &ended.items[i], &later, err);
		else if (status == 0)
			status = resume(store, &ended.items[i], at, count, err);
	}
	wait_list_release(&ended);
	return status < 0 ? -1 : 0;
}
