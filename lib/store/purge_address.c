#include "lib/store/purge_internal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/msgid.h"

#define PAGE_ROWS   2000
#define BATCH_ROWS  200
#define CHUNK_BYTES (1 << 20)

struct search {
	struct store *store;
	const struct config *config;
	char address[KEPT_ADDRESS_BYTES + 1]; /* lower case */
	struct purge_names names;             /* of it */
	struct purged *out;
};

/* Tables that are looked through by pages of ids. */
static const char *const last_message = "SELECT max(id) FROM (SELECT id FROM message WHERE id > ?1"
					" ORDER BY id LIMIT ?2)";
static const char *const last_conversation =
	"SELECT max(id) FROM (SELECT id FROM conversation WHERE id > ?1 ORDER BY id LIMIT ?2)";
static const char *const last_failure = "SELECT max(id) FROM (SELECT id FROM failure WHERE id > ?1"
					" ORDER BY id LIMIT ?2)";
static const char *const last_letter = "SELECT max(id) FROM (SELECT id FROM letter WHERE id > ?1"
				       " ORDER BY id LIMIT ?2)";
static const char *const last_notice = "SELECT max(id) FROM (SELECT id FROM notice WHERE id > ?1"
				       " ORDER BY id LIMIT ?2)";
static const char *const last_wait = "SELECT max(id) FROM (SELECT id FROM wait WHERE id > ?1"
				     " ORDER BY id LIMIT ?2)";

/* 1 and the last id of the next page, 0 at the end, or -1. */
static int next_page(struct store *store, const char *sql, int64_t after, int64_t *last_out,
                     struct error *err)
{
	struct statement query;
	int status;

	if (store_is_stopped(store))
		return error_set(err, ERROR_TEMPORARY, "cannot %s in %s: it was told to stop",
		                 store->doing, store->path);
	statement_begin(&query, store, sql);
	bind_int(&query, 1, after);
	bind_int(&query, 2, PAGE_ROWS);
	status = statement_step(&query, err);
	*last_out = status > 0 ? column_int(&query, 0) : 0;
	statement_end(&query);
	return status < 0 ? -1 : *last_out > 0;
}

/* All that a query over the ids after ?1 up to ?2 gives for the address ?3, page by page. */
static int find_all(const struct search *search, const char *last_sql, const char *find,
                    struct id_list *out, struct error *err)
{
	int64_t after = 0, last = 0;
	int status;

	while ((status = next_page(search->store, last_sql, after, &last, err)) > 0) {
		struct statement query;

		statement_begin(&query, search->store, find);
		bind_int(&query, 1, after);
		bind_int(&query, 2, last);
		bind_text(&query, 3, search->address, KEPT_ADDRESS_BYTES);
		while ((status = statement_step(&query, err)) > 0)
			id_list_add(out, column_int(&query, 0));
		statement_end(&query);
		if (status < 0)
			break;
		after = last;
	}
	return status;
}

static int compare_ids(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void remove_doubles(struct id_list *list)
{
	size_t kept = 0;

	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare_ids);
	for (size_t i = 0; i < list->count; i++)
		if (kept == 0 || list->items[kept - 1] != list->items[i])
			list->items[kept++] = list->items[i];
	list->count = kept;
}

static int find_conversations(const struct search *search, struct id_list *out, struct error *err)
{
	if (find_all(search, last_message,
	             "SELECT DISTINCT m.conversation FROM message m WHERE m.id > ?1 AND m.id <= ?2"
	             " AND (m.from_address = ?3 COLLATE NOCASE OR EXISTS (SELECT 1 FROM recipient r"
	             " WHERE r.message = m.id AND r.address = ?3))",
	             out, err) < 0 ||
	    find_all(search, last_conversation,
	             "SELECT p.conversation FROM participant p WHERE p.conversation > ?1"
	             " AND p.conversation <= ?2 AND p.address = ?3",
	             out, err) < 0 ||
	    find_all(search, last_wait,
	             "SELECT DISTINCT w.conversation FROM wait w WHERE w.id > ?1 AND w.id <= ?2"
	             " AND (w.customer = ?3 OR w.reply_to = ?3)",
	             out, err) < 0 ||
	    find_all(search, last_failure,
	             "SELECT DISTINCT m.conversation FROM failure f JOIN message m"
	             " ON m.id = f.message WHERE f.id > ?1 AND f.id <= ?2 AND f.recipient = ?3",
	             out, err) < 0)
		return -1;
	remove_doubles(out);
	return 0;
}

