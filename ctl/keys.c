#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/output.h"
#include "lib/base/secret.h"

static int fail(const struct error *err)
{
	command_complain("%s", err->text);
	return err->kind == ERROR_CONFIG ? EX_CONFIG : EX_TEMPFAIL;
}

static int list(const struct config *config)
{
	static const struct column columns[] = {
		{.title = "ID"}, {.title = "MADE"}, {.title = "USE"}};
	struct keyring keyring;
	struct error err = {0};
	struct table *table;

	if (keyring_load(&keyring, config->keys, &err) < 0)
		return fail(&err);
	table = table_new(columns, sizeof columns / sizeof columns[0]);
	for (size_t i = 0; i < keyring.count; i++) {
		char id[2] = {keyring.keys[i].id, '\0'};

		table_add(table, id);
		table_add(table, keyring.keys[i].made_on);
		table_add(table, i == 0 ? "signs and verifies" : "verifies");
	}
	keyring_wipe(&keyring);
	table_print(table, stdout, 0);
	table_free(table);
	return 0;
}

static int add(const struct config *config)
{
	struct error err = {0};
	char id;

	if (keyring_add(config->keys, time(NULL), &id, &err) < 0)
		return fail(&err);
	printf("Key %c is made and stands first in %s.\n"
	       "rejoinder-milter signs with it after a reload (SIGUSR1); the keys before it\n"
	       "go on verifying.\n",
	       id, config->keys);
	return 0;
}

int command_keys(struct invocation *invocation)
{
	int (*run)(const struct config *) = NULL;
	struct config *config;
	int status;

	if (!command_arguments(invocation, NULL, 1, 1, &status))
		return status;
	if (strcmp(invocation->argv[0], "list") == 0)
		run = list;
	else if (strcmp(invocation->argv[0], "add") == 0)
		run = add;
	else
		return command_usage_error(invocation, "keys: unexpected argument \"%s\"",
		                           invocation->argv[0]);
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = run(config);
	config_free(config);
	return status;
}
