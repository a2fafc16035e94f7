#include "lib/store/backup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/list.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"
#include "lib/store/copy.h"
#include "lib/store/database.h"

#define NAME_FORM      "rejoinder-dddddddd-dddddd"
#define NAME_LENGTH    (sizeof(NAME_FORM) - 1)
#define NAME_TRIES     60
#define UNFINISHED     ".tmp"
#define FILE_MAX_BYTES (1 << 20)
#define BACKUP_MODE    0700
#define FILE_MODE      0600
#define ANYONE_WRITES  0002

static const char *const parts[] = {BACKUP_STORE, BACKUP_KEYS, BACKUP_CONFIG};

static int fail_errno(const char *path, int number, struct error *err)
{
	if (number == ENOSPC || number == EDQUOT)
		return error_set(err, ERROR_FULL, "cannot write %s: disk is full", path);
	return error_set(err, number == EIO ? ERROR_TEMPORARY : ERROR_CONFIG, "cannot write %s: %s",
	                 path, strerror(number));
}

/* Does the name say that it is one of ours, with this behind it? */
static bool is_name(const char *name, const char *ending)
{
	if (strlen(name) < NAME_LENGTH || strcmp(name + NAME_LENGTH, ending) != 0)
		return false;
	for (size_t i = 0; i < NAME_LENGTH; i++)
		if (NAME_FORM[i] == 'd' && i >= strlen("rejoinder-")
		            ? !isdigit((unsigned char)name[i])
		            : name[i] != NAME_FORM[i])
			return false;
	return true;
}

/* The names in a directory that are backups', with this behind them. */
static int list_names(int directory, const char *ending, struct string_list *out)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (stream == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(stream)) != NULL)
		if (is_name(entry->d_name, ending))
			string_list_add(out, entry->d_name);
	closedir(stream);
	return 0;
}

/*
 * Remove the files of one, or with `is_trial` only see whether they are all of them a
 * backup's; what SQLite leaves beside a file of ours is so too.  1, 0 if not, or -1 with errno.
 */
static int clear(int directory, const char *name, bool is_trial)
{
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int status = 1;

	if (stream == NULL) {
		int number = errno;

		if (fd >= 0)
			close(fd);
		errno = number;
		return number == ENOTDIR || number == ELOOP ? 0 : -1;
	}
	while (status > 0 && (entry = readdir(stream)) != NULL) {
		bool is_part = false;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			is_part = is_part || strcmp(entry->d_name, parts[i]) == 0;
		is_part = is_part ||
		          strncmp(entry->d_name, BACKUP_STORE "-", sizeof(BACKUP_STORE)) == 0;
		if (!is_part)
			status = 0;
		else if (!is_trial && unlinkat(fd, entry->d_name, 0) < 0)
			status = -1;
	}
	closedir(stream);
	return status;
}

/* What was begun and never finished: nobody works on it, since the directory is locked. */
static void remove_unfinished(int directory)
{
	struct string_list names = {0};

	if (list_names(directory, UNFINISHED, &names) == 0)
		for (size_t i = 0; i < names.count; i++)
			if (clear(directory, names.items[i], true) > 0 &&
			    clear(directory, names.items[i], false) > 0)
				unlinkat(directory, names.items[i], AT_REMOVEDIR);
	string_list_release(&names);
}