/* Does anybody else from outside take part in it? Machines are nobody. 1, 0 or -1. */
static int has_others(const struct search *search, int64_t conversation, struct error *err)
{
	struct statement query;
	int status, has = 0;

	statement_begin(&query, search->store,
	                "SELECT address FROM participant WHERE conversation = ?1"
	                " UNION SELECT customer FROM wait WHERE conversation = ?1"
	                " UNION SELECT lower(from_address) FROM message WHERE conversation = ?1"
	                " AND class IN ('human', 'list') AND from_address IS NOT NULL"
	                " UNION SELECT lower(r.address) FROM message m"
	                " JOIN recipient r ON r.message = m.id WHERE m.conversation = ?1");
	bind_int(&query, 1, conversation);
	while ((status = statement_step(&query, err)) > 0 && !has) {
		char *address = column_copy(&query, 0);

		has = strcmp(address, search->address) != 0 &&
		      !config_is_inside(search->config, address) &&
		      !config_is_staff(search->config, address);
		free(address);
	}
	statement_end(&query);
	return status < 0 ? -1 : has;
}

/* What is his in a conversation that stays. */
static const char *const scrubs[] = {
	"UPDATE delivery SET client = NULL WHERE message IN (SELECT id FROM message"
	" WHERE conversation = ?1 AND direction = 'in' AND from_address = ?2 COLLATE NOCASE)",
	"UPDATE message SET from_address = NULL, from_name = NULL, text = NULL"
	" WHERE conversation = ?1 AND from_address = ?2 COLLATE NOCASE",
	"DELETE FROM recipient WHERE address = ?2"
	" AND message IN (SELECT id FROM message WHERE conversation = ?1)",
	"UPDATE failure SET recipient = '', diagnostic = NULL WHERE recipient = ?2"
	" AND message IN (SELECT id FROM message WHERE conversation = ?1)",
	"DELETE FROM participant WHERE conversation = ?1 AND address = ?2",
	"DELETE FROM wait WHERE conversation = ?1 AND customer = ?2",
	"UPDATE wait SET reply_to = NULL WHERE conversation = ?1 AND reply_to = ?2",
};

static int scrub(const struct search *search, int64_t conversation, struct error *err)
{
	struct id_list notices = {0};
	int status = purge_list_ids(search->store,
	                            "SELECT DISTINCT a.notice FROM wait w JOIN alert a"
	                            " ON a.wait = w.id WHERE w.conversation = ?1"
	                            " AND w.customer = ?2",
	                            conversation, search->address, &notices, err);

	for (size_t i = 0; i < sizeof(scrubs) / sizeof(scrubs[0]) && status == 0; i++) {
		struct statement change;

		statement_begin(&change, search->store, scrubs[i]);
		bind_int(&change, 1, conversation);
		bind_text(&change, 2, search->address, KEPT_ADDRESS_BYTES);
		status = statement_run(&change, err);
	}
	if (status == 0)
		status = purge_notices(search->store, &notices, err);
	id_list_release(&notices);
	return status;
}

