#include "ctl/agree.h"

#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

bool agree(const struct invocation *invocation, const char *question, int *exit_out)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO)) {
		*exit_out = command_usage_error(
			invocation,
			"%s: there is no terminal to ask at; nothing was changed: add --yes",
			invocation->command->name);
		return false;
	}
	/* What --json prints stays JSON. */
	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    tolower((unsigned char)answer[0]) == 'y')
		return true;
	fputs("Nothing was changed.\n", stderr);
	*exit_out = EXIT_NO_RESULT;
	return false;
}
