#include "lib/store/trace.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/msgid.h"
#include "lib/store/database.h"
#include "lib/store/rows.h"

#define PIECE_ROWS 20000 /* that are read in one transaction */

struct id_list {
	int64_t *items;
	size_t count;
};

static void add_id(struct id_list *list, int64_t id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i] == id)
			return;
	list->items = rows_add(list->items, &list->count, sizeof(*list->items));
	list->items[list->count - 1] = id;
}

static int give(struct id_list *list, int status, int64_t **ids_out, size_t *count_out)
{
	if (status < 0) {
		free(list->items);
		*list = (struct id_list){0};
	}
	*ids_out = list->items;
	*count_out = list->count;
	return status < 0 ? -1 : 0;
}

/*
 * One piece of a table, before the id *before: 1 if there may be more, 0, or -1.  sql gives
 * the id, the message, and whether it is a hit; ?1 is *before, ?2 the text, ?3 the rows of a piece.
 */
static int read_piece(struct store *store, const char *sql, const char *text, int64_t *before,
                      size_t limit, struct id_list *list, struct error *err)
{
	struct statement query;
	int64_t rows = 0;
	int status = 0;

	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store, sql);
	bind_int(&query, 1, *before);
	bind_text(&query, 2, text, MSGID_MAX_BYTES);
	bind_int(&query, 3, PIECE_ROWS);
	while (list->count < limit && (status = statement_step(&query, err)) > 0) {
		rows++;
		*before = column_int(&query, 0);
		if (column_int(&query, 2) != 0)
			add_id(list, column_int(&query, 1));
	}
	statement_end(&query);
	read_end(store);
	if (list->count >= limit)
		return 0;
	return status < 0 ? -1 : rows == PIECE_ROWS;
}

static int search(struct store *store, const char *sql, const char *text, size_t limit,
                  int64_t **ids_out, size_t *count_out, struct error *err)
{
	struct id_list list = {0};
	int64_t before = INT64_MAX;
	int status;

	store->doing = "look for a message";
	do {
		status = read_piece(store, sql, text, &before, limit, &list, err);
	} while (status > 0);
	return give(&list, status, ids_out, count_out);
}

int store_trace_queue_id(struct store *store, const char *queue_id, size_t limit, int64_t **ids_out,
                         size_t *count_out, struct error *err)
{
	return search(store,
	              "SELECT id, message, coalesce(queue_id = ?2, 0) FROM delivery"
	              " WHERE id < ?1 ORDER BY id DESC LIMIT ?3",
	              queue_id, limit, ids_out, count_out, err);
}

int store_trace_address(struct store *store, const char *address, size_t limit, int64_t **ids_out,
                        size_t *count_out, struct error *err)
{
	return search(store,
	              "SELECT m.id, m.id, coalesce(m.from_address = ?2 COLLATE NOCASE, 0)"
	              " OR EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.id"
	              " AND r.address = ?2)"
	              " FROM message m WHERE m.id < ?1 ORDER BY m.id DESC LIMIT ?3",
	              address, limit, ids_out, count_out, err);
}

/* The ids that a query with ?1 to ?3 gives. */
static int list_ids(struct store *store, const char *sql, const char *text, int64_t number,
                    size_t limit, struct id_list *list, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, sql);
	bind_text(&query, 1, text, MSGID_MAX_BYTES);
	bind_int(&query, 2, number);
	bind_int(&query, 3, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
	while ((status = statement_step(&query, err)) > 0)
		add_id(list, column_int(&query, 0));
	statement_end(&query);
	return status;
}

static int list_in_one(struct store *store, const char *sql, const char *text, int64_t number,
                       size_t limit, int64_t **ids_out, size_t *count_out, struct error *err)
{
	struct id_list list = {0};
	int status;

	*ids_out = NULL;
	*count_out = 0;
	store->doing = "look for a message";
	if (read_begin(store, err) < 0)
		return -1;
	status = list_ids(store, sql, text, number, limit, &list, err);
	read_end(store);
	return give(&list, status, ids_out, count_out);
}

