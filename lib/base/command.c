#include "lib/base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait until there is something to read. False when the deadline has passed. */
static bool wait_readable(int fd, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd item = {.fd = fd, .events = POLLIN};
		int64_t left_ms = deadline_ms - clock_ms();
		int count = poll(&item, 1, left_ms > 0 ? (int)left_ms : 0);

		if (count > 0)
			return true;
		if (count == 0 || errno != EINTR)
			return false;
	}
}

/* Split words in place; the array is the caller's. */
static char **split(char *words)
{
	char **argv = NULL;
	size_t count = 0;

	for (words += strspn(words, " \t"); *words != '\0'; words += strspn(words, " \t")) {
		argv = xreallocarray(argv, count + 2, sizeof(*argv));
		argv[count++] = words;
		argv[count] = NULL;
		words += strcspn(words, " \t");
		if (*words != '\0')
			*words++ = '\0';
	}
	return argv;
}

/* Whatever our threads do with signals, the program starts with none blocked or ignored. */
static int start(const char *const *argv, enum command_stderr stderr_kind, int output,
                 pid_t *pid_out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (stderr_kind == COMMAND_STDERR_DROPPED)
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (stderr_kind == COMMAND_STDERR_WITH_OUTPUT)
		posix_spawn_file_actions_adddup2(&actions, output, 2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
	                                              POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(pid_out, argv[0], &actions, &attributes, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Read to the end. NULL, or what went wrong. */
static const char *read_output(int fd, int64_t deadline_ms, size_t max_bytes, char *bytes,
                               size_t *length_out)
{
	size_t length = 0;
	ssize_t got;

	do {
		if (!wait_readable(fd, deadline_ms))
			return "it did not end in time";
		got = read(fd, bytes + length, max_bytes + 1 - length);
		if (got < 0 && errno != EINTR)
			return strerror(errno);
		length += got > 0 ? (size_t)got : 0;
		if (length > max_bytes)
			return "it printed too much";
	} while (got != 0);
	bytes[length] = '\0';
	*length_out = length;
	return NULL;
}

/* Wait for the end of the program, or bring it about. NULL, or what went wrong. */
static const char *finish(pid_t pid, int64_t deadline_ms, const char *problem, char reason[40])
{
	int status, fd = pidfd_open(pid, 0);

	if (problem == NULL && (fd < 0 || !wait_readable(fd, deadline_ms)))
		problem = "it did not end in time";
	if (fd >= 0)
		close(fd);
	if (problem != NULL)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return strerror(errno);
	if (problem != NULL)
		return problem;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	if (WIFEXITED(status))
		snprintf(reason, 40, "exit status %d", WEXITSTATUS(status));
	else
		snprintf(reason, 40, "ended by signal %d", WTERMSIG(status));
	return reason;
}

int command_output_argv(const char *const *argv, enum command_stderr stderr_kind,
                        int64_t timeout_ms, size_t max_bytes, char **out, size_t *length_out,
                        struct error *err)
{
	int64_t deadline_ms = clock_ms() + timeout_ms;
	const char *problem;
	char reason[40], *bytes;
	bool is_kept;
	int ends[2], rc;
	pid_t pid;

	*out = NULL;
	*length_out = 0;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return error_set(err, ERROR_TEMPORARY, "cannot run %s: %s", argv[0],
		                 strerror(errno));
	rc = start(argv, stderr_kind, ends[1], &pid);
	close(ends[1]);
	if (rc != 0) {
		close(ends[0]);
		return error_set(err, rc == ENOENT || rc == EACCES ? ERROR_CONFIG : ERROR_TEMPORARY,
		                 "cannot run %s: %s", argv[0], strerror(rc));
	}
	bytes = xmalloc(max_bytes + 1);
	problem = read_output(ends[0], deadline_ms, max_bytes, bytes, length_out);
	close(ends[0]);
	is_kept = problem == NULL && stderr_kind == COMMAND_STDERR_WITH_OUTPUT;
	problem = finish(pid, deadline_ms, problem, reason);
	if (problem == NULL || is_kept) {
		*out = bytes;
	} else {
		secret_free(bytes, max_bytes + 1);
		*length_out = 0;
	}
	if (problem != NULL)
		return error_set(err, ERROR_TEMPORARY, "%s failed: %s", argv[0], problem);
	return 0;
}

int command_output(const char *line, int64_t timeout_ms, size_t max_bytes, char **out,
                   size_t *length_out, struct error *err)
{
	char *words = xstrdup(line), **argv = split(words);
	int rc;

	*out = NULL;
	*length_out = 0;
	if (argv == NULL)
		rc = error_set(err, ERROR_CONFIG, "found no command to run, expected one");
	else
		rc = command_output_argv((const char *const *)argv, COMMAND_STDERR_OURS, timeout_ms,
		                         max_bytes, out, length_out, err);
	digest_wipe(words, strlen(line));
	free(words);
	free(argv);
	return rc;
}
