#include "lib/store/letter.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/msgid.h"
#include "lib/store/database.h"
#include "lib/store/lease.h"
#include "lib/store/letter_internal.h"
#include "lib/store/rows.h"

#define NEVER "9223372036854775807" /* DUE_NEVER */

#define NAMED_IDS_BYTES 4096

static const struct lease_table lease_table = LEASE_TABLE("letter");

static const char *const kind_names[] = {
	[LETTER_ACKNOWLEDGEMENT] = "acknowledgement", [LETTER_LIMIT_NEAR] = "limit-near",
	[LETTER_LIMIT_REACHED] = "limit-reached",     [LETTER_SENDER_CAPPED] = "sender-capped",
	[LETTER_TROUBLE_BEGAN] = "trouble-began",     [LETTER_TROUBLE_ENDED] = "trouble-ended",
};

const char *letter_kind_name(enum letter_kind kind)
{
	return kind_names[kind];
}

static bool kind_from_name(const char *name, enum letter_kind *out)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
		if (name != NULL && strcmp(kind_names[i], name) == 0) {
			*out = (enum letter_kind)i;
			return true;
		}
	return false;
}

void letters_free(struct letter *letters, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(letters[i].recipient);
		free(letters[i].account);
		free(letters[i].sender);
		free(letters[i].msgid);
		free(letters[i].from);
		free(letters[i].subject);
		free(letters[i].reference);
		free(letters[i].named_ids);
		free(letters[i].trouble);
		free(letters[i].detail);
	}
	free(letters);
}

/* What a kind has none of is NULL or 0. */
struct letter_row {
	enum letter_kind kind;
	const char *recipient, *sender, *named_ids;
	int64_t message, count;
};

static int insert_letter(struct store *store, const struct record *record,
                         const struct letter_row *row, struct error *err)
{
	struct statement insert;
	int64_t id;

	statement_begin(&insert, store,
	                "INSERT INTO letter (id, kind, recipient, account, message, named_ids, day,"
	                " count, created_at, sender)"
	                " VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), ?6, ?7, nullif(?8, 0), ?9, ?10)"
	                " ON CONFLICT (recipient, day, kind) WHERE recipient IS NOT NULL DO NOTHING"
	                " ON CONFLICT (account, day, kind) WHERE recipient IS NULL"
	                " AND sender IS NULL AND trouble IS NULL DO NOTHING"
	                " ON CONFLICT (sender, day) WHERE sender IS NOT NULL DO NOTHING");
	bind_text(&insert, 2, kind_names[row->kind], KEPT_WORD_BYTES);
	bind_text(&insert, 3, row->recipient, KEPT_ADDRESS_BYTES);
	bind_text(&insert, 4, record->account, KEPT_NAME_BYTES);
	bind_int(&insert, 5, row->message);
	bind_text(&insert, 6, row->named_ids, NAMED_IDS_BYTES);
	bind_int(&insert, 7, record->received_at / SECONDS_A_DAY);
	bind_int(&insert, 8, row->count);
	bind_int(&insert, 9, record->received_at);
	bind_text(&insert, 10, row->sender, KEPT_ADDRESS_BYTES);
	return statement_insert(&insert, &id, err);
}

int letter_add_limit(struct store *store, const struct record *record, enum letter_kind kind,
                     int64_t count, struct error *err)
{
	const struct letter_row row = {.kind = kind, .count = count};

	return insert_letter(store, record, &row, err);
}

int letter_add_capped(struct store *store, const struct record *record, int64_t message,
                      int64_t cap, struct error *err)
{
	char sender[KEPT_ADDRESS_BYTES + 1];
	const struct letter_row row = {
		.kind = LETTER_SENDER_CAPPED, .sender = sender, .message = message, .count = cap};

	address_key(sender, record->from);
	return insert_letter(store, record, &row, err);
}

static bool is_named_before(const struct record *record, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(record->names[i], record->names[at]) == 0)
			return true;
	return false;
}

/*
 * The ids that the message names, filled from the end since the nearest come first
 * and stand last: where a far one does not fit, those beyond it are left out too.
 */
static const char *join_names(const struct record *record, char out[NAMED_IDS_BYTES + 1])
{
	char *start = out + NAMED_IDS_BYTES;

	*start = '\0';
	for (size_t i = 0; i < record->name_count && i < MATCH_IDS_MAX; i++) {
		size_t length = strlen(record->names[i]);
		bool is_last = *start == '\0';

		if (length == 0 || length > MSGID_MAX_BYTES || is_named_before(record, i))
			continue;
		if (length + !is_last > (size_t)(start - out))
			break;
		if (!is_last)
			*--start = ' ';
		start -= length;
		memcpy(start, record->names[i], length);
	}
	return *start != '\0' ? start : NULL;
}

int letter_add_acknowledgement(struct store *store, const struct record *record, int64_t message,
                               struct error *err)
{
	char recipient[KEPT_ADDRESS_BYTES + 1];
	char named_ids[NAMED_IDS_BYTES + 1];
	struct letter_row row = {
		.kind = LETTER_ACKNOWLEDGEMENT, .recipient = recipient, .message = message};

	address_key(recipient, record->acknowledged_to);
	if (recipient[0] == '\0' || record->account == NULL)
		return 0;
	row.named_ids = join_names(record, named_ids);
	return insert_letter(store, record, &row, err);
}

