#include "lib/base/config_reader.h"

#include <string.h>

static const struct option *find_option(const struct option *table, const char *key)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, key) == 0)
			return table;
	return NULL;
}

/*
 * Read a value; every wrong item of a list is a mistake of its own.  False if
 * there is none now.
 */
static bool set_value(struct reader *reader, const struct option *option, void *base,
                      const char *value)
{
	struct error err;
	char item[LINE_MAX_BYTES + 1];

	if (!option_is_list(option)) {
		if (option_set(option, base, value, &err) == 0)
			return true;
		mistake_here(reader, "%s: %s", option->name, err.text);
		return false;
	}
	for (value += strspn(value, ", "); *value != '\0'; value += strspn(value, ", ")) {
		size_t length = strcspn(value, ", ");

		memcpy(item, value, length);
		item[length] = '\0';
		if (option_set(option, base, item, &err) != 0)
			mistake_here(reader, "%s: %s", option->name, err.text);
		value += length;
	}
	return true;
}

/* What a key of the table stands in, in words. */
static const char *home_of(const struct option *table)
{
	return table == config_options()            ? "[rejoinder]"
	       : table == config_calendar_options() ? "a [calendar] section"
	                                            : "an account";
}

static void refuse_unknown_key(struct reader *reader, const struct option *table, const char *key)
{
	const struct option *const tables[] = {config_options(), config_account_options(),
	                                       config_calendar_options()};
	const char *nearest = config_nearest_key(table, key);

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (find_option(tables[i], key) == NULL)
			continue;
		mistake_here(reader, "%s: found it in %s, expected it in %s", key,
		             reader->section == SECTION_COMMON ? "a [common] section"
		                                               : home_of(table),
		             home_of(tables[i]));
		return;
	}
	if (nearest != NULL)
		mistake_here(reader, "%s: found an unknown key, expected perhaps %s", key, nearest);
	else
		mistake_here(reader,
		             "%.*s: found an unknown key, expected one of rejoinder.conf(5)",
		             reader_shown_length(key), key);
}

static void continue_value(struct reader *reader, const struct option *table, void *base,
                           const char *value)
{
	char key[LINE_MAX_BYTES + 1];
	size_t key_length = strcspn(value, " =:");

	if (reader->option == NULL)
		return;
	memcpy(key, value, key_length);
	key[key_length] = '\0';
	if (strchr("=:", value[key_length + strspn(value + key_length, " ")]) != NULL &&
	    find_option(table, key) != NULL)
		mistake_here(reader,
		             "%s: found it indented, which continues %s above, expected it at the "
		             "beginning of the line",
		             key, reader->option->name);
	else if (reader->option->type == OPTION_SECRET)
		mistake_here(reader, "%s: found a second line, expected the value on one",
		             reader->option->name);
	else if (!option_is_list(reader->option))
		mistake_here(reader, "%s: found a second line \"%.*s\", expected the value on one",
		             reader->option->name, reader_shown_length(value), value);
	else
		(void)set_value(reader, reader->option, base, value);
}

/* Which level is the new one is not known otherwise: they are sorted. */
static void note_alert_line(struct reader *reader)
{
	struct alert_levels *alerts = &reader->account->alerts;

	for (size_t i = 0; i < alerts->count; i++)
		if (alerts->items[i].line == 0)
			alerts->items[i].line = reader->line_number;
}

/* What no two accounts have in common. */
static bool is_of_one_account(const char *key)
{
	return strcmp(key, "address") == 0 || strcmp(key, "enabled") == 0;
}

/* Where the keys of this section go. */
static const struct option *table_of(const struct reader *reader, void **base_out,
                                     struct option_origin **origins_out)
{
	switch (reader->section) {
	case SECTION_ACCOUNT:
	case SECTION_COMMON:
		*base_out = reader->account;
		*origins_out = reader->account->origins;
		return config_account_options();
	case SECTION_CALENDAR:
		*base_out = reader->calendar;
		*origins_out = reader->calendar->origins;
		return config_calendar_options();
	case SECTION_NONE:
	case SECTION_UNKNOWN:
	case SECTION_REJOINDER:
		break;
	}
	*base_out = reader->config;
	*origins_out = reader->config->origins;
	return config_options();
}

int reader_take_value(void *user, const char *section, const char *key, const char *value)
{
	struct reader *reader = user;
	void *base;
	struct option_origin *origin;
	const struct option *table = table_of(reader, &base, &origin);

	(void)section; /* cut at 49 bytes */
	reader->is_awaited = false;
	if (reader->section == SECTION_NONE) {
		reader->section = SECTION_UNKNOWN;
		mistake_here(reader, "%.*s: found before any title, expected [rejoinder] first",
		             reader_shown_length(key), key);
	}
	if (reader->section == SECTION_UNKNOWN)
		return 1;
	if (reader->is_indented && reader->has_key) {
		continue_value(reader, table, base, value);
		return 1;
	}
	reader->has_key = key[0] != '\0';
	reader->option = find_option(table, key);
	if (!reader->has_key) {
		mistake_here(reader, "found no key before \"=\", expected key = value");
		return 1;
	}
	if (reader->option == NULL) {
		refuse_unknown_key(reader, table, key);
		return 1;
	}
	if (reader->section == SECTION_COMMON && is_of_one_account(key)) {
		mistake_here(reader,
		             "%s: found it in a [common] section, expected it in each account",
		             key);
		reader->option = NULL;
		return 1;
	}
	origin += reader->option - table;
	/* Each further `alert =` is one level more. */
	if (origin->line > 0 && reader->option->type != OPTION_ALERTS) {
		mistake_here(reader, "%s: found twice, expected once (first on line %d)", key,
		             origin->line);
		reader->option = NULL;
		return 1;
	}
	if (origin->line == 0)
		origin->line = reader->line_number;
	origin->is_wrong = !set_value(reader, reader->option, base, value);
	if (reader->option->type == OPTION_ALERTS)
		note_alert_line(reader);
	return 1;
}