int store_trace_msgid(struct store *store, const char *msgid, size_t limit, int64_t **ids_out,
                      size_t *count_out, struct error *err)
{
	return list_in_one(store,
	                   "SELECT i.message FROM message_id i JOIN message m ON m.id = i.message"
	                   " WHERE i.msgid = ?1 AND i.relation = 'has' AND ?2 = 0"
	                   " ORDER BY i.message DESC LIMIT ?3",
	                   msgid, 0, limit, ids_out, count_out, err);
}

int store_trace_conversation(struct store *store, int64_t conversation, size_t limit,
                             int64_t **ids_out, size_t *count_out, struct error *err)
{
	return list_in_one(store,
	                   "SELECT id FROM message WHERE conversation = ?2 AND ?1 IS NULL"
	                   " ORDER BY received_at DESC, id DESC LIMIT ?3",
	                   NULL, conversation, limit, ids_out, count_out, err);
}

/*
 * An alert's Message-ID begins with its notice; its domain is that of alert_from then.  Outsiders
 * may use such an id: machine mail of our own side is never theirs.
 */
static const char companions[] =
	"SELECT reported_by FROM failure WHERE message = ?2 AND ?1 IS NULL"
	" UNION SELECT i.message FROM message own JOIN wait w ON w.conversation = own.conversation"
	" AND w.started_by = own.id JOIN alert a ON a.wait = w.id"
	" JOIN message_id i ON i.msgid >= '<rejoinder-notice-' || a.notice || '@'"
	" AND i.msgid < '<rejoinder-notice-' || a.notice || 'A' AND i.relation = 'has'"
	" JOIN message m ON m.id = i.message AND m.class = 'notification'"
	" WHERE own.id = ?2 ORDER BY 1 LIMIT ?3";

int store_trace_companions(struct store *store, int64_t message, int64_t **ids_out,
                           size_t *count_out, struct error *err)
{
	return list_in_one(store, companions, NULL, message, TRACE_FACTS_MAX, ids_out, count_out,
	                   err);
}

int store_trace_message(struct store *store, int64_t id, struct trace_message *out,
                        struct error *err)
{
	struct statement query;
	int status;

	memset(out, 0, sizeof(*out));
	store->doing = "read a message";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT id, conversation, related, received_at, direction, class, rule,"
	                " match, msgid, from_address, subject, account FROM message"
	                " WHERE id = ?1");
	bind_int(&query, 1, id);
	status = statement_step(&query, err);
	if (status > 0) {
		out->id = column_int(&query, 0);
		out->conversation = column_int(&query, 1);
		out->related = column_int(&query, 2);
		out->received_at = column_int(&query, 3);
		out->direction = column_copy(&query, 4);
		out->class = column_copy(&query, 5);
		out->rule = column_copy(&query, 6);
		out->match = column_copy(&query, 7);
		out->msgid = column_copy(&query, 8);
		out->from = column_copy(&query, 9);
		out->subject = column_copy(&query, 10);
		out->account = column_copy(&query, 11);
	}
	statement_end(&query);
	read_end(store);
	return status;
}

void trace_message_release(struct trace_message *message)
{
	free(message->direction);
	free(message->class);
	free(message->rule);
	free(message->match);
	free(message->msgid);
	free(message->from);
	free(message->subject);
	free(message->account);
	memset(message, 0, sizeof(*message));
}

/*
 * What each kind reads, of the message ?1, at most ?2: at, who, what, detail, queue id,
 * other, number.  Waits and reports are looked for in the message's conversation, which
 * has indices for it.
 */
#define OF_WAITS                                                                                   \
	" FROM message own JOIN wait w ON w.conversation = own.conversation AND "                  \
	"w.started_by = own.id"
#define REPORT_DETAIL "trim(coalesce(f.status, '') || ' ' || coalesce(f.diagnostic, ''))"

