#include "ctl/as_user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct answer {
	int number;
	struct error err;
};

bool as_user_can(const char *user)
{
	const struct passwd *entry = getpwnam(user);

	return entry != NULL && (geteuid() == 0 || geteuid() == entry->pw_uid);
}

static int become(const struct passwd *user, struct error *err)
{
	if (initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
	    setuid(user->pw_uid) == 0)
		return 0;
	return error_set(err, ERROR_TEMPORARY, "become user %s: %s", user->pw_name,
	                 strerror(errno));
}

int as_owner(const struct stat *of, struct error *err)
{
	const struct passwd *user = getpwuid(of->st_uid);

	if (geteuid() != 0 || of->st_uid == 0)
		return 0;
	if (user != NULL)
		return become(user, err);
	if (setgroups(0, NULL) == 0 && setgid(of->st_gid) == 0 && setuid(of->st_uid) == 0)
		return 0;
	return error_set(err, ERROR_TEMPORARY, "become user %u: %s", (unsigned)of->st_uid,
	                 strerror(errno));
}

static void work_in_child(const struct passwd *user, int (*work)(void *context, struct error *err),
                          void *context, int timeout_ms, int fd)
{
	struct answer answer = {.number = -1};
	ssize_t written;

	signal(SIGALRM, SIG_DFL);
	alarm((unsigned)(timeout_ms + 999) / 1000 + 1);
	if (user == NULL || become(user, &answer.err) == 0)
		answer.number = work(context, &answer.err);
	written = write(fd, &answer, sizeof answer); /* at once: it is less than PIPE_BUF */
	_exit(written == (ssize_t)sizeof answer ? 0 : 1);
}

int as_user(const char *user, int (*work)(void *context, struct error *err), void *context,
            int timeout_ms, struct error *err)
{
	const struct passwd *entry = getpwnam(user);
	struct answer answer;
	ssize_t got;
	int ends[2];
	pid_t pid;

	if (entry == NULL)
		return error_set(err, ERROR_CONFIG, "there is no user %s", user);
	fflush(stdout);
	if (pipe(ends) != 0)
		return error_set(err, ERROR_TEMPORARY, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		work_in_child(geteuid() == 0 ? entry : NULL, work, context, timeout_ms, ends[1]);
	}
	close(ends[1]);
	do
		got = pid > 0 ? read(ends[0], &answer, sizeof answer) : 0;
	while (got < 0 && errno == EINTR);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (got != (ssize_t)sizeof answer)
		return error_set(err, ERROR_TEMPORARY, "what was tried as user %s did not end",
		                 user);
	*err = answer.err;
	return answer.number;
}
