#include "lib/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/memory.h"
#include "lib/store/copy.h"
#include "lib/store/database.h"
#include "lib/store/schema.h"

#define OPEN_LOCK_MS       1000
#define CHECKPOINT_LOCK_MS 10
#define BUSY_TIMEOUT_MS    250 /* the write lock is the queue, this is for other programs */
#define PROGRESS_STEPS     1000
#define EMPTY_RETRY_NS     10000000

#define WAL_HEADER_BYTES       32
#define WAL_FRAME_HEADER_BYTES 24

#define ID_MS_MAX       ((INT64_C(1) << 42) - 1)
#define ID_NODE         0
#define ID_NODE_BITS    6
#define ID_COUNTER_BITS 15
#define ID_COUNTER_MAX  ((1u << ID_COUNTER_BITS) - 1)

int64_t store_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int stop_when_late(void *context)
{
	const struct store *store = context;
	int64_t now;

	if (store_is_stopped(store))
		return 1;
	if (store->deadline_ms == 0 && store->read_deadline_ms == 0)
		return 0;
	now = store_clock_ms();
	return (store->deadline_ms != 0 && now >= store->deadline_ms) ||
	       (store->read_deadline_ms != 0 && now >= store->read_deadline_ms);
}

static int remember_wal_pages(void *context, sqlite3 *db, const char *name, int pages)
{
	struct store *store = context;

	(void)db;
	(void)name;
	store->wal_pages = pages;
	return SQLITE_OK;
}

static int connect_file(struct store *store, struct error *err)
{
	/* Where writing is not allowed READWRITE falls back to reading by itself. */
	int code = sqlite3_open_v2(
		store->path, &store->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
	if (code != SQLITE_OK)
		return store_fail(store, code, err);
	sqlite3_extended_result_codes(store->db, 1);
	if ((code = sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS)) != SQLITE_OK ||
	    (code = sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL)) !=
	            SQLITE_OK ||
	    (code = sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL)) != SQLITE_OK)
		return store_fail(store, code, err);
	sqlite3_progress_handler(store->db, PROGRESS_STEPS, stop_when_late, store);
	return store_run(store,
	                 "PRAGMA foreign_keys = ON;"
	                 "PRAGMA trusted_schema = OFF;"
	                 "PRAGMA cell_size_check = ON;"
	                 "PRAGMA synchronous = FULL;"
	                 "PRAGMA wal_autocheckpoint = 0;",
	                 err);
}

static int choose_wal(struct store *store, struct error *err)
{
	struct statement pragma;
	char *mode = NULL;
	int status;

	statement_begin(&pragma, store, "PRAGMA journal_mode = WAL");
	status = statement_step(&pragma, err);
	if (status > 0)
		mode = column_copy(&pragma, 0);
	statement_end(&pragma);
	if (status >= 0 && (mode == NULL || strcmp(mode, "wal") != 0))
		status = error_set(err, ERROR_CONFIG,
		                   "cannot %s in %s: its file system does not allow WAL mode",
		                   store->doing, store->path);
	free(mode);
	return status < 0 ? -1 : 0;
}

static int64_t wal_pages_on_disk(const struct store *store)
{
	int64_t bytes = file_bytes(store->wal_path);

	return bytes <= WAL_HEADER_BYTES
	               ? 0
	               : (bytes - WAL_HEADER_BYTES) / (store->page_bytes + WAL_FRAME_HEADER_BYTES);
}

/* The first read has been made, so that the WAL is there too. */
static int remember_files(struct store *store, struct error *err)
{
	int has_moved = 0;

	store->file = file_identify(store->path);
	store->wal = file_identify(store->wal_path);
	sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
	if (has_moved || store->file.inode == 0)
		return error_set(err, ERROR_TEMPORARY,
		                 "cannot %s in %s: the file was removed or replaced", store->doing,
		                 store->path);
	return 0;
}

static int finish_open(struct store *store, struct error *err)
{
	if (read_number(store, "PRAGMA page_size", &store->page_bytes, err) < 0 ||
	    remember_files(store, err) < 0)
		return -1;
	store->wal_pages = wal_pages_on_disk(store);
	sqlite3_wal_hook(store->db, remember_wal_pages, store);
	return 0;
}

static int open_to_read(struct store *store, struct error *err)
{
	if (access(store->path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, ERROR_TEMPORARY, "cannot %s in %s: there is no such file",
		                 store->doing, store->path);
	if (connect_file(store, err) < 0 || store_run(store, "PRAGMA query_only = ON", err) < 0 ||
	    schema_check(store, err) < 0)
		return -1;
	return finish_open(store, err);
}

#define COPIES_MAX 100

/* A copy that was there already, of another time, gets another name. */
static int put_aside(const char *path, struct error *err)
{
	for (int i = 1; i < COPIES_MAX; i++) {
		char *aside = xasprintf("%s.%d", path, i);
		int rc = access(aside, F_OK) == 0 ? 1 : rename(path, aside);

		free(aside);
		if (rc <= 0)
			return rc == 0 ? 0
			               : error_set(err, ERROR_CONFIG, "cannot rename %s: %s", path,
			                           strerror(errno));
	}
	return error_set(err, ERROR_CONFIG, "there are %d copies called %s: remove some",
	                 COPIES_MAX, path);
}

/* An older store is copied before anything of it is changed. */
static int keep_older(struct store *store, struct error *err)
{
	char *path;
	int version;

	if (schema_version(store, &version, err) < 0)
		return -1;
	if (version <= 0 || version >= STORE_SCHEMA_VERSION)
		return 0;
	path = xasprintf("%s.before-%d", store->path, STORE_SCHEMA_VERSION);
	store->doing = "copy the store before its upgrade";
	/* It is there if the upgrade failed after the copy. */
	if (!copy_is_current(store, path) &&
	    ((access(path, F_OK) == 0 && put_aside(path, err) < 0) ||
	     copy_make_whole(store, path, 0640, err) < 0)) {
		free(path);
		return -1;
	}
	store->doing = "open the store";
	store->upgrade_copy = path;
	return 0;
}

static int open_locked(struct store *store, struct error *err)
{
	int fd = file_create(store->path);

	/* Only a file that no connection has open yet may be closed: fcntl locks go with it. */
	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST)
		return store_fail_errno(store, errno, err);
	if (connect_file(store, err) < 0 || schema_check_owner(store, err) < 0 ||
	    choose_wal(store, err) < 0 || keep_older(store, err) < 0 ||
	    schema_migrate(store, err) < 0)
		return -1;
	return finish_open(store, err);
}