static const char *const queries[] = {
	[TRACE_ARRIVED] = "SELECT received_at, client, arrival, account, queue_id, 0, 0"
			  " FROM delivery WHERE message = ?1 ORDER BY received_at, id LIMIT ?2",
	[TRACE_WAIT_BEGAN] = "SELECT w.started_at, w.customer, NULL, NULL, NULL, 0, w.id" OF_WAITS
			     " WHERE own.id = ?1 ORDER BY w.started_at, w.id LIMIT ?2",
	[TRACE_WAIT_ENDED] =
		"SELECT w.ended_at, w.customer, w.end_reason, NULL, NULL, w.ended_by,"
		" w.ended_at - w.started_at" OF_WAITS
		" WHERE own.id = ?1 AND w.ended_at IS NOT NULL ORDER BY w.ended_at, w.id LIMIT ?2",
	[TRACE_ANSWERED] =
		"SELECT ended_at, customer, end_reason, NULL, NULL, started_by,"
		" ended_at - started_at FROM wait WHERE ended_by = ?1 ORDER BY id LIMIT ?2",
	[TRACE_FAILED] = "SELECT f.reported_at, f.recipient, f.action, " REPORT_DETAIL ", NULL,"
			 " f.reported_by, 0 FROM failure f WHERE f.message = ?1"
			 " ORDER BY f.reported_at, f.id LIMIT ?2",
	[TRACE_REPORTS] = "SELECT f.reported_at, f.recipient, f.action, " REPORT_DETAIL ", NULL,"
			  " f.message, 0 FROM message own"
			  " JOIN message m ON m.conversation = own.conversation"
			  " JOIN failure f ON f.message = m.id AND f.reported_by = own.id"
			  " WHERE own.id = ?1 AND own.class = 'bounce' ORDER BY f.id LIMIT ?2",
	[TRACE_ALERT] = "SELECT coalesce(n.ended_at, a.due_at), a.recipient, n.state, NULL, NULL,"
			" 0, n.id" OF_WAITS
			" JOIN alert a ON a.wait = w.id JOIN notice n ON n.id = a.notice"
			" WHERE own.id = ?1 ORDER BY 1, n.id LIMIT ?2",
	[TRACE_LETTER] = "SELECT coalesce(ended_at, created_at), recipient, state, kind, NULL, 0,"
			 " id FROM letter WHERE message = ?1 ORDER BY id LIMIT ?2",
};

#define KIND_COUNT (sizeof(queries) / sizeof(queries[0]))

static int read_kind(struct store *store, enum trace_kind kind, int64_t message,
                     struct trace_fact **facts, size_t *count, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, queries[kind]);
	bind_int(&query, 1, message);
	bind_int(&query, 2, TRACE_FACTS_MAX);
	while ((status = statement_step(&query, err)) > 0) {
		struct trace_fact *fact;

		*facts = rows_add(*facts, count, sizeof(**facts));
		fact = &(*facts)[*count - 1];
		fact->kind = kind;
		fact->at = column_int(&query, 0);
		fact->who = column_copy(&query, 1);
		fact->what = column_copy(&query, 2);
		fact->detail = column_copy(&query, 3);
		fact->queue_id = column_copy(&query, 4);
		fact->other = column_int(&query, 5);
		fact->number = column_int(&query, 6);
	}
	statement_end(&query);
	return status;
}

int store_trace_facts(struct store *store, int64_t message, struct trace_fact **facts_out,
                      size_t *count_out, struct error *err)
{
	int status = 0;

	*facts_out = NULL;
	*count_out = 0;
	store->doing = "read the story of a message";
	if (read_begin(store, err) < 0)
		return -1;
	for (size_t i = 0; i < KIND_COUNT && status >= 0; i++)
		status = read_kind(store, (enum trace_kind)i, message, facts_out, count_out, err);
	read_end(store);
	if (status >= 0)
		return 0;
	trace_facts_free(*facts_out, *count_out);
	*facts_out = NULL;
	*count_out = 0;
	return -1;
}

void trace_facts_free(struct trace_fact *facts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(facts[i].queue_id);
		free(facts[i].who);
		free(facts[i].what);
		free(facts[i].detail);
	}
	free(facts);
}
