#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/command.h"
#include "ctl/fetcher.h"
#include "ctl/finding.h"
#include "ctl/json.h"
#include "lib/base/memory.h"
#include "lib/base/spelling.h"

struct report {
	json_t *checks; /* NULL: they are printed as they come */
	bool is_coloured;
	size_t failures;
};

static const struct account *find_account(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (strcasecmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	return NULL;
}

static char *lower_copy(const char *text)
{
	char *copy = xstrdup(text);

	for (char *c = copy; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

/* The account whose name was mistyped, or begun, or whose address was given; or NULL. */
static const struct account *find_nearest(const struct config *config, const char *name)
{
	const struct account *nearest = NULL;
	size_t nearest_distance = SPELLING_NEAR + 1;
	char *lower = lower_copy(name);

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		char *other = lower_copy(account->name);
		size_t distance = spelling_distance(lower, other);

		if (strcmp(lower, account->address) == 0 ||
		    (strlen(lower) >= 2 && strncmp(lower, other, strlen(lower)) == 0))
			distance = 0;
		if (distance < nearest_distance) {
			nearest = account;
			nearest_distance = distance;
		}
		free(other);
	}
	free(lower);
	return nearest;
}

static int say_none(const struct config *config, const char *name)
{
	const struct account *nearest = find_nearest(config, name);

	if (nearest != NULL)
		command_complain("there is no account \"%s\"; did you mean \"%s\"?", name,
		                 nearest->name);
	else
		command_complain("there is no account \"%s\"; see: rejoinder accounts", name);
	return EX_USAGE;
}

static void take(void *context, const struct finding *finding)
{
	struct report *report = context;

	report->failures += finding->state == FINDING_FAILED;
	if (report->checks != NULL)
		json_array_append_new(report->checks, finding_json(finding));
	else
		finding_print(finding, report->is_coloured);
	fflush(stdout);
}

static int test(const struct invocation *invocation, const struct account *account, bool is_json)
{
	struct report report = {.checks = is_json ? json_array() : NULL,
	                        .is_coloured = finding_wants_colour()};
	int status = fetcher_test(invocation->config_path, account->name, take, &report);
	json_t *document;

	if (status != 0) {
		json_decref(report.checks);
		return status;
	}
	if (is_json) {
		document = json_object();
		json_object_set_new(document, "account", json_text(account->name));
		json_object_set_new(document, "ok", json_boolean(report.failures == 0));
		json_object_set_new(document, "checks", report.checks);
		json_print(document);
	}
	return report.failures == 0 ? 0 : EXIT_NO_RESULT;
}

int command_account(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	const struct account *account;
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 2, 2, &status))
		return status;
	if (strcmp(invocation->argv[0], "test") != 0)
		return command_usage_error(invocation, "unexpected argument \"%s\"",
		                           invocation->argv[0]);
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	account = find_account(config, invocation->argv[1]);
	if (account != NULL)
		status = test(invocation, account, is_json);
	else
		status = say_none(config, invocation->argv[1]);
	config_free(config);
	return status;
}
