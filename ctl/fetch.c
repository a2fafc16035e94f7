#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/command.h"
#include "lib/base/memory.h"

#define PROGRAM "rejoinder-fetcher"

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

/* The fetcher does it, so that there is one program that knows how. */
int command_fetch(struct invocation *invocation)
{
	bool is_dry_run = false;
	const struct flag flags[] = {{"dry-run", 'n', &is_dry_run, NULL}, {NULL, 0, NULL, NULL}};
	const char *argv[8];
	size_t count = 0;
	char *path;
	int status;

	if (!command_arguments(invocation, flags, 1, 1, &status))
		return status;
	argv[count++] = PROGRAM;
	argv[count++] = "-c";
	argv[count++] = invocation->config_path;
	argv[count++] = "--once";
	if (is_dry_run)
		argv[count++] = "--dry-run";
	argv[count++] = "--";
	argv[count++] = invocation->argv[0];
	argv[count] = NULL;

	path = beside_us(PROGRAM);
	errno = ENOENT;
	if (path != NULL)
		execv(path, (char *const *)argv);
	free(path);
	if (errno == ENOENT)
		execvp(PROGRAM, (char *const *)argv);
	command_complain("%s cannot be run: %s", PROGRAM, strerror(errno));
	return EX_UNAVAILABLE;
}