/* Remove or scrub one, in as many transactions as that takes. */
static int change_conversation(const struct search *search, int64_t conversation, struct error *err)
{
	int status, others;

	do {
		struct purged sum = *search->out;
		int64_t budget = BATCH_ROWS;

		if (purge_begin(search->store, err) < 0)
			return -1;
		others = has_others(search, conversation, err);
		if (others == 0)
			status =
				purge_conversation(search->store, conversation, &budget, &sum, err);
		else
			status = others > 0 && scrub(search, conversation, err) == 0 ? 1 : -1;
		sum.scrubbed += others > 0 && status > 0;
		status = purge_end(search->store, status, err);
		if (status >= 0)
			*search->out = sum;
	} while (status == 0);
	return status < 0 ? -1 : 0;
}

static int count_conversation(const struct search *search, int64_t conversation,
                              struct id_list *gone, struct error *err)
{
	int others = has_others(search, conversation, err);
	struct id_list messages = {0};
	int status = -1;

	search->out->scrubbed += others > 0;
	if (others > 0)
		return 0;
	if (others == 0)
		status = purge_list_ids(search->store,
		                        "SELECT id FROM message WHERE conversation = ?1",
		                        conversation, NULL, &messages, err);
	search->out->conversations += status == 0;
	search->out->messages += (int64_t)messages.count;
	id_list_add(gone, conversation);
	id_list_release(&messages);
	return status;
}

/*
 * What names the address wherever it stands: how it is found, what becomes of it, and the
 * conversation that it goes with (NULL: none).
 */
struct mention {
	const char *last, *find, *change, *conversation;
};

static const struct mention mentions[] = {
	{last_message,
         "SELECT id FROM message WHERE id > ?1 AND id <= ?2"
         " AND (names_address(subject) OR names_in_id(msgid) OR owner = ?3 COLLATE NOCASE OR"
         " (coalesce(from_address, '') <> ?3 COLLATE NOCASE"
         " AND (names_address(text) OR names_address(from_name))))",
         "UPDATE message SET"
         " subject = iif(names_address(subject), '[removed]', subject),"
         " text = iif(names_address(text), NULL, text),"
         " msgid = iif(names_in_id(msgid), NULL, msgid),"
         " from_name = iif(names_address(from_name), NULL, from_name),"
         " owner = iif(owner = ?2 COLLATE NOCASE, NULL, owner) WHERE id = ?1",
         "SELECT conversation FROM message WHERE id = ?1"},
	{last_conversation,
         "SELECT id FROM conversation WHERE id > ?1 AND id <= ?2"
         " AND (names_address(subject) OR names_address(reference)"
         " OR owner = ?3 COLLATE NOCASE)",
         "UPDATE conversation SET"
         " subject = iif(names_address(subject), '[removed]', subject),"
         " reference = iif(names_address(reference), NULL, reference),"
         " owner = iif(owner = ?2 COLLATE NOCASE, NULL, owner) WHERE id = ?1",
         "SELECT ?1"},
	{last_failure,
         "SELECT id FROM failure WHERE id > ?1 AND id <= ?2"
         " AND ?3 IS NOT NULL AND names_address(diagnostic)",
         "UPDATE failure SET diagnostic = NULL WHERE id = ?1",
         "SELECT m.conversation FROM failure f JOIN message m ON m.id = f.message"
         " WHERE f.id = ?1"},
	{last_letter,
         "SELECT id FROM letter WHERE id > ?1 AND id <= ?2 AND ?3 IN (recipient, sender)",
         "DELETE FROM letter WHERE id = ?1",
         "SELECT m.conversation FROM letter l JOIN message m ON m.id = l.message"
         " WHERE l.id = ?1"},
	{last_letter,
         "SELECT id FROM letter WHERE id > ?1 AND id <= ?2"
         " AND ?3 IS NOT NULL AND (names_in_id(named_ids) OR names_address(detail))",
         "UPDATE letter SET named_ids = iif(names_in_id(named_ids), NULL, named_ids),"
         " detail = iif(names_address(detail), NULL, detail) WHERE id = ?1",
         "SELECT m.conversation FROM letter l JOIN message m ON m.id = l.message"
         " WHERE l.id = ?1"},
	{last_notice, "SELECT id FROM notice WHERE id > ?1 AND id <= ?2 AND recipient = ?3",
         "DELETE FROM notice WHERE id = ?1", NULL},
};

