#include "lib/store/database.h"

#include <errno.h>
#include <string.h>

static enum error_kind kind_of_errno(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return ERROR_FULL;
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case EACCES:
	case EPERM:
	case EROFS:
	case ENAMETOOLONG:
		return ERROR_CONFIG;
	default:
		return ERROR_TEMPORARY;
	}
}

int store_fail_errno(struct store *store, int number, struct error *err)
{
	return error_set(err, kind_of_errno(number), "cannot %s in %s: %s", store->doing,
	                 store->path, strerror(number));
}

/* SQLite forgets the errno of a commit that failed; it is the last that was set. */
static int system_errno(struct store *store)
{
	return errno != 0 ? errno : sqlite3_system_errno(store->db);
}

static bool is_disk_full(struct store *store, int code)
{
	int number;

	if ((code & 0xff) == SQLITE_FULL)
		return true;
	if ((code & 0xff) != SQLITE_IOERR && (code & 0xff) != SQLITE_CANTOPEN)
		return false;
	number = system_errno(store);
	return number == ENOSPC || number == EDQUOT;
}

static enum error_kind kind_of_code(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PROTOCOL:
	case SQLITE_INTERRUPT:
	case SQLITE_ABORT:
	case SQLITE_SCHEMA:
	case SQLITE_NOMEM:
	case SQLITE_PERM:
	case SQLITE_NOLFS:
		return ERROR_TEMPORARY;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
		return ERROR_PERMANENT;
	default:
		/* CORRUPT, NOTADB, and ERROR: a table or column that is not there */
		return ERROR_CORRUPT;
	}
}

int store_fail(struct store *store, int code, struct error *err)
{
	const char *cause = sqlite3_errmsg(store->db);

	if (is_disk_full(store, code))
		return error_set(err, ERROR_FULL, "cannot %s in %s: disk is full", store->doing,
		                 store->path);
	if ((sqlite3_errcode(store->db) & 0xff) != (code & 0xff))
		cause = sqlite3_errstr(code);
	if ((code & 0xff) == SQLITE_INTERRUPT)
		cause = "it took longer than its deadline";
	if (((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) &&
	    system_errno(store) != 0)
		return error_set(err, kind_of_code(code), "cannot %s in %s: %s: %s", store->doing,
		                 store->path, cause, strerror(system_errno(store)));
	return error_set(err, kind_of_code(code), "cannot %s in %s: %s", store->doing, store->path,
	                 cause);
}

int store_run(struct store *store, const char *sql, struct error *err)
{
	int code;

	errno = 0;
	code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : store_fail(store, code, err);
}

int transaction_begin(struct store *store, int64_t deadline_ms, struct error *err)
{
	if (store_lock(store, deadline_ms, err) < 0) {
		/* what was right when the store was opened may become right again */
		if (err != NULL && err->kind == ERROR_CONFIG)
			err->kind = ERROR_TEMPORARY;
		return -1;
	}
	if (!store_is_current(store)) {
		store_unlock(store);
		return error_set(err, ERROR_TEMPORARY,
		                 "cannot %s in %s: the file was removed or replaced", store->doing,
		                 store->path);
	}
	if (store_run(store, "BEGIN IMMEDIATE", err) < 0) {
		store_unlock(store);
		return -1;
	}
	return 0;
}

int transaction_commit(struct store *store, struct error *err)
{
	if (store_run(store, "COMMIT", err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	store_unlock(store);
	return 0;
}

void transaction_rollback(struct store *store)
{
	/* SQLite itself rolls back after some errors; after the others this cannot fail */
	if (!sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	store_unlock(store);
}

int read_begin(struct store *store, struct error *err)
{
	if (store_run(store, "BEGIN", err) < 0)
		return -1;
	store->read_deadline_ms = store_clock_ms() + READ_MAX_MS;
	return 0;
}

void read_end(struct store *store)
{
	store->read_deadline_ms = 0;
	if (!sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}
