#include <stdio.h>
#include <stdlib.h>

#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/base/preset.h"

static const char *or_dash(const char *text)
{
	return text != NULL ? text : "-";
}

static const char *sub_addressing_name(enum sub_addressing sub_addressing)
{
	switch (sub_addressing) {
	case SUB_ADDRESSING_YES:
		return "yes";
	case SUB_ADDRESSING_NO:
		return "no";
	case SUB_ADDRESSING_NOT_HERE:
		return "-";
	}
	return "-";
}

static void print_table(void)
{
	static const struct column columns[] = {
		{.title = "PRESET"},  {.title = "POP3"},
		{.title = "RELAY"},   {.title = "A DAY", .is_right = true},
		{.title = "SIGN-IN"}, {.title = "SUB-ADDRESSES"},
		{.title = "CHECKED"},
	};
	struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);

	for (const struct preset *preset = preset_table(); preset->name != NULL; preset++) {
		char *checked = xasprintf("%s%s", preset->checked_on,
		                          preset->unchecked != NULL ? " *" : "");

		table_add(table, preset->name);
		table_add(table, or_dash(preset_value(preset, "pop3")));
		table_add(table, or_dash(preset_value(preset, "relay")));
		table_add(table, or_dash(preset_value(preset, "daily_limit")));
		table_add(table, preset_sign_in_name(preset->sign_in));
		table_add(table, sub_addressing_name(preset->sub_addressing));
		table_add(table, checked);
		free(checked);
	}
	table_print(table, stdout, 0);
	table_free(table);
}

/* What does not fit into a table. */
static void print_remarks(void)
{
	printf("\n");
	for (const struct preset *preset = preset_table(); preset->name != NULL; preset++)
		if (preset->note != NULL)
			printf("%s: %s\n", preset->name, preset->note);
	printf("\n* could not be checked:\n");
	for (const struct preset *preset = preset_table(); preset->name != NULL; preset++)
		if (preset->unchecked != NULL)
			printf("%s: %s\n", preset->name, preset->unchecked);
}

static json_t *json_side(const struct preset_value *values)
{
	json_t *object = json_object();

	for (; values->key != NULL; values++)
		json_object_set_new(object, values->key, json_text(values->value));
	return object;
}

static void print_json(void)
{
	json_t *array = json_array();

	for (const struct preset *preset = preset_table(); preset->name != NULL; preset++) {
		const char *limit = preset_value(preset, "daily_limit");
		json_t *object = json_object();

		json_object_set_new(object, "name", json_text(preset->name));
		json_object_set_new(object, "title", json_text(preset->title));
		json_object_set_new(object, "pop3", json_text(preset_value(preset, "pop3")));
		json_object_set_new(object, "relay", json_text(preset_value(preset, "relay")));
		json_object_set_new(object, "daily_limit",
		                    limit != NULL ? json_integer(strtoll(limit, NULL, 10))
		                                  : json_null());
		json_object_set_new(object, "sign_in",
		                    json_text(preset_sign_in_name(preset->sign_in)));
		json_object_set_new(
			object, "sub_addressing",
			preset->sub_addressing == SUB_ADDRESSING_NOT_HERE
				? json_null()
				: json_boolean(preset->sub_addressing == SUB_ADDRESSING_YES));
		json_object_set_new(object, "incoming", json_side(preset->incoming));
		json_object_set_new(object, "outgoing", json_side(preset->outgoing));
		json_object_set_new(object, "checked_on", json_text(preset->checked_on));
		json_object_set_new(object, "unchecked", json_text(preset->unchecked));
		json_object_set_new(object, "note", json_text(preset->note));
		json_array_append_new(array, object);
	}
	json_print(array);
}

int command_presets(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	int status;

	if (!command_arguments(invocation, flags, 0, 0, &status))
		return status;
	if (is_json) {
		print_json();
		return 0;
	}
	print_table();
	print_remarks();
	return 0;
}
