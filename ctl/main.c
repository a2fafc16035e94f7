#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "lib/base/directories.h"
#include "lib/base/version.h"

static const struct command commands[] = {
	{"list", "[--waiting] [--account NAME] [--limit N] [--json]", "list conversations",
         command_list},
	{"show", "ID [--json]", "show a conversation and its timeline", command_show},
	{"status", "[--json]", "say how Rejoinder is and what it holds", command_status},
	{"stats", "[--account NAME] [--since WHEN] [--json | --csv]",
         "say how long customers waited for an answer", command_stats},
	{"accounts", "[--json]", "show the accounts and how their inboxes are", command_accounts},
	{"account", "test NAME [--json]", "sign in where an account says, and say what works",
         command_account},
	{"fetch", "[--dry-run] NAME", "look into an inbox now", command_fetch},
	{"trace", "[--log FILE]... [--json] QUEUEID | MESSAGE-ID | TOKEN | ADDRESS | CONVERSATION",
         "tell the whole story of a message, from store and log", command_trace},
	{"explain",
         "[--from ADDRESS] [--rcpt ADDRESS]... [--authenticated] [--client IP] [--json] FILE",
         "say what the milter would do with a message, and why", command_explain},
	{"classify", "[--json] FILE...", "say what kind of mail a file holds", command_classify},
	{"init", "--domain DOMAIN... [FILE]", "write the configuration of a new company",
         command_init},
	{"presets", "[--json]", "list the services that accounts can name", command_presets},
	{"config", "", "check the configuration and print what is in force", command_config},
	{"keys", "list [--json] | add | retire [--yes] ID",
         "list the keys that sign tokens, make a new one, or take one away", command_keys},
	{"backup", "[--json] DIR", "copy store, keys and configuration, and check the copy",
         command_backup},
	{"purge", "--older-than AGE | --address ADDRESS [--dry-run] [--yes] [--json]",
         "remove what is old, or all that is known of a person", command_purge},
	{"setup",
         "[--undo [--all]] [--dry-run [--json]] [--yes] [--no-reload] [--without-milter] [--config-dir DIR]",
         "wire Rejoinder into Postfix, or take it out again", command_setup},
	{"doctor", "[--config-dir DIR] [--online] [--json]",
         "find what does not work, and say what to do", command_doctor},
	{"postfix", "maps [--dry-run] [FILE]", "write what Postfix reads about relays",
         command_postfix},
	{"close", "ID", "close a conversation", command_close},
	{"reopen", "ID", "open a closed conversation again", command_reopen},
	{"snooze", "ID UNTIL", "send no alert of a conversation until then", command_snooze},
	{"assign", "ID ADDRESS", "give a conversation to somebody", command_assign},
	{"help", "[VERB]", "say how to use rejoinder", command_help},
	{NULL, NULL, NULL, NULL},
};

const struct command *command_table(void)
{
	return commands;
}

static int find_and_run(struct invocation *invocation)
{
	const char *name = invocation->argv[0];
	const char *nearest;

	invocation->command = command_find(name);
	if (invocation->command != NULL)
		return invocation->command->run(invocation);

	nearest = command_nearest(name);
	if (nearest != NULL)
		command_complain("there is no verb \"%s\"; did you mean \"%s\"?", name, nearest);
	else
		command_complain("there is no verb \"%s\"; see: rejoinder help", name);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	struct invocation invocation = {.config_path = CONFIG_DEFAULT_PATH};
	bool wants_help = false, wants_version = false;
	const struct flag flags[] = {{"config", 'c', NULL, &invocation.config_path},
	                             {"help", 'h', &wants_help, NULL},
	                             {"version", 'V', &wants_version, NULL},
	                             {NULL, 0, NULL, NULL}};
	char *help[] = {(char[]){"help"}, NULL};
	int status;

	/* For the widths of characters: what is stored is UTF-8 whatever the caller's locale. */
	setlocale(LC_CTYPE, "C.UTF-8");

	if (arguments_read("rejoinder", flags, true, &argc, &argv) < 0)
		return EX_USAGE;
	if (wants_version) {
		printf("rejoinder %s\n", REJOINDER_VERSION);
		return 0;
	}
	if (argc == 0 && !wants_help) {
		command_complain("a verb is missing; see: rejoinder help");
		return EX_USAGE;
	}
	invocation.argc = wants_help ? 1 : argc;
	invocation.argv = wants_help ? help : argv;
	status = find_and_run(&invocation);

	if (fflush(stdout) != 0 || ferror(stdout)) {
		command_complain("writing the output failed");
		return EX_IOERR;
	}
	return status;
}
