#include "lib/store/query.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buffer.h"
#include "lib/base/digest.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/store/database.h"
#include "lib/store/rows.h"

#define LISTED_RECIPIENTS "200" /* of one message: a newsletter has thousands */

/* ?1 is the account or NULL, ?2 the limit; or ?1 the id. */
#define CONVERSATION_COLUMNS                                                                       \
	"SELECT c.id, c.created_at, c.updated_at, c.subject, c.reference, c.owner, c.account,"     \
	" c.state = 'closed', c.is_owner_pinned, c.reference_type, c.snoozed_until,"               \
	" c.continues,"                                                                            \
	" (SELECT count(*) FROM message m WHERE m.conversation = c.id),"                           \
	" (SELECT count(*) FROM wait w WHERE w.conversation = c.id AND w.ended_at IS NULL"         \
	" AND c.state = 'open'),"                                                                  \
	" (SELECT min(started_at) FROM wait w WHERE w.conversation = c.id"                         \
	" AND w.ended_at IS NULL AND c.state = 'open')"

static void read_conversation(struct statement *query, struct conversation_row *row)
{
	row->id = column_int(query, 0);
	row->created_at = column_int(query, 1);
	row->updated_at = column_int(query, 2);
	row->subject = column_copy(query, 3);
	row->reference = column_copy(query, 4);
	row->owner = column_copy(query, 5);
	row->account = column_copy(query, 6);
	row->is_closed = column_int(query, 7) != 0;
	row->is_owner_pinned = column_int(query, 8) != 0;
	row->reference_type = column_copy(query, 9);
	row->snoozed_until = column_int(query, 10);
	row->continues = column_int(query, 11);
	row->message_count = column_int(query, 12);
	row->waiting_count = column_int(query, 13);
	row->waiting_since = column_int(query, 14);
}

int store_list_conversations(struct store *store, const struct conversation_filter *filter,
                             struct conversation_row **rows_out, size_t *count_out,
                             struct error *err)
{
	/* The first running wait of a conversation stands for it; an index has them in order. */
	static const char by_wait[] = CONVERSATION_COLUMNS
		" FROM wait f JOIN conversation c ON c.id = f.conversation"
		" WHERE f.ended_at IS NULL AND c.state = 'open' AND (?1 IS NULL OR c.account = ?1)"
		" AND NOT EXISTS (SELECT 1 FROM wait w WHERE w.conversation = f.conversation"
		" AND w.ended_at IS NULL AND (w.started_at, w.id) < (f.started_at, f.id))"
		" ORDER BY f.started_at, f.id LIMIT ?2";
	static const char by_activity[] =
		CONVERSATION_COLUMNS " FROM conversation c WHERE ?1 IS NULL OR c.account = ?1"
				     " ORDER BY c.updated_at DESC, c.id DESC LIMIT ?2";
	struct statement query;
	int status;

	*rows_out = NULL;
	*count_out = 0;
	store->doing = "list conversations";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store, filter->is_waiting ? by_wait : by_activity);
	bind_text(&query, 1, filter->account, KEPT_NAME_BYTES);
	bind_int(&query, 2, filter->limit > INT32_MAX ? INT32_MAX : (int64_t)filter->limit);
	while ((status = statement_step(&query, err)) > 0) {
		*rows_out = rows_add(*rows_out, count_out, sizeof(**rows_out));
		read_conversation(&query, &(*rows_out)[*count_out - 1]);
	}
	statement_end(&query);
	read_end(store);
	if (status < 0) {
		conversation_rows_free(*rows_out, *count_out);
		*rows_out = NULL;
		*count_out = 0;
	}
	return status;
}

int store_get_conversation(struct store *store, int64_t id, struct conversation_row *row_out,
                           struct error *err)
{
	struct statement query;
	int status;

	memset(row_out, 0, sizeof(*row_out));
	store->doing = "read a conversation";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store, CONVERSATION_COLUMNS " FROM conversation c WHERE c.id = ?1");
	bind_int(&query, 1, id);
	status = statement_step(&query, err);
	if (status > 0)
		read_conversation(&query, row_out);
	statement_end(&query);
	read_end(store);
	return status;
}

/* The ids that a query with ?1 (and ?2, ?3) gives, at most limit being its own affair. */
static int list_ids(struct store *store, const char *sql, const int64_t *values, size_t value_count,
                    int64_t **ids_out, size_t *count_out, struct error *err)
{
	struct statement query;
	int status;

	*ids_out = NULL;
	*count_out = 0;
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store, sql);
	for (size_t i = 0; i < value_count; i++)
		bind_int(&query, (int)i + 1, values[i]);
	while ((status = statement_step(&query, err)) > 0) {
		*ids_out = rows_add(*ids_out, count_out, sizeof(**ids_out));
		(*ids_out)[*count_out - 1] = column_int(&query, 0);
	}
	statement_end(&query);
	read_end(store);
	if (status < 0) {
		free(*ids_out);
		*ids_out = NULL;
		*count_out = 0;
	}
	return status;
}

