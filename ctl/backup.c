#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/json.h"
#include "lib/store/backup.h"

static int exit_code(const struct error *err)
{
	switch (err->kind) {
	case ERROR_CONFIG:
		return EX_CONFIG;
	case ERROR_FULL:
		return EX_CANTCREAT;
	case ERROR_CORRUPT:
		return EX_DATAERR;
	default:
		return EX_TEMPFAIL;
	}
}

static void say(const char *path, bool is_json)
{
	json_t *object;

	if (!is_json) {
		puts(path);
		return;
	}
	object = json_object();
	json_object_set_new(object, "backup", json_text(path));
	json_print(object);
}

static int run(const struct config *config, const char *directory, bool is_json)
{
	struct error err = {0};
	struct store *store = command_open_store(config, STORE_READ, &err);
	char *path = NULL;
	int status = 0;

	if (store == NULL || store_backup(store, directory, config->keys, config->path, time(NULL),
	                                  &path, &err) < 0) {
		command_complain("%s", err.text);
		status = exit_code(&err);
	} else {
		say(path, is_json);
	}
	store_close(store);
	free(path);
	return status;
}

int command_backup(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 1, 1, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = run(config, invocation->argv[0], is_json);
	config_free(config);
	return status;
}
