#include "fetcher/local_socket.h"

#include <errno.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/memory.h"

#define BACKLOG     64
#define SOCKET_MODE 0660

#define USER_BYTES 16384 /* what is known of a user; glibc suggests 1024 */

static int fail(struct error *err, const char *path)
{
	return error_set(err, ERROR_TEMPORARY, "listen on %s: %s", path, strerror(errno));
}

/* Make room at the path: only a socket at which nobody listens is removed. */
static int remove_stale(const char *path, const struct sockaddr_un *address, struct error *err)
{
	struct stat found;
	int probe, rc;

	if (lstat(path, &found) != 0)
		return errno == ENOENT ? 0 : fail(err, path);
	if (!S_ISSOCK(found.st_mode))
		return error_set(err, ERROR_CONFIG, "listen on %s: found a file, expected a socket",
		                 path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return fail(err, path);
	rc = connect(probe, (const struct sockaddr *)address, sizeof(*address));
	close(probe);
	if (rc == 0 || errno == EAGAIN)
		return error_set(err, ERROR_TEMPORARY, "listen on %s: another process does", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return fail(err, path);
	return 0;
}

/* In a directory with setgid the group is right already, and only its members may set it. */
static int give_to_group(const char *path, struct error *err)
{
	char *copy = xstrdup(path);
	struct stat directory, made;
	int rc = 0;

	if (stat(dirname(copy), &directory) != 0 || lstat(path, &made) != 0)
		rc = fail(err, path);
	else if (made.st_gid != directory.st_gid && lchown(path, (uid_t)-1, directory.st_gid) != 0)
		rc = error_set(err, ERROR_TEMPORARY,
		               "listen on %s: give it the group of its directory: %s", path,
		               strerror(errno));
	free(copy);
	return rc;
}

/* Nobody can connect before the last call. */
static int listen_at(struct local_socket *local, const struct sockaddr_un *address,
                     struct error *err)
{
	struct stat made;

	if (bind(local->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return fail(err, local->path);
	if (give_to_group(local->path, err) != 0)
		return -1;
	if (chmod(local->path, SOCKET_MODE) != 0 || lstat(local->path, &made) != 0 ||
	    listen(local->fd, BACKLOG) != 0)
		return fail(err, local->path);
	local->device = made.st_dev;
	local->inode = made.st_ino;
	return 0;
}

int local_socket_open(struct local_socket *local, const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*local = (struct local_socket){.fd = -1};
	if (strlen(path) >= sizeof(local->path))
		return error_set(err, ERROR_CONFIG,
		                 "listen on %s: found %zu bytes, expected at most %zu", path,
		                 strlen(path), sizeof(local->path) - 1);
	strcpy(local->path, path);
	strcpy(address.sun_path, path);
	if (remove_stale(path, &address, err) != 0)
		return -1;
	local->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (local->fd < 0)
		return fail(err, path);
	if (listen_at(local, &address, err) == 0)
		return 0;
	close(local->fd);
	local->fd = -1;
	return -1;
}

bool local_socket_is_current(const struct local_socket *local)
{
	struct stat found;

	return lstat(local->path, &found) == 0 && found.st_dev == local->device &&
	       found.st_ino == local->inode;
}

void local_socket_close(struct local_socket *local)
{
	if (local->fd < 0)
		return;
	if (local_socket_is_current(local))
		unlink(local->path);
	close(local->fd);
	local->fd = -1;
}

int local_socket_peer(int connection, uid_t *uid_out, pid_t *pid_out)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return -1;
	*uid_out = peer.uid;
	*pid_out = peer.pid;
	return 0;
}

int local_socket_user(const char *name, uid_t *uid_out)
{
	char *room = xmalloc(USER_BYTES);
	struct passwd user, *found = NULL;

	getpwnam_r(name, &user, room, USER_BYTES, &found);
	if (found != NULL)
		*uid_out = found->pw_uid;
	free(room);
	return found != NULL;
}