/* Of tables that are small. */
static const char *const small_mentions[] = {
	"UPDATE trouble SET detail = '[removed]' WHERE names_address(detail)",
	"UPDATE inbox SET error = '[removed]' WHERE names_address(error)",
	"UPDATE relay SET error = '[removed]' WHERE names_address(error)",
	"UPDATE upkeep SET error = '[removed]' WHERE names_address(error)",
	"UPDATE action_done SET done_by = '' WHERE done_by = ?1 COLLATE NOCASE",
};

static int change_mentions(const struct search *search, const struct mention *mention,
                           const struct id_list *ids, struct error *err)
{
	struct store *store = search->store;

	for (size_t i = 0; i < ids->count;) {
		size_t stop = ids->count - i > BATCH_ROWS ? i + BATCH_ROWS : ids->count;
		int status = 0;

		if (purge_begin(store, err) < 0)
			return -1;
		for (; i < stop && status == 0; i++) {
			struct statement change;

			statement_begin(&change, store, mention->change);
			bind_int(&change, 1, ids->items[i]);
			/* some remove the whole row */
			if (sqlite3_bind_parameter_count(change.raw) > 1)
				bind_text(&change, 2, search->address, KEPT_ADDRESS_BYTES);
			status = statement_run(&change, err);
		}
		if (purge_end(store, status, err) < 0)
			return -1;
	}
	search->out->mentions += (int64_t)ids->count;
	return 0;
}