/* Root makes nothing that the daemons cannot remove. */
static int give_away(int at, const char *name, const struct stat *to)
{
	return geteuid() != 0 ? 0 : fchownat(at, name, to->st_uid, to->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int make_directory(const char *path)
{
	char *copy = xstrdup(path);
	struct stat above;
	int rc = stat(dirname(copy), &above);

	free(copy);
	if (rc == 0)
		rc = mkdir(path, BACKUP_MODE);
	if (rc == 0)
		rc = give_away(AT_FDCWD, path, &above);
	return rc;
}

/* A descriptor of the directory, locked, or -1 with *err. */
static int open_directory(const char *path, bool is_made, struct stat *status_out,
                          struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && is_made && make_directory(path) == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, status_out) < 0) {
		fail_errno(path, errno, err);
	} else if ((status_out->st_mode & ANYONE_WRITES) != 0 &&
	           (status_out->st_mode & S_ISVTX) == 0) {
		error_set(err, ERROR_CONFIG, "cannot write %s: everybody may: chmod o-w it", path);
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		error_set(err, ERROR_TEMPORARY, "another backup is being made in %s", path);
	} else {
		remove_unfinished(fd);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A name that nothing has, of the first free second from now on. */
static int choose_name(int directory, int64_t now, char out[NAME_LENGTH + 1])
{
	for (int i = 0; i < NAME_TRIES; i++) {
		time_t seconds = (time_t)(now + i);
		struct stat status;
		struct tm utc;

		if (gmtime_r(&seconds, &utc) == NULL || utc.tm_year < 0 || utc.tm_year > 8099) {
			errno = EOVERFLOW;
			return -1;
		}
		strftime(out, NAME_LENGTH + 1, "rejoinder-%Y%m%d-%H%M%S", &utc);
		if (fstatat(directory, out, &status, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -1;
	}
	errno = EEXIST;
	return -1;
}

static int write_new(const char *path, const char *bytes, size_t length, struct error *err)
{
	int fd = file_create(path);
	int rc = fd < 0 ? -1 : fchmod(fd, FILE_MODE);

	for (size_t done = 0; rc == 0 && done < length;) {
		ssize_t written = write(fd, bytes + done, length - done);

		if (written < 0 && errno != EINTR)
			rc = -1;
		else if (written > 0)
			done += (size_t)written;
	}
	if (rc == 0)
		rc = fsync(fd);
	if (rc < 0)
		fail_errno(path, errno, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Others may read a configuration, so secret_read_file() does not do. */
static int copy_file(const char *from, const char *to, struct error *err)
{
	FILE *stream = fopen(from, "re");
	char *bytes = xmalloc(FILE_MAX_BYTES + 1);
	size_t length = stream != NULL ? fread(bytes, 1, FILE_MAX_BYTES + 1, stream) : 0;
	int rc = -1;

	if (stream == NULL || ferror(stream))
		error_set(err, ERROR_CONFIG, "cannot read %s: %s", from, strerror(errno));
	else if (length > FILE_MAX_BYTES)
		error_set(err, ERROR_CONFIG, "cannot copy %s: it is over %d bytes", from,
		          FILE_MAX_BYTES);
	else
		rc = write_new(to, bytes, length, err);
	if (stream != NULL)
		fclose(stream);
	digest_wipe(bytes, FILE_MAX_BYTES + 1);
	free(bytes);
	return rc;
}

static int copy_part(const char *from, const char *directory, const char *name, struct error *err)
{
	char *to = xasprintf("%s/%s", directory, name);
	int rc = copy_file(from, to, err);

	free(to);
	return rc;
}

/* The keys without which the backup is of little use are seen to be some. */
static int copy_keys(const char *from, const char *directory, struct error *err)
{
	char *to = xasprintf("%s/%s", directory, BACKUP_KEYS);
	struct keyring keyring;
	int rc = copy_file(from, to, err);

	if (rc == 0) {
		rc = keyring_load(&keyring, to, err);
		keyring_wipe(&keyring);
	}
	free(to);
	return rc;
}

static int fill(struct store *store, const char *directory, const char *keys, const char *config,
                struct error *err)
{
	char *path = xasprintf("%s/%s", directory, BACKUP_STORE);
	int rc;

	store->doing = "back up the store";
	rc = copy_make(store, path, FILE_MODE, err);
	/* A path in it, so that the directory itself is synced. */
	if (rc == 0 && (rc = copy_keys(keys, directory, err)) == 0 &&
	    (rc = copy_part(config, directory, BACKUP_CONFIG, err)) == 0 &&
	    copy_sync_directory(path) < 0)
		rc = fail_errno(directory, errno, err);
	free(path);
	return rc;
}

/* Fill it under another name, which is gone whatever fails. */
static int make(struct store *store, int directory, const struct stat *owner, const char *path,
                const char *keys, const char *config, struct error *err)
{
	char *unfinished = xasprintf("%s" UNFINISHED, path);
	const char *name = strrchr(path, '/') + 1, *unfinished_name = strrchr(unfinished, '/') + 1;
	int rc = mkdirat(directory, unfinished_name, BACKUP_MODE);

	if (rc == 0)
		rc = give_away(directory, unfinished_name, owner);
	if (rc < 0) {
		fail_errno(unfinished, errno, err);
	} else {
		rc = fill(store, unfinished, keys, config, err);
		if (rc == 0 && (renameat(directory, unfinished_name, directory, name) < 0 ||
		                fsync(directory) < 0))
			rc = fail_errno(path, errno, err);
	}
	if (rc < 0)
		remove_unfinished(directory);
	free(unfinished);
	return rc;
}

int store_backup(struct store *store, const char *directory, const char *keys, const char *config,
                 int64_t now, char **path_out, struct error *err)
{
	char name[NAME_LENGTH + 1];
	struct stat owner;
	int fd = open_directory(directory, true, &owner, err);
	int rc;

	*path_out = NULL;
	if (fd < 0)
		return -1;
	rc = choose_name(fd, now, name);
	if (rc < 0) {
		fail_errno(directory, errno, err);
	} else {
		*path_out = xasprintf("%s/%s", directory, name);
		rc = make(store, fd, &owner, *path_out, keys, config, err);
	}
	close(fd);
	if (rc < 0) {
		free(*path_out);
		*path_out = NULL;
	}
	return rc;
}

/* Half of one must not keep the name of a whole one. */
static int remove_one(int directory, const char *name)
{
	char *unfinished = xasprintf("%s" UNFINISHED, name);
	int rc = renameat(directory, name, directory, unfinished);

	if (rc == 0)
		rc = clear(directory, unfinished, false) > 0
		             ? unlinkat(directory, unfinished, AT_REMOVEDIR)
		             : -1;
	free(unfinished);
	return rc;
}

static int compare_newest_first(const void *a, const void *b)
{
	return -strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that a clock that was ahead has named, behind those before this one. */
static void put_future_last(struct string_list *names, const char *made)
{
	struct string_list ordered = {0};

	for (int is_future = 0; is_future <= 1; is_future++)
		for (size_t i = 0; i < names->count; i++)
			if ((strcmp(names->items[i], made) > 0) == is_future)
				string_list_add(&ordered, names->items[i]);
	string_list_release(names);
	*names = ordered;
}

int backup_remove_older(const char *made, size_t kept, size_t *removed_out, struct error *err)
{
	char *directory = xstrdup(made), *slash = strrchr(directory, '/');
	struct string_list names = {0};
	struct stat status;
	size_t seen = 1;
	int fd, rc = 0;

	*removed_out = 0;
	*slash = '\0';
	fd = kept > 0 ? open_directory(directory, false, &status, err) : -1;
	if (fd < 0)
		rc = kept > 0 ? -1 : 0;
	else if (list_names(fd, "", &names) < 0)
		rc = fail_errno(directory, errno, err);
	if (names.count > 0)
		qsort(names.items, names.count, sizeof(*names.items), compare_newest_first);
	put_future_last(&names, slash + 1);
	for (size_t i = 0; i < names.count && rc == 0; i++) {
		int found = strcmp(names.items[i], slash + 1) == 0
		                    ? 0
		                    : clear(fd, names.items[i], true);

		if (found > 0 && ++seen > kept) {
			found = remove_one(fd, names.items[i]);
			*removed_out += found == 0;
		}
		if (found < 0)
			rc = error_set(err, ERROR_CONFIG, "cannot remove %s/%s: %s", directory,
			               names.items[i], strerror(errno));
	}
	string_list_release(&names);
	if (fd >= 0)
		close(fd);
	free(directory);
	return rc;
}
