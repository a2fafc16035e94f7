#include "ctl/fetcher.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/command.h"
#include "lib/base/memory.h"

#define LINE_MAX_BYTES 4096

/* The path of our own binary with another name at its end, a heap string, or NULL. */
static char *beside_us(const char *program)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	char *slash;

	if (length <= 0)
		return NULL;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return NULL;
	*slash = '\0';
	return xasprintf("%s/%s", path, program);
}

int fetcher_exec(const char *const *argv)
{
	char *path = beside_us(FETCHER_PROGRAM);

	errno = ENOENT;
	if (path != NULL)
		execv(path, (char *const *)argv);
	free(path);
	if (errno == ENOENT)
		execvp(FETCHER_PROGRAM, (char *const *)argv);
	command_complain("%s cannot be run: %s", FETCHER_PROGRAM, strerror(errno));
	return EX_UNAVAILABLE;
}

/* The parts of a line (see fetcher/probe.h); false if it is none. */
static bool parse_line(char *line, struct finding *out)
{
	char *state = strsep(&line, "\t"), *check = strsep(&line, "\t");
	char *text = strsep(&line, "\t"), *advice = line;

	*out = (struct finding){.check = check, .text = text, .advice = advice};
	if (advice == NULL)
		return false;
	if (strcmp(state, "ok") == 0)
		out->state = FINDING_OK;
	else if (strcmp(state, "failed") == 0)
		out->state = FINDING_FAILED;
	else if (strcmp(state, "warning") == 0)
		out->state = FINDING_WARNING;
	else if (strcmp(state, "none") == 0)
		out->state = FINDING_NONE;
	else
		return false;
	return true;
}

/* How many findings there were, or -1 if a line was none. */
static int read_lines(int fd, void (*take)(void *context, const struct finding *finding),
                      void *context)
{
	FILE *stream = fdopen(fd, "r");
	char line[LINE_MAX_BYTES];
	struct finding finding;
	int count = 0;

	if (stream == NULL)
		abort(); /* no memory */
	while (count >= 0 && fgets(line, sizeof line, stream) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (parse_line(line, &finding)) {
			take(context, &finding);
			count++;
		} else {
			count = -1;
		}
	}
	fclose(stream);
	return count;
}

int fetcher_test(const char *config_path, const char *account,
                 void (*take)(void *context, const struct finding *finding), void *context)
{
	const char *argv[] = {FETCHER_PROGRAM, "-c", config_path, "--test", "--", account, NULL};
	int ends[2], status = 0, count;
	pid_t pid;

	fflush(stdout);
	if (pipe(ends) != 0 || (pid = fork()) < 0) {
		command_complain("%s cannot be run: %s", FETCHER_PROGRAM, strerror(errno));
		return EX_OSERR;
	}
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(fetcher_exec(argv));
	}
	close(ends[1]);
	count = read_lines(ends[0], take, context);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (count > 0 && WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) > 1)
		return WEXITSTATUS(status); /* its sentence is on stderr */
	command_complain("%s did not end its test", FETCHER_PROGRAM);
	return EX_SOFTWARE;
}
