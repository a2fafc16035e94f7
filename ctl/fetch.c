#include "ctl/command.h"
#include "ctl/fetcher.h"

int command_fetch(struct invocation *invocation)
{
	bool is_dry_run = false;
	const struct flag flags[] = {{"dry-run", 'n', &is_dry_run, NULL}, {NULL, 0, NULL, NULL}};
	const char *argv[8];
	size_t count = 0;
	int status;

	if (!command_arguments(invocation, flags, 1, 1, &status))
		return status;
	argv[count++] = FETCHER_PROGRAM;
	argv[count++] = "-c";
	argv[count++] = invocation->config_path;
	argv[count++] = "--once";
	if (is_dry_run)
		argv[count++] = "--dry-run";
	argv[count++] = "--";
	argv[count++] = invocation->argv[0];
	argv[count] = NULL;
	return fetcher_exec(argv);
}
