#ifndef REJOINDER_STORE_DATABASE_H
#define REJOINDER_STORE_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/store/store.h"

/*
 * What the files of lib/store share and nobody else includes: the connection,
 * the write lock, transactions, and statements with their result codes.
 */

#define STATEMENTS_KEPT_MAX 64

struct kept_statement {
	const char *sql; /* compared by address: each call site has its own text */
	sqlite3_stmt *raw;
};

struct file_identity {
	dev_t device;
	ino_t inode; /* 0: there was none */
};

struct store {
	sqlite3 *db;
	char *path;
	char *lock_path;
	char *wal_path;
	char *upgrade_copy; /* NULL: nothing was migrated */
	enum store_mode mode;
	const char *doing; /* of the public call that runs, for error texts: "record a message" */
	int lock_fd;       /* -1: not opened yet */
	struct file_identity file;
	struct file_identity wal;
	int64_t deadline_ms;            /* of the caller, 0: none */
	int64_t read_deadline_ms;       /* of the read transaction that runs, 0: none */
	const atomic_bool *is_stopping; /* NULL: nobody stops it */
	int64_t page_bytes;
	int64_t wal_pages; /* in the WAL and not checkpointed, as of our last commit */
	int64_t id_ms;     /* of the last id given out */
	unsigned id_counter;
	struct kept_statement kept[STATEMENTS_KEPT_MAX]; /* STORE_WRITE only */
	size_t kept_count;
};

/*
 * Fill *err for a result code of SQLite, "cannot DOING in PATH: cause".  Returns -1.
 * A code that blames the statement alone (a constraint, a value too large) is
 * ERROR_PERMANENT; after every other kind the transaction is to be given up.
 */
int store_fail(struct store *store, int code, struct error *err);
/* The same for errno. */
int store_fail_errno(struct store *store, int number, struct error *err);

/* Device and inode of what a path names now; all 0 if nothing. */
struct file_identity file_identify(const char *path);
bool file_is_same(struct file_identity a, struct file_identity b);
int64_t file_bytes(const char *path); /* its size, 0 if it is not there */
/*
 * Create a file, mode 0640; root gives it to the owner and group of its
 * directory.  The descriptor, or -1 with errno (EEXIST: it is there).
 */
int file_create(const char *path);

/* Was it told to stop (store_set_stop())? */
bool store_is_stopped(const struct store *store);

/* Run statements without parameters or results. */
int store_run(struct store *store, const char *sql, struct error *err) MUST_CHECK;

/* Take the write lock, trying at least once. 0, or -1 with *err (ERROR_TEMPORARY: it stayed busy). */
int store_lock(struct store *store, int64_t deadline_ms, struct error *err) MUST_CHECK;
void store_unlock(struct store *store);

/*
 * A write transaction: the write lock, a look whether the file is still the one
 * at its path, BEGIN IMMEDIATE.  After a commit that failed the transaction is
 * rolled back; commit and rollback both give the lock back.
 */
int transaction_begin(struct store *store, int64_t deadline_ms, struct error *err) MUST_CHECK;
int transaction_commit(struct store *store, struct error *err) MUST_CHECK;
void transaction_rollback(struct store *store);

/* A read transaction, which is interrupted after READ_MAX_MS. */
#define READ_MAX_MS 1000
int read_begin(struct store *store, struct error *err) MUST_CHECK;
void read_end(struct store *store);

/*
 * One use of a statement: begin, bind, step, end.  What goes wrong on the way
 * is remembered and reported by the step.  A STORE_WRITE connection keeps the
 * prepared form for the next use of the same text, so sql is
 * static text, and in use once at a time.
 */
struct statement {
	struct store *store;
	sqlite3_stmt *raw;
	bool is_kept;
	int code; /* the first that was no success */
};

void statement_begin(struct statement *statement, struct store *store, const char *sql);
void bind_int(struct statement *statement, int at, int64_t value);
/* NULL binds NULL; text over max_bytes is cut between UTF-8 characters. Borrowed until the end. */
void bind_text(struct statement *statement, int at, const char *text, size_t max_bytes);
void bind_bytes(struct statement *statement, int at, const void *bytes, size_t length);
/* 1 a row, 0 done, -1 with *err. */
int statement_step(struct statement *statement, struct error *err) MUST_CHECK;
void statement_reset(struct statement *statement); /* ready for other values */
void statement_end(struct statement *statement);

/* Step to the end and end it: for what returns no rows. 0 or -1 with *err. */
int statement_run(struct statement *statement, struct error *err) MUST_CHECK;
/* The same for an INSERT whose ?1 is a new row id: if the id is taken, the next. */
int statement_insert(struct statement *statement, int64_t *id_out, struct error *err) MUST_CHECK;

int64_t column_int(struct statement *statement, int column);
char *column_copy(struct statement *statement, int column); /* heap string, or NULL for NULL */

/* The first number that a text without parameters gives, 0 if it gives no row. */
int read_number(struct store *store, const char *sql, int64_t *out, struct error *err) MUST_CHECK;

/* How many bytes of each kind of text a row keeps. */
#define KEPT_WORD_BYTES    64  /* rule, auth, queue id, status */
#define KEPT_NAME_BYTES    200 /* account, client */
#define KEPT_ADDRESS_BYTES ADDRESS_MAX_BYTES
#define KEPT_LINE_BYTES    500  /* subject, reference, diagnostic */
#define KEPT_TEXT_BYTES    1024 /* the beginning of a message */

/* An address as the store compares it: ASCII lower case, cut at KEPT_ADDRESS_BYTES. NULL gives "". */
void address_key(char out[KEPT_ADDRESS_BYTES + 1], const char *address);

#endif
