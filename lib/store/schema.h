#ifndef REJOINDER_STORE_SCHEMA_H
#define REJOINDER_STORE_SCHEMA_H

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * The tables and how they came about: a list of migrations, the version of a
 * file being PRAGMA user_version.  Inside lib/store only.
 */

/* 0 if the file is one of ours or empty, else -1 with *err (ERROR_CORRUPT). */
int schema_check_owner(struct store *store, struct error *err) MUST_CHECK;

/* 0 if it is ours and of the very version we know, else -1 with *err. */
int schema_check(struct store *store, struct error *err) MUST_CHECK;

/* Bring the file to our version in one transaction; the write lock is held. */
int schema_migrate(struct store *store, struct error *err) MUST_CHECK;
/* The same up to an earlier version (at most ours): what tests of an upgrade begin with. */
int schema_migrate_to(struct store *store, int version, struct error *err) MUST_CHECK;

int schema_version(struct store *store, int *out, struct error *err) MUST_CHECK;

#endif
