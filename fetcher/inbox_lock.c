#include "fetcher/inbox_lock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"

#define HASH_BYTES 5
#define HASH_CHARS 8

static char *lock_path(const char *store_path, const char *account)
{
	unsigned char hash[DIGEST_BYTES];
	char shown[INBOX_LOCK_NAME_BYTES + 1], code[HASH_CHARS + 1];
	struct digest *digest = digest_new();
	char *lower = xstrdup(account), *path;
	size_t length = 0;

	for (char *c = lower; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	for (; lower[length] != '\0' && length < INBOX_LOCK_NAME_BYTES; length++)
		shown[length] = isalnum((unsigned char)lower[length]) ? lower[length] : '_';
	shown[length] = '\0';
	digest_add_text(digest, lower);
	digest_finish(digest, hash);
	base32_encode(hash, HASH_BYTES, code);
	path = xasprintf("%s-fetch-%s-%s", store_path, shown, code);
	free(lower);
	return path;
}

/* Made by root, it must not lock out the user whose directory it is. */
static void give_away(int fd, const char *path)
{
	char *copy = xstrdup(path);
	struct stat directory, file;

	if (geteuid() == 0 && stat(dirname(copy), &directory) == 0 && fstat(fd, &file) == 0 &&
	    file.st_uid != directory.st_uid && fchown(fd, directory.st_uid, directory.st_gid) != 0)
		errno = 0; /* he will be told, in words of his own */
	free(copy);
}

int inbox_lock(const char *store_path, const char *account, int *lock_out, struct error *err)
{
	char *path = lock_path(store_path, account);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640), rc = -1;

	if (fd < 0) {
		error_set(err, ERROR_TEMPORARY, "cannot open the lock file %s: %s", path,
		          strerror(errno));
		goto out;
	}
	give_away(fd, path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		rc = 1;
	else if (errno == EWOULDBLOCK)
		rc = 0;
	else
		error_set(err, ERROR_TEMPORARY, "cannot lock %s: %s", path, strerror(errno));
	if (rc == 1)
		*lock_out = fd;
	else
		close(fd);
out:
	free(path);
	return rc;
}

void inbox_unlock(int lock)
{
	close(lock);
}
