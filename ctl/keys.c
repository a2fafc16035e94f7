#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/agree.h"
#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/civil.h"
#include "lib/base/secret.h"

/* What token_verify() allows beyond the lifetime, and that a day has begun when it is named. */
#define GRACE_DAYS 2

struct request {
	const struct invocation *invocation;
	const struct config *config;
	bool is_json, is_agreed;
	char id; /* of the key to retire */
};

static int fail(const struct error *err)
{
	command_complain("%s", err->text);
	if (err->kind == ERROR_PERMANENT)
		return EX_USAGE;
	return err->kind == ERROR_CONFIG ? EX_CONFIG : EX_TEMPFAIL;
}

/* The last day on which a token of a key may be believed: another has signed since it was made. */
static int64_t last_day(const struct keyring *keyring, size_t at, const struct config *config)
{
	int year, month, day;

	if (sscanf(keyring->keys[at - 1].made_on, "%4d-%2d-%2d", &year, &month, &day) != 3)
		return INT64_MAX;
	return civil_to_days(year, month, day) + config->token_lifetime_s / CIVIL_DAY_S +
	       GRACE_DAYS;
}

static void format_day(char out[OUTPUT_TIME_SIZE], int64_t day)
{
	struct civil civil = civil_from_days(day);

	snprintf(out, OUTPUT_TIME_SIZE, "%04d-%02d-%02d", civil.year, civil.month, civil.day);
}

static void print_json(const struct keyring *keyring, const struct config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; i < keyring->count; i++) {
		char id[2] = {keyring->keys[i].id, '\0'}, until[OUTPUT_TIME_SIZE];
		json_t *object = json_object();

		json_object_set_new(object, "id", json_string(id));
		json_object_set_new(object, "made", json_string(keyring->keys[i].made_on));
		json_object_set_new(object, "signs", json_boolean(i == 0));
		if (i > 0)
			format_day(until, last_day(keyring, i, config));
		json_object_set_new(object, "needed_until",
		                    i > 0 ? json_string(until) : json_null());
		json_array_append_new(array, object);
	}
	json_print(array);
}

static void print_table(const struct keyring *keyring, const struct config *config)
{
	static const struct column columns[] = {
		{.title = "ID"}, {.title = "MADE"}, {.title = "NEEDED UNTIL"}, {.title = "USE"}};
	struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);

	for (size_t i = 0; i < keyring->count; i++) {
		char id[2] = {keyring->keys[i].id, '\0'}, until[OUTPUT_TIME_SIZE] = "-";

		if (i > 0)
			format_day(until, last_day(keyring, i, config));
		table_add(table, id);
		table_add(table, keyring->keys[i].made_on);
		table_add(table, until);
		table_add(table, i == 0 ? "signs and verifies" : "verifies");
	}
	table_print(table, stdout, 0);
	table_free(table);
}

static int list(const struct request *request)
{
	struct keyring keyring;
	struct error err = {0};

	if (keyring_load(&keyring, request->config->keys, &err) < 0)
		return fail(&err);
	if (request->is_json)
		print_json(&keyring, request->config);
	else
		print_table(&keyring, request->config);
	keyring_wipe(&keyring);
	return 0;
}

static int add(const struct request *request)
{
	struct error err = {0};
	char id;

	if (keyring_add(request->config->keys, time(NULL), &id, &err) < 0)
		return fail(&err);
	printf("Key %c is made and stands first in %s.\n"
	       "rejoinder-milter signs with it after a reload (SIGUSR1); the keys before it\n"
	       "go on verifying.\n",
	       id, request->config->keys);
	return 0;
}

/* Say what stops working. False: *exit_out. */
static bool is_retired_knowingly(const struct request *request, const struct keyring *keyring,
                                 size_t at, int *exit_out)
{
	int64_t day = last_day(keyring, at, request->config);
	char until[OUTPUT_TIME_SIZE], question[80];

	if (day < civil_day_of(time(NULL))) {
		printf("No token that key %c signed is valid any more: nothing stops working.\n",
		       keyring->keys[at].id);
		return true;
	}
	format_day(until, day);
	printf("Tokens that key %c signed are valid until %s.  Without it, answers that come to\n"
	       "such an address, and links in alerts that carry one, are no longer known by\n"
	       "their token; answers are matched by the ids that they name, or begin a new\n"
	       "conversation.\n",
	       keyring->keys[at].id, until);
	if (request->is_agreed)
		return true;
	fflush(stdout);
	snprintf(question, sizeof(question), "Retire key %c?", keyring->keys[at].id);
	return agree(request->invocation, question, exit_out);
}

static int retire(const struct request *request)
{
	const char *path = request->config->keys;
	struct keyring keyring;
	struct error err = {0};
	const struct key *key;
	int status = 0, rc;

	if (keyring_load(&keyring, path, &err) < 0)
		return fail(&err);
	key = keyring_find(&keyring, request->id);
	if (key != NULL && key > keyring.keys &&
	    !is_retired_knowingly(request, &keyring, (size_t)(key - keyring.keys), &status)) {
		keyring_wipe(&keyring);
		return status;
	}
	keyring_wipe(&keyring);
	rc = keyring_remove(path, request->id, &err);
	if (rc < 0)
		return fail(&err);
	if (rc == 0) {
		command_complain("%s has no key %c", path, request->id);
		return EXIT_NO_RESULT;
	}
	printf("Key %c is gone from %s.\n"
	       "The daemons forget it when they are reloaded (SIGUSR1).\n",
	       request->id, path);
	return 0;
}

int command_keys(struct invocation *invocation)
{
	struct request request = {.invocation = invocation};
	const struct flag flags[] = {{"json", 'j', &request.is_json, NULL},
	                             {"yes", 'y', &request.is_agreed, NULL},
	                             {NULL, 0, NULL, NULL}};
	int (*run)(const struct request *) = NULL;
	struct config *config;
	int status, wanted = 1;

	if (!command_arguments(invocation, flags, 1, 2, &status))
		return status;
	if (strcmp(invocation->argv[0], "list") == 0) {
		run = list;
	} else if (strcmp(invocation->argv[0], "add") == 0) {
		run = add;
	} else if (strcmp(invocation->argv[0], "retire") == 0) {
		run = retire;
		wanted = 2;
	}
	if (run == NULL || invocation->argc > wanted)
		return command_usage_error(invocation, "keys: unexpected argument \"%s\"",
		                           invocation->argv[run != NULL ? wanted : 0]);
	if (invocation->argc < wanted || (wanted == 2 && strlen(invocation->argv[1]) != 1))
		return command_usage_error(invocation, "keys retire: name one key by its id");
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	request.config = config;
	if (wanted == 2)
		request.id = invocation->argv[1][0];
	status = run(&request);
	config_free(config);
	return status;
}