int letter_add_trouble(struct store *store, enum letter_kind kind, const struct trouble *trouble,
                       int64_t now, struct error *err)
{
	struct statement insert;
	int64_t id;

	statement_begin(&insert, store,
	                "INSERT INTO letter (id, kind, trouble, detail, since, day, created_at)"
	                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
	bind_text(&insert, 2, kind_names[kind], KEPT_WORD_BYTES);
	bind_text(&insert, 3, trouble->name, TROUBLE_NAME_BYTES);
	bind_text(&insert, 4, trouble->detail, KEPT_LINE_BYTES);
	bind_int(&insert, 5, trouble->since);
	bind_int(&insert, 6, now / SECONDS_A_DAY);
	bind_int(&insert, 7, now);
	return statement_insert(&insert, &id, err);
}

static int read_letter(struct statement *query, struct letter *letter, struct error *err)
{
	char *kind = column_copy(query, 1);
	bool is_known = kind_from_name(kind, &letter->kind);

	free(kind);
	letter->id = column_int(query, 0);
	letter->recipient = column_copy(query, 2);
	letter->account = column_copy(query, 3);
	letter->conversation = column_int(query, 4);
	letter->message = column_int(query, 5);
	letter->created_at = column_int(query, 6);
	letter->attempts = column_int(query, 7);
	letter->count = column_int(query, 8);
	letter->day = column_int(query, 9);
	letter->msgid = column_copy(query, 10);
	letter->from = column_copy(query, 11);
	letter->subject = column_copy(query, 12);
	letter->reference = column_copy(query, 13);
	letter->named_ids = column_copy(query, 14);
	letter->sender = column_copy(query, 15);
	letter->trouble = column_copy(query, 16);
	letter->detail = column_copy(query, 17);
	letter->since = column_int(query, 18);
	return is_known ? 0
	                : error_set(err, ERROR_CORRUPT,
	                            "cannot %s in %s: a letter has an unknown kind",
	                            query->store->doing, query->store->path);
}

static int list_free(struct store *store, int64_t now, size_t limit, struct letter **letters,
                     size_t *count, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store,
	                "SELECT l.id, l.kind, l.recipient, l.account, m.conversation, l.message,"
	                " l.created_at, l.attempts + 1, l.count, l.day, m.msgid, m.from_address,"
	                " m.subject, c.reference, l.named_ids, l.sender, l.trouble, l.detail,"
	                " l.since"
	                " FROM letter l LEFT JOIN message m ON m.id = l.message"
	                " LEFT JOIN conversation c ON c.id = m.conversation"
	                " WHERE l.state = 'open' AND l.leased_until <= ?1"
	                " ORDER BY l.leased_until, l.id LIMIT ?2");
	bind_int(&query, 1, now);
	bind_int(&query, 2, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
	while ((status = statement_step(&query, err)) > 0) {
		*letters = rows_add(*letters, count, sizeof(**letters));
		if (read_letter(&query, &(*letters)[*count - 1], err) < 0) {
			status = -1;
			break;
		}
	}
	statement_end(&query);
	return status;
}

static int take_letters(struct store *store, int64_t now, int64_t lease_s, size_t limit,
                        struct letter **letters, size_t *count, struct error *err)
{
	if (list_free(store, now, limit, letters, count, err) < 0)
		return -1;
	for (size_t i = 0; i < *count; i++)
		if (lease_take(store, &lease_table, (*letters)[i].id, now + lease_s, err) < 0)
			return -1;
	return 0;
}

int store_take_letters(struct store *store, int64_t now, int64_t lease_s, size_t limit,
                       struct letter **letters_out, size_t *count_out, int64_t deadline_ms,
                       struct error *err)
{
	int status;

	*letters_out = NULL;
	*count_out = 0;
	store->doing = "take letters";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	status = take_letters(store, now, lease_s, limit, letters_out, count_out, err);
	if (status < 0)
		transaction_rollback(store);
	else
		status = transaction_commit(store, err);
	if (status < 0) {
		letters_free(*letters_out, *count_out);
		*letters_out = NULL;
		*count_out = 0;
	}
	return status;
}

int store_end_letter(struct store *store, int64_t letter, enum letter_end end, int64_t now,
                     int64_t deadline_ms, struct error *err)
{
	store->doing = "record the end of a letter";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	if (lease_end(store, &lease_table, letter, end == LETTER_SENT, now, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

int store_retry_letter(struct store *store, int64_t letter, int64_t retry_at, bool is_untaken,
                       int64_t deadline_ms, struct error *err)
{
	struct statement update;

	store->doing = "put off a letter";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	statement_begin(&update, store,
	                "UPDATE letter SET leased_until = ?2, count = CASE"
	                " WHEN trouble IS NOT NULL AND ?3 THEN coalesce(count, 0) + 1"
	                " ELSE count END WHERE id = ?1 AND state = 'open'");
	bind_int(&update, 1, letter);
	bind_int(&update, 2, retry_at);
	bind_int(&update, 3, is_untaken);
	if (statement_run(&update, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}

int store_next_letter(struct store *store, int64_t *at_out, struct error *err)
{
	int status;

	store->doing = "look for the next letter";
	if (read_begin(store, err) < 0)
		return -1;
	status = read_number(
		store,
		"SELECT coalesce((SELECT CASE leased_until WHEN 0 THEN created_at ELSE leased_until"
		" END FROM letter WHERE state = 'open' ORDER BY leased_until, id LIMIT 1), " NEVER
		")",
		at_out, err);
	read_end(store);
	return status;
}
