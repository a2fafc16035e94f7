#include "ctl/fetcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/command.h"
#include "lib/base/memory.h"

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
