#include "lib/store/alert.h"

#include <stdlib.h>

#include "lib/store/database.h"
#include "lib/store/lease.h"
#include "lib/store/rows.h"

static const struct lease_table lease_table = LEASE_TABLE("notice");

static void release_item(struct notice_item *item)
{
	free(item->customer);
	free(item->reply_to);
	free(item->from_name);
	free(item->subject);
	free(item->reference);
	free(item->owner);
	free(item->account);
	free(item->msgid);
	free(item->text);
}

void notices_free(struct notice *notices, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < notices[i].item_count; j++)
			release_item(&notices[i].items[j]);
		free(notices[i].items);
		free(notices[i].recipient);
	}
	free(notices);
}

static int list_free(struct store *store, int64_t now, size_t limit, struct notice **notices,
                     size_t *count, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT id, recipient, created_at, attempts + 1 FROM notice"
	                " WHERE state = 'open' AND leased_until <= ?1"
	                " ORDER BY leased_until, id LIMIT ?2");
	bind_int(&query, 1, now);
	bind_int(&query, 2, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
	while ((status = statement_step(&query, err)) > 0) {
		struct notice *notice;

		*notices = rows_add(*notices, count, sizeof(**notices));
		notice = &(*notices)[*count - 1];
		notice->id = column_int(&query, 0);
		notice->recipient = column_copy(&query, 1);
		notice->created_at = column_int(&query, 2);
		notice->attempts = column_int(&query, 3);
	}
	statement_end(&query);
	return status;
}

/* Note which of its waits run now: the ending of the notice goes by what was told, not by what is then. */
static int note_running(struct store *store, int64_t notice, int64_t now, struct error *err)
{
	struct statement update;

	statement_begin(&update, store,
	                "UPDATE alert SET is_running = EXISTS (SELECT 1 FROM wait w"
	                " JOIN conversation c ON c.id = w.conversation WHERE w.id = alert.wait"
	                " AND w.ended_at IS NULL AND c.state = 'open'"
	                " AND (alert.level >= ?3 OR coalesce(c.snoozed_until, 0) <= ?2))"
	                " WHERE notice = ?1");
	bind_int(&update, 1, notice);
	bind_int(&update, 2, now);
	bind_int(&update, 3, ALERT_DIGEST_LEVEL);
	return statement_run(&update, err);
}

static void read_item(struct statement *query, struct notice_item *item)
{
	item->wait = column_int(query, 0);
	item->conversation = column_int(query, 1);
	item->level = (int)column_int(query, 2);
	item->due_at = column_int(query, 3);
	item->started_at = column_int(query, 4);
	item->is_running = column_int(query, 5) != 0;
	item->customer = column_copy(query, 6);
	item->reply_to = column_copy(query, 7);
	item->subject = column_copy(query, 8);
	item->reference = column_copy(query, 9);
	item->owner = column_copy(query, 10);
	item->account = column_copy(query, 11);
	item->msgid = column_copy(query, 12);
	item->text = column_copy(query, 13);
	item->from_name = column_copy(query, 14);
}

static int read_items(struct store *store, struct notice *notice, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT a.wait, w.conversation, a.level, a.due_at, w.started_at,"
	                " a.is_running, w.customer, w.reply_to, c.subject, c.reference, c.owner,"
	                " c.account, s.msgid,"
	                " (SELECT m.text FROM message m WHERE m.conversation = w.conversation"
	                " AND m.direction = 'in' AND m.class = 'human'"
	                " AND lower(m.from_address) = w.customer"
	                " ORDER BY m.received_at DESC, m.id DESC LIMIT 1), s.from_name"
	                " FROM alert a JOIN wait w ON w.id = a.wait"
	                " JOIN conversation c ON c.id = w.conversation"
	                " LEFT JOIN message s ON s.id = w.started_by WHERE a.notice = ?1"
	                " ORDER BY w.started_at, a.wait, a.level");
	bind_int(&query, 1, notice->id);
	while ((status = statement_step(&query, err)) > 0) {
		notice->items =
			rows_add(notice->items, &notice->item_count, sizeof(*notice->items));
		read_item(&query, &notice->items[notice->item_count - 1]);
	}
	statement_end(&query);
	return status;
}

