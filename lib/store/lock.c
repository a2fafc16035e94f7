#include "lib/store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/memory.h"

#define LOCK_POLL_NS 1000000

struct file_identity file_identify(const char *path)
{
	struct file_identity identity = {0};
	struct stat status;

	if (stat(path, &status) == 0) {
		identity.device = status.st_dev;
		identity.inode = status.st_ino;
	}
	return identity;
}

bool file_is_same(struct file_identity a, struct file_identity b)
{
	return a.device == b.device && a.inode == b.inode;
}

int64_t file_bytes(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? status.st_size : 0;
}

int file_create(const char *path)
{
	char *copy;
	struct stat directory;
	int fd, number = 0;

	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return -1;
	copy = xstrdup(path);
	if (fchmod(fd, 0640) < 0)
		number = errno;
	else if (geteuid() == 0 && (stat(dirname(copy), &directory) < 0 ||
	                            fchown(fd, directory.st_uid, directory.st_gid) < 0))
		number = errno;
	free(copy);
	if (number != 0) {
		unlink(path);
		close(fd);
		errno = number;
		return -1;
	}
	return fd;
}

static int open_lock_file(struct store *store, struct error *err)
{
	store->lock_fd = file_create(store->lock_path);
	if (store->lock_fd < 0 && errno == EEXIST) {
		store->lock_fd = open(store->lock_path, O_RDONLY | O_CLOEXEC);
		if (store->lock_fd < 0 && errno == ENOENT)
			errno = EAGAIN; /* removed in between */
	}
	return store->lock_fd >= 0 ? 0 : store_fail_errno(store, errno, err);
}

/* A lock file that was removed locks out nobody who made a new one. */
static bool is_lock_file_current(const struct store *store)
{
	struct stat status;
	struct file_identity identity = {0};

	if (fstat(store->lock_fd, &status) < 0)
		return false;
	identity.device = status.st_dev;
	identity.inode = status.st_ino;
	return file_is_same(identity, file_identify(store->lock_path));
}

int store_lock(struct store *store, int64_t deadline_ms, struct error *err)
{
	static const struct timespec pause = {.tv_nsec = LOCK_POLL_NS};

	if (store->mode != STORE_WRITE)
		return error_set(err, ERROR_PERMANENT, "cannot %s in %s: it is open for reading",
		                 store->doing, store->path);
	for (;;) {
		if (store->lock_fd < 0 && open_lock_file(store, err) < 0)
			return -1;
		if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0) {
			if (is_lock_file_current(store))
				return 0;
			close(store->lock_fd);
			store->lock_fd = -1;
		} else if (errno != EWOULDBLOCK && errno != EINTR) {
			return store_fail_errno(store, errno, err);
		}
		if (store_clock_ms() >= deadline_ms)
			return error_set(err, ERROR_TEMPORARY,
			                 "cannot %s in %s: the write lock is busy", store->doing,
			                 store->path);
		nanosleep(&pause, NULL);
	}
}

void store_unlock(struct store *store)
{
	if (store->lock_fd >= 0)
		flock(store->lock_fd, LOCK_UN);
}