/*
 * The first and the last id whose formatted form begins with the prefix.  An
 * id has 63 bits, its form 65: the first character is at most 7.
 */
static bool prefix_range(const char *prefix, int64_t *first_out, int64_t *last_out)
{
	size_t length = strlen(prefix);
	uint64_t first = 0, last = 0;

	if (length > CONVERSATION_ID_LENGTH)
		return false;
	for (size_t i = 0; i < CONVERSATION_ID_LENGTH; i++) {
		int most = i == 0 ? 7 : 31;
		int value = i < length ? base32_value(prefix[i]) : 0;

		if (value < 0 || value > most)
			return false;
		first = first << 5 | (unsigned)value;
		last = last << 5 | (unsigned)(i < length ? value : most);
	}
	*first_out = (int64_t)first;
	*last_out = (int64_t)last;
	return true;
}

int store_find_by_prefix(struct store *store, const char *prefix, size_t limit, int64_t **ids_out,
                         size_t *count_out, struct error *err)
{
	int64_t values[3];

	*ids_out = NULL;
	*count_out = 0;
	if (!prefix_range(prefix, &values[0], &values[1]))
		return 0;
	values[2] = limit > INT32_MAX ? INT32_MAX : (int64_t)limit;
	store->doing = "look up a conversation";
	return list_ids(store,
	                "SELECT id FROM conversation WHERE id BETWEEN ?1 AND ?2"
	                " ORDER BY id DESC LIMIT ?3",
	                values, 3, ids_out, count_out, err);
}

int store_list_continued(struct store *store, int64_t conversation, int64_t **ids_out,
                         size_t *count_out, struct error *err)
{
	store->doing = "list what continues a conversation";
	return list_ids(store, "SELECT id FROM conversation WHERE continues = ?1 ORDER BY id",
	                &conversation, 1, ids_out, count_out, err);
}

int store_list_related(struct store *store, int64_t conversation, int64_t **ids_out,
                       size_t *count_out, struct error *err)
{
	store->doing = "list related conversations";
	return list_ids(store,
	                "SELECT other FROM relation WHERE conversation = ?1"
	                " UNION SELECT conversation FROM relation WHERE other = ?1 ORDER BY 1",
	                &conversation, 1, ids_out, count_out, err);
}

static void read_message(struct statement *query, struct message_row *row)
{
	row->id = column_int(query, 0);
	row->received_at = column_int(query, 1);
	row->direction = column_copy(query, 2);
	row->class = column_copy(query, 3);
	row->rule = column_copy(query, 4);
	row->match = column_copy(query, 5);
	row->msgid = column_copy(query, 6);
	row->from = column_copy(query, 7);
	row->subject = column_copy(query, 8);
	row->account = column_copy(query, 9);
	row->auth = column_copy(query, 10);
	row->text = column_copy(query, 11);
	row->is_known_sender = column_int(query, 12) != 0;
	row->related = column_int(query, 13);
}

/* Add to the list what the columns of each row give, those that are not there left out. */
static int add_lines(struct statement *query, int64_t message, int column_count,
                     struct string_list *list, struct error *err)
{
	int status;

	bind_int(query, 1, message);
	while ((status = statement_step(query, err)) > 0) {
		struct buffer line;

		buffer_init(&line, 4096);
		for (int i = 0; i < column_count; i++) {
			char *word = column_copy(query, i);

			if (word != NULL && word[0] != '\0') {
				if (line.length > 0)
					buffer_append_char(&line, ' ');
				buffer_append_cut(&line, word, strlen(word));
			}
			free(word);
		}
		string_list_take(list, buffer_take(&line));
	}
	statement_reset(query);
	return status;
}

struct message_details {
	struct statement recipients, failures, deliveries, bounced;
};

static void begin_details(struct message_details *details, struct store *store)
{
	statement_begin(&details->recipients, store,
	                "SELECT address FROM recipient WHERE message = ?1"
	                " ORDER BY address LIMIT " LISTED_RECIPIENTS);
	statement_begin(&details->failures, store,
	                "SELECT recipient, action, status, diagnostic FROM failure"
	                " WHERE message = ?1 ORDER BY id");
	statement_begin(&details->deliveries, store,
	                "SELECT arrival, coalesce(queue_id, '-'),"
	                " strftime('%Y-%m-%dT%H:%M:%SZ', received_at, 'unixepoch') FROM delivery"
	                " WHERE message = ?1 ORDER BY id");
	statement_begin(&details->bounced, store,
	                "SELECT 1 FROM failure WHERE message = ?1 AND action = 'failed' LIMIT 1");
}

static void end_details(struct message_details *details)
{
	statement_end(&details->recipients);
	statement_end(&details->failures);
	statement_end(&details->deliveries);
	statement_end(&details->bounced);
}

