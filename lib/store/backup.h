#ifndef REJOINDER_STORE_BACKUP_H
#define REJOINDER_STORE_BACKUP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Backups: directories called rejoinder-YYYYMMDD-HHMMSS (UTC, so that their names sort by
 * age), each with rejoinder.db, keys and rejoinder.conf.  They are for their owner alone:
 * mode 0700, files 0600; made by root, the owner is that of the directory in which they
 * stand.  One has such a name only when it is whole and on disk.
 */

#define BACKUP_STORE  "rejoinder.db"
#define BACKUP_KEYS   "keys"
#define BACKUP_CONFIG "rejoinder.conf"

/*
 * Make a backup of the store and of the files `keys` and `config`, all checked.
 *
 * directory: is made (0700) if it is missing but what it stands in is there.  In one that
 * everybody may write in nothing is made.
 * Returns 0 and *path_out (the caller's), or -1 with *err and nothing made: ERROR_FULL,
 * ERROR_CONFIG, ERROR_CORRUPT (the store is damaged), ERROR_TEMPORARY (another backup is
 * being made there).
 */
int store_backup(struct store *store, const char *directory, const char *keys, const char *config,
                 int64_t now, char **path_out, struct error *err) MUST_CHECK;

/*
 * Remove all backups in the directory of `made` but so many (0: none is removed): `made`
 * itself, whatever its name says, and the newest.  What has another name, or holds anything
 * else, is left alone and not counted.
 */
int backup_remove_older(const char *made, size_t kept, size_t *removed_out,
                        struct error *err) MUST_CHECK;

#endif
