#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/as_user.h"
#include "ctl/command.h"
#include "ctl/json.h"
#include "lib/base/memory.h"
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

static atomic_bool is_stopping;

static void stop(int number)
{
	(void)number;
	atomic_store(&is_stopping, true);
}

/* Of the directory, or where it is made. */
static int find_owner(const char *directory, struct stat *out)
{
	char *copy = xstrdup(directory);
	int rc = stat(directory, out);

	if (rc < 0 && errno == ENOENT)
		rc = stat(dirname(copy), out);
	free(copy);
	return rc;
}

/*
 * Root makes nothing as root where another may put links in the way, and reads nothing
 * for him that he may not.
 */
static int take_no_more_than(const struct config *config, const char *directory, struct error *err)
{
	struct stat owner, store;

	if (geteuid() != 0 || find_owner(directory, &owner) < 0 || owner.st_uid == 0)
		return 0;
	if (stat(config->store, &store) == 0 && store.st_uid != owner.st_uid)
		return error_set(err, ERROR_CONFIG,
		                 "%s belongs to another user than the store: give a directory of "
		                 "root's, or of the store's owner",
		                 directory);
	return as_owner(&owner, err);
}

static int run(const struct config *config, const char *directory, bool is_json)
{
	struct error err = {0};
	struct store *store = NULL;
	char *path = NULL;
	int status = 0;

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (take_no_more_than(config, directory, &err) == 0)
		store = command_open_store(config, STORE_READ, &err);
	if (store != NULL)
		store_set_stop(store, &is_stopping);
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
