#include "lib/store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/memory.h"
#include "lib/store/database.h"
#include "lib/store/schema.h"

/* Which file is to blame cannot be told by its code: name the new one, and let the cause speak. */
static int fail(struct store *store, const char *path, int code, struct error *err)
{
	struct error cause;
	const char *text;

	store_fail(store, code, &cause);
	if (cause.kind == ERROR_FULL)
		return error_set(err, ERROR_FULL, "cannot write %s: disk is full", path);
	text = (sqlite3_errcode(store->db) & 0xff) == (code & 0xff) ? sqlite3_errmsg(store->db)
	                                                            : sqlite3_errstr(code);
	if ((code & 0xff) == SQLITE_INTERRUPT)
		text = "it was told to stop";
	return error_set(err, cause.kind, "cannot %s: %s to %s: %s", store->doing, store->path,
	                 path, text);
}

static int fail_errno(const char *path, int number, struct error *err)
{
	if (number == ENOSPC || number == EDQUOT)
		return error_set(err, ERROR_FULL, "cannot write %s: disk is full", path);
	return error_set(err, number == EIO ? ERROR_TEMPORARY : ERROR_CONFIG, "cannot write %s: %s",
	                 path, strerror(number));
}

static int vacuum_into(struct store *store, const char *path, struct error *err)
{
	sqlite3_stmt *raw = NULL;
	int code;

	errno = 0;
	code = sqlite3_prepare_v2(store->db, "VACUUM INTO ?1", -1, &raw, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(raw, 1, path, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(raw);
	if (code != SQLITE_DONE)
		fail(store, path, code, err);
	sqlite3_finalize(raw);
	return code == SQLITE_DONE ? 0 : -1;
}

/* What reads only may still write elsewhere. */
static int fill(struct store *store, const char *path, struct error *err)
{
	int64_t deadline_ms = store->deadline_ms;
	int status;

	if (store->mode == STORE_READ && store_run(store, "PRAGMA query_only = OFF", err) < 0)
		return -1;
	store->deadline_ms = 0;
	status = vacuum_into(store, path, err);
	store->deadline_ms = deadline_ms;
	if (store->mode == STORE_READ && store_run(store, "PRAGMA query_only = ON", NULL) < 0)
		return error_set(err, ERROR_CORRUPT, "cannot %s: %s takes no order", store->doing,
		                 store->path);
	return status;
}

static int check_text(struct store *copy, struct error *err)
{
	struct statement check;
	char *said = NULL;
	int status;

	statement_begin(&check, copy, "PRAGMA integrity_check(1)");
	status = statement_step(&check, err);
	if (status > 0)
		said = column_copy(&check, 0);
	statement_end(&check);
	for (char *c = said; c != NULL && *c != '\0'; c++)
		*c = *c == '\n' ? ' ' : *c;
	if (status >= 0 && (said == NULL || strcmp(said, "ok") != 0))
		status = error_set(err, ERROR_CORRUPT, "the copy %s is damaged: %s", copy->path,
		                   said != NULL ? said : "it says nothing");
	free(said);
	return status < 0 ? -1 : 0;
}

static int check(struct store *store, const char *path, struct error *err)
{
	/* Not one that keeps statements. */
	struct store copy = {.path = (char *)path, .mode = STORE_READ, .doing = "check the copy"};
	int code, version, copied, status = -1;

	/* Of a file that may only be read SQLite does not look at what a CHECK says. */
	code = sqlite3_open_v2(path, &copy.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		store_fail(&copy, code, err);
	else if (check_text(&copy, err) == 0 && schema_check_owner(&copy, err) == 0 &&
	         schema_version(store, &version, err) == 0 &&
	         schema_version(&copy, &copied, err) == 0)
		status = version == copied ? 0
		                           : error_set(err, ERROR_CORRUPT,
		                                       "the copy %s has the schema %d, not %d",
		                                       path, copied, version);
	sqlite3_close(copy.db);
	return status;
}

/* What changes with every message. A heap string, or NULL. */
static char *state_of(struct store *store)
{
	struct statement query;
	struct error ignored;
	char *state = NULL;

	statement_begin(
		&query, store,
		"SELECT printf('%d %d %d', (SELECT count(*) FROM message),"
		" (SELECT max(id) FROM message), (SELECT max(updated_at) FROM conversation))");
	if (statement_step(&query, &ignored) > 0)
		state = column_copy(&query, 0);
	statement_end(&query);
	return state;
}

bool copy_is_current(struct store *store, const char *path)
{
	struct store copy = {.path = (char *)path, .mode = STORE_READ, .doing = "check the copy"};
	char *now = NULL, *then = NULL;
	struct error ignored;
	bool is_current;

	if (access(path, F_OK) == 0 && check(store, path, &ignored) == 0 &&
	    sqlite3_open_v2(path, &copy.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
	            SQLITE_OK) {
		now = state_of(store);
		then = state_of(&copy);
	}
	is_current = now != NULL && then != NULL && strcmp(now, then) == 0;
	sqlite3_close(copy.db);
	free(now);
	free(then);
	return is_current;
}

int copy_sync_directory(const char *path)
{
	char *copy = xstrdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);
	int number = errno;

	if (fd >= 0)
		close(fd);
	free(copy);
	errno = number;
	return rc;
}

static void remove_copy(const char *path)
{
	char *journal = xasprintf("%s-journal", path);

	unlink(path);
	unlink(journal);
	free(journal);
}

int copy_make(struct store *store, const char *path, mode_t mode, struct error *err)
{
	int fd = file_create(path);
	int status = -1;

	if (fd < 0)
		return fail_errno(path, errno, err);
	if (fchmod(fd, mode) < 0)
		fail_errno(path, errno, err);
	else if (fill(store, path, err) == 0 && check(store, path, err) == 0)
		status = fsync(fd) == 0 ? 0 : fail_errno(path, errno, err);
	/* Only now: the locks of whoever has it open would go with it. */
	close(fd);
	if (status < 0)
		remove_copy(path);
	return status;
}

int copy_make_whole(struct store *store, const char *path, mode_t mode, struct error *err)
{
	char *temporary = xasprintf("%s.tmp", path);
	int status;

	remove_copy(temporary);
	status = copy_make(store, temporary, mode, err);
	if (status == 0 && (rename(temporary, path) < 0 || copy_sync_directory(path) < 0)) {
		status = fail_errno(path, errno, err);
		remove_copy(temporary);
	}
	free(temporary);
	return status;
}