static int open_to_write(struct store *store, struct error *err)
{
	int status;

	if (store_lock(store, store_clock_ms() + OPEN_LOCK_MS, err) < 0)
		return -1;
	status = open_locked(store, err);
	store_unlock(store);
	return status;
}

struct store *store_open(const char *path, enum store_mode mode, struct error *err)
{
	struct store *store = xzalloc(sizeof(*store));
	int status;

	store->path = xstrdup(path);
	store->lock_path = xasprintf("%s-lock", path);
	store->wal_path = xasprintf("%s-wal", path);
	store->mode = mode;
	store->lock_fd = -1;
	store->doing = "open the store";
	status = mode == STORE_WRITE ? open_to_write(store, err) : open_to_read(store, err);
	if (status < 0) {
		store_close(store);
		return NULL;
	}
	return store;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < store->kept_count; i++)
		sqlite3_finalize(store->kept[i].raw);
	sqlite3_close(store->db);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	free(store->path);
	free(store->lock_path);
	free(store->wal_path);
	free(store->upgrade_copy);
	free(store);
}

bool store_is_current(const struct store *store)
{
	return file_is_same(store->file, file_identify(store->path)) &&
	       (store->wal.inode == 0 || file_is_same(store->wal, file_identify(store->wal_path)));
}

const char *store_upgrade_copy(const struct store *store)
{
	return store->upgrade_copy;
}

void store_set_stop(struct store *store, const atomic_bool *is_stopping)
{
	store->is_stopping = is_stopping;
}

bool store_is_stopped(const struct store *store)
{
	return store->is_stopping != NULL && atomic_load(store->is_stopping);
}

void store_set_deadline(struct store *store, int64_t deadline_ms)
{
	store->deadline_ms = deadline_ms;
}

int store_checkpoint(struct store *store, unsigned min_pages, bool is_idle, struct error *err)
{
	/* After a complete PASSIVE run the file keeps its length, only TRUNCATE shortens it. */
	int64_t pages = is_idle ? wal_pages_on_disk(store) : store->wal_pages;
	struct error lock_error = {0};
	int in_log = 0, done = 0;
	int code;

	store->doing = "checkpoint the WAL";
	if (pages <= (int64_t)min_pages)
		return 0;
	if (store_lock(store, store_clock_ms() + CHECKPOINT_LOCK_MS, &lock_error) < 0) {
		if (lock_error.kind == ERROR_TEMPORARY)
			return 0;
		if (err != NULL)
			*err = lock_error;
		return -1;
	}
	code = sqlite3_wal_checkpoint_v2(
		store->db, "main", is_idle ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
		&in_log, &done);
	store_unlock(store);
	if (code == SQLITE_OK)
		store->wal_pages = in_log > done ? in_log - done : 0;
	else if ((code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED)
		return store_fail(store, code, err);
	return 0;
}

/* 1, 0 if somebody reads or writes, or -1. The lock is held. */
static int try_to_empty(struct store *store, struct error *err)
{
	int code = sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL,
	                                     NULL);

	if (code == SQLITE_OK) {
		store->wal_pages = 0;
		return 1;
	}
	if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
		return 0;
	return store_fail(store, code, err);
}

int store_empty_wal(struct store *store, int64_t deadline_ms, struct error *err)
{
	static const struct timespec pause = {.tv_nsec = EMPTY_RETRY_NS};
	struct error busy = {0};
	int status = 0;

	do {
		store->doing = "empty the WAL";
		if (status == 0 && store_lock(store, deadline_ms, &busy) < 0) {
			if (err != NULL)
				*err = busy;
			return busy.kind == ERROR_TEMPORARY ? 0 : -1;
		}
		status = try_to_empty(store, err);
		store_unlock(store);
		if (status == 0)
			nanosleep(&pause, NULL);
	} while (status == 0 && store_clock_ms() < deadline_ms && !store_is_stopped(store));
	return status;
}

int64_t store_new_id(struct store *store, int64_t now_ms)
{
	if (now_ms > ID_MS_MAX)
		now_ms = ID_MS_MAX;
	if (now_ms > store->id_ms) {
		store->id_ms = now_ms;
		store->id_counter = 0;
	} else if (++store->id_counter > ID_COUNTER_MAX) {
		store->id_ms = store->id_ms == ID_MS_MAX ? 1 : store->id_ms + 1;
		store->id_counter = 0;
	}
	return store->id_ms << (ID_NODE_BITS + ID_COUNTER_BITS) |
	       (int64_t)ID_NODE << ID_COUNTER_BITS | store->id_counter;
}
