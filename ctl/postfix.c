#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/file.h"
#include "ctl/output.h"
#include "ctl/relay_map.h"

static void print_missing(const struct string_list *from, const struct string_list *in, char sign)
{
	for (size_t i = 0; i < from->count; i++) {
		char *clean;

		if (string_list_has(in, from->items[i]))
			continue;
		clean = output_clean(from->items[i]);
		printf("%c %s\n", sign, clean);
		free(clean);
	}
}

static void print_changes(const char *earlier, const struct string_list *lines)
{
	struct string_list before = {0};

	relay_map_split(earlier, &before);
	print_missing(&before, lines, '-');
	print_missing(lines, &before, '+');
	string_list_release(&before);
}

static int maps(const struct config *config, const char *path, bool is_dry_run)
{
	struct file_bytes earlier;
	struct string_list lines = {0};
	struct error err;
	char *text;
	int status = 0, found = file_read(path, &earlier, &err);

	if (found < 0) {
		command_complain("%s", err.text);
		return EX_IOERR;
	}
	relay_map_lines(config, &lines);
	text = relay_map_text(config);
	if (found > 0 && strcmp(earlier.data, text) == 0) {
		printf("%s is up to date (%zu relay%s).\n", path, lines.count,
		       lines.count == 1 ? "" : "s");
	} else {
		print_changes(found > 0 ? earlier.data : "", &lines);
		if (is_dry_run) {
			printf("%s would be written.\n", path);
		} else if (file_write(path, &(struct file_bytes){text, strlen(text)},
		                      RELAY_MAP_MODE, &err) == 0) {
			printf("%s is written; Postfix reads it after: postfix reload\n", path);
		} else {
			command_complain("%s", err.text);
			status = EX_IOERR;
		}
	}
	free(text);
	free(earlier.data);
	string_list_release(&lines);
	return status;
}

int command_postfix(struct invocation *invocation)
{
	bool is_dry_run = false;
	const struct flag flags[] = {{"dry-run", 'n', &is_dry_run, NULL}, {NULL, 0, NULL, NULL}};
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 1, 2, &status))
		return status;
	if (strcmp(invocation->argv[0], "maps") != 0)
		return command_usage_error(invocation, "postfix: unexpected argument \"%s\"",
		                           invocation->argv[0]);
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = maps(config, invocation->argc > 1 ? invocation->argv[1] : config->transport_map,
	              is_dry_run);
	config_free(config);
	return status;
}
