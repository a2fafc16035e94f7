#include "ctl/command.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/base/spelling.h"
#include "lib/conversation/token.h"
#include "lib/store/query.h"

#define OPEN_PATIENCE_MS 2000
#define OPEN_RETRY_MS    50
#define READ_DEADLINE_MS 10000
#define AMBIGUOUS_SHOWN  10

const struct command *command_find(const char *name)
{
	for (const struct command *command = command_table(); command->name != NULL; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

const char *command_nearest(const char *name)
{
	const char *nearest = NULL;
	size_t nearest_distance = SPELLING_NEAR + 1;
	size_t length = strlen(name);

	if (length == 0)
		return NULL;
	for (const struct command *command = command_table(); command->name != NULL; command++) {
		size_t distance = spelling_distance(name, command->name);

		if (length >= 2 && strncmp(name, command->name, length) == 0)
			distance = 0;
		if (distance < nearest_distance && distance < strlen(command->name)) {
			nearest = command->name;
			nearest_distance = distance;
		}
	}
	return nearest;
}

static void complain(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
static void complain(const char *format, va_list args)
{
	char *text, *clean;

	if (vasprintf(&text, format, args) < 0)
		abort();
	clean = output_clean(text);
	/* Both may go into one file: there it comes after what was said before. */
	fflush(stdout);
	fprintf(stderr, "rejoinder: %s\n", clean);
	free(clean);
	free(text);
}

void command_complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

int command_usage_error(const struct invocation *invocation, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
	fprintf(stderr, "usage: rejoinder %s %s\n", invocation->command->name,
	        invocation->command->usage);
	return EX_USAGE;
}

bool command_arguments(struct invocation *invocation, const struct flag *flags, int min, int max,
                       int *exit_out)
{
	struct flag all[FLAGS_MAX + 1] = {0};
	bool wants_help = false;
	size_t count = 0;
	char *speaker;
	int rc;

	for (; flags != NULL && flags[count].name != NULL && count < FLAGS_MAX - 2; count++)
		all[count] = flags[count];
	all[count++] = (struct flag){"config", 'c', NULL, &invocation->config_path};
	all[count++] = (struct flag){"help", 'h', &wants_help, NULL};

	speaker = xasprintf("rejoinder %s", invocation->command->name);
	rc = arguments_read(speaker, all, false, &invocation->argc, &invocation->argv);
	free(speaker);
	*exit_out = EX_USAGE;
	if (rc < 0) {
		fprintf(stderr, "usage: rejoinder %s %s\n", invocation->command->name,
		        invocation->command->usage);
		return false;
	}
	if (wants_help) {
		printf("usage: rejoinder %s %s\n%s\n", invocation->command->name,
		       invocation->command->usage, invocation->command->help);
		*exit_out = 0;
		return false;
	}
	if (invocation->argc < min) {
		command_usage_error(invocation, "%s: an argument is missing",
		                    invocation->command->name);
		return false;
	}
	if (invocation->argc > max) {
		command_usage_error(invocation, "%s: unexpected argument \"%s\"",
		                    invocation->command->name, invocation->argv[max]);
		return false;
	}
	return true;
}

struct config *command_load_config(const struct invocation *invocation)
{
	struct string_list mistakes = {0};
	struct config *config = NULL;

	if (config_load(invocation->config_path, &config, &mistakes) < 0)
		config = NULL;
	for (size_t i = 0; i < mistakes.count; i++)
		command_complain("%s", mistakes.items[i]);
	string_list_release(&mistakes);
	return config;
}

struct store *command_open_store(const struct config *config, enum store_mode mode,
                                 struct error *err)
{
	int64_t patience_ends_ms = store_clock_ms() + OPEN_PATIENCE_MS;
	struct store *store;

	/* Never make one here: it would belong to whoever called, not to the milter. */
	if (access(config->store, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		error_set(err, ERROR_TEMPORARY,
		          "there is no store at %s yet: rejoinder-milter makes it when it starts",
		          config->store);
		return NULL;
	}
	/* A daemon that has just started makes it, or brings it to our schema, in a moment. */
	while ((store = store_open(config->store, mode, err)) == NULL &&
	       err->kind == ERROR_TEMPORARY && store_clock_ms() < patience_ends_ms)
		poll(NULL, 0, OPEN_RETRY_MS);
	if (store != NULL)
		store_set_deadline(store, store_clock_ms() + READ_DEADLINE_MS);
	if (store != NULL && store_upgrade_copy(store) != NULL)
		command_complain("upgraded the store %s; as it was it stands in %s", config->store,
		                 store_upgrade_copy(store));
	return store;
}

static void list_candidates(struct store *store, const char *prefix, const int64_t *ids,
                            size_t count)
{
	command_complain("\"%s\" begins the ids of several conversations:", prefix);
	for (size_t i = 0; i < count && i < AMBIGUOUS_SHOWN; i++) {
		struct conversation_row row = {0};
		char id[CONVERSATION_ID_SIZE];
		char *subject;

		if (store_get_conversation(store, ids[i], &row, NULL) != 1)
			continue;
		conversation_id_format(row.id, id);
		subject = output_clean(row.subject);
		fprintf(stderr, "  %s  %s\n", id, subject);
		free(subject);
		conversation_row_release(&row);
	}
	if (count > AMBIGUOUS_SHOWN)
		fprintf(stderr, "  and more\n");
}

int command_resolve(const struct invocation *invocation, struct store *store, const char *prefix,
                    int64_t *id_out)
{
	struct error err = {0};
	int64_t *ids = NULL;
	size_t count = 0;
	int status = 0;

	if (*prefix == '\0')
		return command_usage_error(invocation,
		                           "a conversation id has at least one character");
	if (store_find_by_prefix(store, prefix, AMBIGUOUS_SHOWN + 1, &ids, &count, &err) < 0) {
		command_complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	if (count == 0) {
		command_complain("no conversation has the id \"%s\", or one that begins so",
		                 prefix);
		status = EXIT_NO_RESULT;
	} else if (count > 1) {
		list_candidates(store, prefix, ids, count);
		status = EX_USAGE;
	} else {
		*id_out = ids[0];
	}
	free(ids);
	return status;
}