static int read_details(struct message_details *details, struct message_row *row, struct error *err)
{
	int status;

	if (add_lines(&details->recipients, row->id, 1, &row->recipients, err) < 0 ||
	    add_lines(&details->failures, row->id, 4, &row->failures, err) < 0 ||
	    add_lines(&details->deliveries, row->id, 3, &row->deliveries, err) < 0)
		return -1;
	bind_int(&details->bounced, 1, row->id);
	status = statement_step(&details->bounced, err);
	statement_reset(&details->bounced);
	row->is_bounced = status > 0;
	return status < 0 ? -1 : 0;
}

static int list_messages(struct store *store, int64_t conversation, struct message_row **rows_out,
                         size_t *count_out, struct error *err)
{
	struct message_details details;
	struct statement query;
	int status;

	statement_begin(
		&query, store,
		"SELECT * FROM (SELECT id, received_at, direction, class, rule, match, msgid,"
		" from_address, subject, account, auth, text, is_known_sender, related"
		" FROM message WHERE conversation = ?1"
		" ORDER BY received_at DESC, id DESC LIMIT ?2) ORDER BY received_at, id");
	bind_int(&query, 1, conversation);
	bind_int(&query, 2, LISTED_MESSAGES_MAX);
	begin_details(&details, store);
	while ((status = statement_step(&query, err)) > 0) {
		*rows_out = rows_add(*rows_out, count_out, sizeof(**rows_out));
		read_message(&query, &(*rows_out)[*count_out - 1]);
		if (read_details(&details, &(*rows_out)[*count_out - 1], err) < 0) {
			status = -1;
			break;
		}
	}
	end_details(&details);
	statement_end(&query);
	return status;
}

int store_list_messages(struct store *store, int64_t conversation, struct message_row **rows_out,
                        size_t *count_out, struct error *err)
{
	int status;

	*rows_out = NULL;
	*count_out = 0;
	store->doing = "list messages";
	if (read_begin(store, err) < 0)
		return -1;
	status = list_messages(store, conversation, rows_out, count_out, err);
	read_end(store);
	if (status < 0) {
		message_rows_free(*rows_out, *count_out);
		*rows_out = NULL;
		*count_out = 0;
	}
	return status;
}

int store_list_waits(struct store *store, int64_t conversation, struct wait_row **rows_out,
                     size_t *count_out, struct error *err)
{
	struct statement query;
	int status;

	*rows_out = NULL;
	*count_out = 0;
	store->doing = "list waits";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT id, conversation, customer, started_at, ended_at, started_by,"
	                " ended_by, end_reason, coalesce(wall_s, -1), coalesce(business_s, -1)"
	                " FROM wait WHERE conversation = ?1 ORDER BY started_at, id");
	bind_int(&query, 1, conversation);
	while ((status = statement_step(&query, err)) > 0) {
		struct wait_row *row;

		*rows_out = rows_add(*rows_out, count_out, sizeof(**rows_out));
		row = &(*rows_out)[*count_out - 1];
		row->id = column_int(&query, 0);
		row->conversation = column_int(&query, 1);
		row->customer = column_copy(&query, 2);
		row->started_at = column_int(&query, 3);
		row->ended_at = column_int(&query, 4);
		row->started_by = column_int(&query, 5);
		row->ended_by = column_int(&query, 6);
		row->end_reason = column_copy(&query, 7);
		row->wall_s = column_int(&query, 8);
		row->business_s = column_int(&query, 9);
	}
	statement_end(&query);
	read_end(store);
	if (status < 0) {
		wait_rows_free(*rows_out, *count_out);
		*rows_out = NULL;
		*count_out = 0;
	}
	return status;
}

int store_list_participants(struct store *store, int64_t conversation, struct string_list *out,
                            struct error *err)
{
	struct statement query;
	int status;

	memset(out, 0, sizeof(*out));
	store->doing = "list participants";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT address FROM participant WHERE conversation = ?1 ORDER BY address");
	bind_int(&query, 1, conversation);
	while ((status = statement_step(&query, err)) > 0)
		string_list_take(out, column_copy(&query, 0));
	statement_end(&query);
	read_end(store);
	if (status < 0)
		string_list_release(out);
	return status;
}

void conversation_row_release(struct conversation_row *row)
{
	free(row->subject);
	free(row->reference);
	free(row->owner);
	free(row->account);
	free(row->reference_type);
	memset(row, 0, sizeof(*row));
}

void conversation_rows_free(struct conversation_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		conversation_row_release(&rows[i]);
	free(rows);
}

void message_rows_free(struct message_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct message_row *row = &rows[i];

		free(row->direction);
		free(row->class);
		free(row->rule);
		free(row->match);
		free(row->msgid);
		free(row->from);
		free(row->subject);
		free(row->account);
		free(row->auth);
		free(row->text);
		string_list_release(&row->recipients);
		string_list_release(&row->failures);
		string_list_release(&row->deliveries);
	}
	free(rows);
}

void wait_rows_free(struct wait_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(rows[i].customer);
		free(rows[i].end_reason);
	}
	free(rows);
}
