#include "lib/store/database.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/base/memory.h"

#define ID_TRIES_MAX 1000

static void remember(struct statement *statement, int code)
{
	if (statement->code == SQLITE_OK)
		statement->code = code;
}

static sqlite3_stmt *find_kept(const struct store *store, const char *sql)
{
	for (size_t i = 0; i < store->kept_count; i++)
		if (store->kept[i].sql == sql)
			return store->kept[i].raw;
	return NULL;
}

void statement_begin(struct statement *statement, struct store *store, const char *sql)
{
	bool may_keep = store->mode == STORE_WRITE;

	memset(statement, 0, sizeof(*statement));
	statement->store = store;
	statement->raw = may_keep ? find_kept(store, sql) : NULL;
	if (statement->raw != NULL) {
		statement->is_kept = true;
		return;
	}
	remember(statement,
	         sqlite3_prepare_v3(store->db, sql, -1, may_keep ? SQLITE_PREPARE_PERSISTENT : 0,
	                            &statement->raw, NULL));
	if (statement->code == SQLITE_OK && may_keep && store->kept_count < STATEMENTS_KEPT_MAX) {
		store->kept[store->kept_count].sql = sql;
		store->kept[store->kept_count++].raw = statement->raw;
		statement->is_kept = true;
	}
}

void bind_int(struct statement *statement, int at, int64_t value)
{
	if (statement->code == SQLITE_OK)
		remember(statement, sqlite3_bind_int64(statement->raw, at, value));
}

void bind_text(struct statement *statement, int at, const char *text, size_t max_bytes)
{
	size_t length;

	if (statement->code != SQLITE_OK)
		return;
	if (text == NULL) {
		remember(statement, sqlite3_bind_null(statement->raw, at));
		return;
	}
	length = strnlen(text, max_bytes);
	if (text[length] != '\0')
		while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	remember(statement,
	         sqlite3_bind_text(statement->raw, at, text, (int)length, SQLITE_STATIC));
}

void bind_bytes(struct statement *statement, int at, const void *bytes, size_t length)
{
	if (statement->code == SQLITE_OK)
		remember(statement,
		         sqlite3_bind_blob(statement->raw, at, bytes, (int)length, SQLITE_STATIC));
}

int statement_step(struct statement *statement, struct error *err)
{
	int code = statement->code;

	errno = 0; /* for the text of a failure */
	if (code == SQLITE_OK)
		code = sqlite3_step(statement->raw);
	if (code == SQLITE_ROW)
		return 1;
	if (code == SQLITE_DONE)
		return 0;
	remember(statement, code);
	return store_fail(statement->store, code, err);
}

void statement_reset(struct statement *statement)
{
	if (statement->raw == NULL)
		return;
	sqlite3_reset(statement->raw); /* repeats the code of the step, which was reported */
	sqlite3_clear_bindings(statement->raw);
}

void statement_end(struct statement *statement)
{
	if (statement->is_kept)
		statement_reset(statement);
	else
		sqlite3_finalize(statement->raw);
	statement->raw = NULL;
}

int statement_run(struct statement *statement, struct error *err)
{
	int status;

	do
		status = statement_step(statement, err);
	while (status > 0);
	statement_end(statement);
	return status;
}

static int64_t wall_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int statement_insert(struct statement *statement, int64_t *id_out, struct error *err)
{
	int code = statement->code;

	for (unsigned i = 0; i < ID_TRIES_MAX && statement->code == SQLITE_OK; i++) {
		*id_out = store_new_id(statement->store, wall_clock_ms());
		code = sqlite3_bind_int64(statement->raw, 1, *id_out);
		if (code != SQLITE_OK)
			break;
		errno = 0;
		code = sqlite3_step(statement->raw);
		if (code != SQLITE_CONSTRAINT_PRIMARYKEY)
			break;
		sqlite3_reset(statement->raw);
	}
	if (code != SQLITE_DONE)
		store_fail(statement->store, code, err);
	statement_end(statement);
	return code == SQLITE_DONE ? 0 : -1;
}

int64_t column_int(struct statement *statement, int column)
{
	return sqlite3_column_int64(statement->raw, column);
}

char *column_copy(struct statement *statement, int column)
{
	return xstrdup((const char *)sqlite3_column_text(statement->raw, column));
}

int read_number(struct store *store, const char *sql, int64_t *out, struct error *err)
{
	struct statement query;
	int status;

	statement_begin(&query, store, sql);
	status = statement_step(&query, err);
	*out = status > 0 ? column_int(&query, 0) : 0;
	statement_end(&query);
	return status < 0 ? -1 : 0;
}

void address_key(char out[KEPT_ADDRESS_BYTES + 1], const char *address)
{
	size_t length = 0;

	for (; address != NULL && address[length] != '\0' && length < KEPT_ADDRESS_BYTES;
	     length++) {
		char c = address[length];
		out[length] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out[length] = '\0';
}