static int remove_small_mentions(const struct search *search, struct error *err)
{
	int status = 0;

	if (purge_begin(search->store, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(small_mentions) / sizeof(small_mentions[0]) && status == 0;
	     i++) {
		struct statement change;

		statement_begin(&change, search->store, small_mentions[i]);
		if (sqlite3_bind_parameter_count(change.raw) > 0)
			bind_text(&change, 1, search->address, KEPT_ADDRESS_BYTES);
		status = statement_run(&change, err);
	}
	return purge_end(search->store, status, err);
}

static int remove_mentions(const struct search *search, struct error *err)
{
	for (size_t i = 0; i < sizeof(mentions) / sizeof(mentions[0]); i++) {
		const struct mention *mention = &mentions[i];
		struct id_list ids = {0};
		int status = find_all(search, mention->last, mention->find, &ids, err);

		if (status == 0)
			status = change_mentions(search, mention, &ids, err);
		id_list_release(&ids);
		if (status < 0)
			return -1;
	}
	return remove_small_mentions(search, err);
}

/* Is the conversation that a mention goes with among those?  1, 0 or -1. */
static int goes_with(struct store *store, const struct mention *mention, int64_t id,
                     const struct id_list *conversations, struct error *err)
{
	struct statement query;
	int64_t conversation = 0;
	int status;

	if (mention->conversation == NULL || conversations->count == 0)
		return 0;
	statement_begin(&query, store, mention->conversation);
	bind_int(&query, 1, id);
	status = statement_step(&query, err);
	if (status > 0)
		conversation = column_int(&query, 0);
	statement_end(&query);
	if (status <= 0)
		return status;
	return bsearch(&conversation, conversations->items, conversations->count,
	               sizeof(conversation), compare_ids) != NULL;
}

/* Those that stay when these conversations are gone. */
static int count_mentions(const struct search *search, const struct id_list *gone,
                          struct error *err)
{
	for (size_t i = 0; i < sizeof(mentions) / sizeof(mentions[0]); i++) {
		const struct mention *mention = &mentions[i];
		struct id_list ids = {0};
		int status = find_all(search, mention->last, mention->find, &ids, err);

		for (size_t j = 0; j < ids.count && status >= 0; j++) {
			status = goes_with(search->store, mention, ids.items[j], gone, err);
			search->out->mentions += status == 0;
		}
		id_list_release(&ids);
		if (status < 0)
			return -1;
	}
	return 0;
}

/*
 * Does the file itself hold the address, in parts that are in use or not? 1, 0 or -1.  It is
 * read by SQLite's own descriptor: to close another would take its locks away.
 */
static int file_holds(const struct search *search, struct error *err)
{
	size_t overlap = purge_names_overlap();
	char *bytes = xmalloc(CHUNK_BYTES);
	sqlite3_int64 size = 0, at = 0;
	sqlite3_file *file = NULL;
	int code, found = 0;

	code = sqlite3_file_control(search->store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (code == SQLITE_OK)
		code = file->pMethods->xFileSize(file, &size);
	while (code == SQLITE_OK && !found && at < size) {
		size_t length = size - at < CHUNK_BYTES ? (size_t)(size - at) : CHUNK_BYTES;

		code = file->pMethods->xRead(file, bytes, (int)length, at);
		found = code == SQLITE_OK &&
		        purge_names_stand(&search->names, bytes, length, PURGE_BYTES);
		at += (sqlite3_int64)(length == CHUNK_BYTES ? length - overlap : length);
	}
	free(bytes);
	return code == SQLITE_OK ? found : store_fail(search->store, code, err);
}

/* Pages that were rearranged keep pieces of rows where nothing stands now. */
static int rewrite(const struct search *search, struct error *err)
{
	struct store *store = search->store;
	int status;

	store->doing = "rewrite the store";
	if (store_lock(store, store_clock_ms() + PURGE_LOCK_MS, err) < 0)
		return -1;
	status = store_run(store, "VACUUM", err);
	store_unlock(store);
	if (status < 0)
		return -1;
	search->out->is_rewritten = true;
	return purge_finish(store, search->out, err);
}

static int remove_all(const struct search *search, const struct id_list *conversations,
                      struct error *err)
{
	int found;

	for (size_t i = 0; i < conversations->count; i++)
		if (change_conversation(search, conversations->items[i], err) < 0)
			return -1;
	if (remove_mentions(search, err) < 0 || purge_ids(search->store, err) < 0 ||
	    purge_finish(search->store, search->out, err) < 0)
		return -1;
	found = file_holds(search, err);
	if (found > 0)
		found = rewrite(search, err);
	return found < 0 ? -1 : 0;
}

/* What remove_all() would do. */
static int count_all(const struct search *search, const struct id_list *conversations,
                     struct error *err)
{
	struct id_list gone = {0};
	int status = 0;

	for (size_t i = 0; i < conversations->count && status == 0; i++)
		status = count_conversation(search, conversations->items[i], &gone, err);
	if (status == 0)
		status = count_mentions(search, &gone, err);
	id_list_release(&gone);
	return status;
}

int store_purge_address(struct store *store, const struct config *config, const char *address,
                        bool is_trial, struct purged *out, struct error *err)
{
	struct search search = {.store = store, .config = config, .out = out};
	struct id_list conversations = {0};
	struct error ignored;
	int status = -1;

	*out = (struct purged){0};
	address_key(search.address, address);
	purge_names_set(&search.names, search.address);
	store->doing = "purge";
	if (search.address[0] == '\0')
		return error_set(err, ERROR_PERMANENT, "cannot purge an empty address");
	if (purge_names_begin(store, &search.names, err) == 0 &&
	    (is_trial || store_run(store, "PRAGMA secure_delete = ON", err) == 0))
		status = find_conversations(&search, &conversations, err);
	if (status == 0)
		status = is_trial ? count_all(&search, &conversations, err)
		                  : remove_all(&search, &conversations, err);
	id_list_release(&conversations);
	/* What it looks for ends here. */
	if (purge_names_begin(store, NULL, &ignored) < 0 && status == 0)
		status = error_set(err, ERROR_TEMPORARY, "%s", ignored.text);
	return status;
}
