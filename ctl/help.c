#include <stdio.h>

#include "ctl/command.h"
#include "lib/base/directories.h"

static void print_all(void)
{
	printf("usage: rejoinder [-c FILE] VERB [ARGUMENT ...]\n\n");
	for (const struct command *command = command_table(); command->name != NULL; command++)
		printf("  %-8s  %s\n", command->name, command->help);
	printf("\n"
	       "  -c, --config FILE  read this file instead of " CONFIG_DEFAULT_PATH "\n"
	       "  -h, --help         print this, or after a verb how to use it\n"
	       "  -V, --version      print the version\n"
	       "\n"
	       "See rejoinder(8) and rejoinder.conf(5).\n");
}

int command_help(struct invocation *invocation)
{
	const struct command *command;
	int status;

	if (!command_arguments(invocation, NULL, 0, 1, &status))
		return status;
	if (invocation->argc == 0) {
		print_all();
		return 0;
	}
	command = command_find(invocation->argv[0]);
	if (command == NULL)
		return command_usage_error(invocation, "there is no verb \"%s\"",
		                           invocation->argv[0]);
	printf("usage: rejoinder %s %s\n%s\n", command->name, command->usage, command->help);
	return 0;
}
