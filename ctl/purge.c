#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/agree.h"
#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/store/purge.h"

#define AGE_MIN_S 86400

struct request {
	const struct invocation *invocation;
	const struct config *config;
	bool is_trial, is_agreed, is_json;
	char *address; /* NULL: by age */
	int64_t before;
};

static atomic_bool is_stopping;

static void stop(int number)
{
	(void)number;
	atomic_store(&is_stopping, true);
}

static int fail(const struct error *err)
{
	command_complain("%s", err->text);
	return err->kind == ERROR_CORRUPT ? EX_DATAERR : EX_TEMPFAIL;
}

/* With a connection of its own: a look must change nothing. */
static int purge(const struct request *request, bool is_trial, struct purged *out,
                 struct error *err)
{
	struct store *store =
		command_open_store(request->config, is_trial ? STORE_READ : STORE_WRITE, err);
	struct string_list accounts = {0};
	int rc = -1;

	if (store == NULL)
		return -1;
	store_set_deadline(store, 0);
	store_set_stop(store, &is_stopping);
	for (size_t i = 0; i < request->config->account_count; i++)
		string_list_add(&accounts, request->config->accounts[i].name);
	if (request->address != NULL)
		rc = store_purge_address(store, request->config, request->address, is_trial, out,
		                         err);
	else
		rc = store_purge_older(store, &accounts, request->before, is_trial, out, err);
	string_list_release(&accounts);
	store_close(store);
	return rc;
}

/* What would be or was removed, as one sentence without its end. A heap string. */
static char *describe(const struct request *request, const struct purged *purged)
{
	const char *plural = purged->conversations == 1 ? "" : "s";
	const char *plural_messages = purged->messages == 1 ? "" : "s";

	if (request->address == NULL)
		return xasprintf("%" PRId64 " conversation%s with %" PRId64
		                 " message%s in which nobody wrote since",
		                 purged->conversations, plural, purged->messages, plural_messages);
	return xasprintf("%" PRId64 " conversation%s with %" PRId64
	                 " message%s, and what is known of the address in %" PRId64
	                 " more conversation%s",
	                 purged->conversations, plural, purged->messages, plural_messages,
	                 purged->scrubbed, purged->scrubbed == 1 ? "" : "s");
}

static void print_json(const struct request *request, const struct purged *purged)
{
	json_t *object = json_object();

	json_object_set_new(object, "removed", json_boolean(!request->is_trial));
	json_object_set_new(object, "address", json_text(request->address));
	json_object_set_new(object, "before", json_time(request->before));
	json_object_set_new(object, "conversations", json_integer(purged->conversations));
	json_object_set_new(object, "messages", json_integer(purged->messages));
	json_object_set_new(object, "conversations_without_address",
	                    json_integer(purged->scrubbed));
	json_object_set_new(object, "mentions", json_integer(purged->mentions));
	json_object_set_new(object, "inboxes", json_integer(purged->inboxes));
	json_object_set_new(object, "in_wal", json_boolean(purged->is_in_wal));
	json_print(object);
}

static void print_text(const struct request *request, const struct purged *purged)
{
	char *what = describe(request, purged);

	printf("%s: %s.\n", request->is_trial ? "Would be removed" : "Removed", what);
	if (purged->inboxes > 0)
		printf("%s: what was fetched from %" PRId64 " inbox%s that no account has.\n",
		       request->is_trial ? "Would be removed" : "Removed", purged->inboxes,
		       purged->inboxes == 1 ? "" : "es");
	if (purged->mentions > 0)
		printf("The address %s in %" PRId64 " more record%s.\n",
		       request->is_trial ? "would be taken out of texts" : "stood",
		       purged->mentions, purged->mentions == 1 ? "" : "s");
	if (request->address != NULL && !request->is_trial)
		puts("Backups that were made before hold it until they are gone, and so do the\n"
		     "logs and mailboxes of this machine.");
	free(what);
}

static void say(const struct request *request, const struct purged *purged)
{
	if (request->is_json)
		print_json(request, purged);
	else
		print_text(request, purged);
	if (!request->is_trial && purged->is_in_wal)
		command_complain("somebody reads the store all the time, so the end of its log "
		                 "(-wal) holds what was removed until he rests");
}

static bool is_agreed(const struct request *request, int *exit_out)
{
	struct purged trial;
	struct error err;
	char *what;

	if (request->is_agreed)
		return true;
	if (purge(request, true, &trial, &err) < 0) {
		*exit_out = fail(&err);
		return false;
	}
	what = describe(request, &trial);
	fprintf(stderr, "To be removed: %s.\n", what);
	if (trial.mentions > 0)
		fprintf(stderr,
		        "The address would be taken out of texts in %" PRId64 " more record%s.\n",
		        trial.mentions, trial.mentions == 1 ? "" : "s");
	free(what);
	return agree(request->invocation, "Remove it for good?", exit_out);
}

static int run(const struct request *request)
{
	struct purged purged;
	struct error err;
	int status;

	if (!request->is_trial && !is_agreed(request, &status))
		return status;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (purge(request, request->is_trial, &purged, &err) < 0)
		return fail(&err);
	say(request, &purged);
	return 0;
}

/* 0, or what the program ends with after a sentence. */
static int read_request(const char *age, const char *address, struct request *request)
{
	const struct invocation *invocation = request->invocation;
	int64_t span_s;

	if ((age == NULL) == (address == NULL))
		return command_usage_error(invocation,
		                           "purge: give either --older-than or --address");
	if (age != NULL) {
		if (!moment_read_span(age, &span_s) || span_s < AGE_MIN_S ||
		    span_s > MOMENT_SPAN_MAX_S)
			return command_usage_error(
				invocation, "purge: found \"%s\", expected 1d to 3650d", age);
		request->before = time(NULL) - span_s;
		return 0;
	}
	request->address = address_from_envelope(address);
	if (request->address == NULL || *request->address == '\0')
		return command_usage_error(invocation, "purge: found \"%s\", expected an address",
		                           address);
	if (config_is_inside(request->config, request->address) ||
	    config_is_staff(request->config, request->address))
		return command_usage_error(
			invocation, "purge: %s is one of yours; only addresses outside are purged",
			request->address);
	return 0;
}

int command_purge(struct invocation *invocation)
{
	struct request request = {.invocation = invocation};
	const char *age = NULL, *address = NULL;
	const struct flag flags[] = {
		{"older-than", 'o', NULL, &age},           {"address", 'a', NULL, &address},
		{"dry-run", 'n', &request.is_trial, NULL}, {"yes", 'y', &request.is_agreed, NULL},
		{"json", 'j', &request.is_json, NULL},     {NULL, 0, NULL, NULL}};
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 0, 0, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	request.config = config;
	status = read_request(age, address, &request);
	if (status == 0)
		status = run(&request);
	free(request.address);
	config_free(config);
	return status;
}