static int take_notices(struct store *store, int64_t now, int64_t lease_s, size_t limit,
                        struct notice **notices, size_t *count, struct error *err)
{
	if (list_free(store, now, limit, notices, count, err) < 0)
		return -1;
	for (size_t i = 0; i < *count; i++)
		if (lease_take(store, &lease_table, (*notices)[i].id, now + lease_s, err) < 0 ||
		    note_running(store, (*notices)[i].id, now, err) < 0 ||
		    read_items(store, &(*notices)[i], err) < 0)
			return -1;
	return 0;
}

int store_take_notices(struct store *store, int64_t now, int64_t lease_s, size_t limit,
                       struct notice **notices_out, size_t *count_out, int64_t deadline_ms,
                       struct error *err)
{
	int status;

	*notices_out = NULL;
	*count_out = 0;
	store->doing = "take notices";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	status = take_notices(store, now, lease_s, limit, notices_out, count_out, err);
	if (status < 0)
		transaction_rollback(store);
	else
		status = transaction_commit(store, err);
	if (status < 0) {
		notices_free(*notices_out, *count_out);
		*notices_out = NULL;
		*count_out = 0;
	}
	return status;
}

static int run_for_notice(struct store *store, const char *sql, int64_t notice, struct error *err)
{
	struct statement statement;

	statement_begin(&statement, store, sql);
	bind_int(&statement, 1, notice);
	return statement_run(&statement, err);
}

/* What was not told goes back to its wait, which is then unplanned. */
static int take_back(struct store *store, int64_t notice, struct error *err)
{
	if (run_for_notice(store,
	                   "UPDATE wait SET level = min(level, (SELECT min(a.level) FROM alert a"
	                   " WHERE a.notice = ?1 AND a.wait = wait.id)), due_at = NULL"
	                   " WHERE id IN (SELECT a.wait FROM alert a WHERE a.notice = ?1"
	                   " AND a.is_running = 0)",
	                   notice, err) < 0)
		return -1;
	return run_for_notice(store, "DELETE FROM alert WHERE notice = ?1 AND is_running = 0",
	                      notice, err);
}

/* 0 also when the notice was done before. */
static int end_notice(struct store *store, int64_t notice, enum notice_end end, int64_t now,
                      struct error *err)
{
	int ended = lease_end(store, &lease_table, notice, end == NOTICE_SENT, now, err);

	return ended <= 0 ? ended : take_back(store, notice, err);
}

int store_end_notice(struct store *store, int64_t notice, enum notice_end end, int64_t now,
                     int64_t deadline_ms, struct error *err)
{
	store->doing = "record the end of a notice";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	if (end_notice(store, notice, end, now, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

int store_retry_notice(struct store *store, int64_t notice, int64_t retry_at, int64_t deadline_ms,
                       struct error *err)
{
	store->doing = "put off a notice";
	return lease_put_off(store, &lease_table, notice, retry_at, deadline_ms, err);
}

int store_alert_totals(struct store *store, struct alert_totals *out, struct error *err)
{
	const struct {
		const char *sql;
		int64_t *out;
	} numbers[] = {
		{"SELECT count(*) FROM notice WHERE state = 'open'", &out->notices_waiting},
		{"SELECT count(*) FROM notice WHERE state = 'sent'", &out->notices_sent},
		{"SELECT count(*) FROM notice WHERE state = 'dropped'", &out->notices_dropped},
	};
	int status = 0;

	store->doing = "count notices";
	if (read_begin(store, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status == 0; i++)
		status = read_number(store, numbers[i].sql, numbers[i].out, err);
	read_end(store);
	return status;
}
