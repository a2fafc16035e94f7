#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/config.h"
#include "lib/base/memory.h"

/*
 * The option tables as people meet them: the example, the man page, and what
 * `rejoinder config` prints.
 */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define EXAMPLE  "contrib/rejoinder.conf"
#define MAN_PAGE "man/rejoinder.conf.5"

/* The tests run in the top directory of the sources. */
static char *read_text(const char *path)
{
	FILE *stream = fopen(path, "r");
	struct buffer text;
	int c;

	if (stream == NULL)
		fail_msg("cannot open %s; run the tests in the top directory", path);
	buffer_init(&text, 1000000);
	while ((c = fgetc(stream)) != EOF)
		assert_int_equal(buffer_append_char(&text, (char)c), 0);
	fclose(stream);
	return buffer_take(&text);
}

/* The part of the text between two marks, the caller's. */
static char *part(const char *text, const char *from, const char *to)
{
	const char *start = strstr(text, from);
	const char *end;

	if (start == NULL)
		fail_msg("no %s", from);
	end = strstr(start + strlen(from), to);
	if (end == NULL)
		fail_msg("no %s after %s", to, from);
	return xmemdup0(start, (size_t)(end - start));
}

static void assert_in_man_page(const char *section, const struct option *option)
{
	char *heading = xasprintf(".It Ic %s\n", option->name);
	char *item = part(section, heading, "\n.It ");

	if (strstr(item, option->fallback != NULL ? option->fallback : "efault") == NULL)
		fail_msg("%s: no default %s in: %s", MAN_PAGE, option->fallback, item);
	free(item);
	free(heading);
}

static void the_man_page_has_every_option_and_its_default(void **state)
{
	char *page = read_text(MAN_PAGE);
	char *global = part(page, ".Sh THE REJOINDER SECTION", ".Sh ");
	char *account = part(page, ".Sh ACCOUNT SECTIONS", ".Sh ");
	char *whole;

	(void)state;
	/* Each item ends where the next begins. */
	whole = xasprintf("%s\n.It ", global);
	for (const struct option *option = config_options(); option->name != NULL; option++)
		assert_in_man_page(whole, option);
	free(whole);
	whole = xasprintf("%s\n.It ", account);
	for (const struct option *option = config_account_options(); option->name != NULL; option++)
		assert_in_man_page(whole, option);
	free(whole);
	free(global);
	free(account);
	free(page);
}

static void the_man_page_has_no_other_option(void **state)
{
	char *page = read_text(MAN_PAGE);
	size_t known = 0, items = 0;

	(void)state;
	for (const struct option *option = config_options(); option->name != NULL; option++)
		known++;
	for (const struct option *option = config_account_options(); option->name != NULL; option++)
		known++;
	for (const char *at = page; (at = strstr(at, "\n.It Ic ")) != NULL; at++)
		items++;
	assert_int_equal(items, known);
	free(page);
}

/* As `key = value` or, with its default, as `#key = default`. */
static void assert_in_example(const char *section, const struct option *option)
{
	char *given = xasprintf("\n%s =", option->name);
	char *remark = xasprintf("\n#%s =%s%s", option->name, option->fallback != NULL ? " " : "",
	                         option->fallback != NULL ? option->fallback : "");

	if (strstr(section, given) == NULL && strstr(section, remark) == NULL)
		fail_msg("%s: neither \"%s\" nor \"%s\"", EXAMPLE, given + 1, remark + 1);
	free(given);
	free(remark);
}

static void the_example_has_every_option(void **state)
{
	char *example = read_text(EXAMPLE);
	char *global = part(example, "\n[rejoinder]\n", "\n[account ");
	char *account = part(example, "\n[account \"Replies\"]\n", "\n[account ");

	(void)state;
	for (const struct option *option = config_options(); option->name != NULL; option++)
		assert_in_example(global, option);
	for (const struct option *option = config_account_options(); option->name != NULL; option++)
		assert_in_example(account, option);
	free(example);
	free(global);
	free(account);
}

static struct config *load_good(const char *path)
{
	struct string_list mistakes = {0};
	struct config *config;

	if (config_load(path, &config, &mistakes) != 0)
		fail_msg("%s", mistakes.items[0]);
	return config;
}

static void the_example_loads_with_replies_alone(void **state)
{
	static const char *const names[] = {"Replies", "Sales", "Support", "Notifications", "Jobs"};
	struct config *config = load_good(EXAMPLE);

	(void)state;
	assert_string_equal(config->domains.items[0], "company.example");
	assert_true(config_is_staff(config, "jane@company.example"));
	assert_int_equal(config->account_count, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_string_equal(config->accounts[i].name, names[i]);
		assert_int_equal(config->accounts[i].is_enabled, i == 0);
	}
	assert_ptr_equal(config_default_incoming(config, "company.example"), &config->accounts[0]);
	assert_ptr_equal(config_default_outgoing(config, "company.example"), &config->accounts[0]);
	config_free(config);
}

/* What an admin gets who turns everything on. */
static void the_example_loads_with_every_account(void **state)
{
	char *example = read_text(EXAMPLE);
	char path[] = "/tmp/test_option.XXXXXX";
	struct config *config;
	FILE *stream = fdopen(mkstemp(path), "w");

	(void)state;
	assert_non_null(stream);
	for (char *at; (at = strstr(example, "\nenabled = no\n")) != NULL;)
		memcpy(at, "\nenabled =yes\n", 14);
	/* The file is not there; whether a command is, is not asked before it is run. */
	memcpy(strstr(example, "\npassword_file = /etc/"), "\npassword_command =", 19);
	fputs(example, stream);
	assert_int_equal(fclose(stream), 0);
	config = load_good(path);
	for (size_t i = 0; i < config->account_count; i++)
		assert_true(config->accounts[i].is_enabled);
	config_free(config);
	free(example);
	remove(path);
}

static char *print(const struct config *config)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	config_print(config, stream);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void what_is_printed_has_every_option_and_its_origin(void **state)
{
	struct config *config = load_good(EXAMPLE);
	char *text = print(config);

	(void)state;
	for (const struct option *option = config_options(); option->name != NULL; option++) {
		char *line = xasprintf("\n%s =", option->name);

		assert_non_null(strstr(text, line));
		free(line);
	}
	assert_non_null(strstr(text, "\ntoken_lifetime = 400d  # default\n"));
	assert_non_null(strstr(text, "\ndomains = company.example  # " EXAMPLE ":17\n"));
	assert_non_null(strstr(text, "\nauthserv_id =  # default\n"));
	assert_non_null(strstr(text, "\n[account \"Jobs\"]\ninherit =  # default\n"));
	free(text);
	config_free(config);
}

struct duration_row {
	const char *name;
	enum option_unit unit;
	const char *value;
	int64_t expected; /* -1: refused */
	const char *printed;
};

static const struct duration_row duration_rows[] = {
	{"seconds", UNIT_SECONDS, "90s", 90, "90s"},
	{"minutes in seconds", UNIT_SECONDS, "30m", 1800, "30m"},
	{"hours are days when they can be", UNIT_SECONDS, "48h", 172800, "2d"},
	{"days in milliseconds", UNIT_MILLISECONDS, "1d", 86400000, "1d"},
	{"milliseconds", UNIT_MILLISECONDS, "1500ms", 1500, "1500ms"},
	{"milliseconds that are whole seconds", UNIT_SECONDS, "2000ms", 2, "2s"},
	{"milliseconds that are not", UNIT_SECONDS, "1500ms", -1, NULL},
	{"nothing at all", UNIT_SECONDS, "0s", 0, "0s"},
	{"the largest", UNIT_SECONDS, "1000000s", 1000000, "1000000s"},
	{"larger", UNIT_SECONDS, "1000001s", -1, NULL},
	{"a sign", UNIT_SECONDS, "-1s", -1, NULL},
	{"a plus sign", UNIT_SECONDS, "+1s", -1, NULL},
	{"a blank before the unit", UNIT_SECONDS, "1 s", -1, NULL},
	{"no unit", UNIT_SECONDS, "1", -1, NULL},
	{"no number", UNIT_SECONDS, "s", -1, NULL},
	{"a fraction", UNIT_SECONDS, "1.5h", -1, NULL},
	{"an unknown unit", UNIT_SECONDS, "1w", -1, NULL},
	{"too many digits", UNIT_SECONDS, "99999999999999999999s", -1, NULL},
	{"an overflow by the unit", UNIT_SECONDS, "9223372036854775807d", -1, NULL},
	{"an overflow by milliseconds", UNIT_SECONDS, "9223372036854775s", -1, NULL},
};

static void a_duration_is_read_and_printed(void **state)
{
	const struct duration_row *row = *state;
	const struct option option = {.name = "x",
	                              .type = OPTION_DURATION,
	                              .unit = row->unit,
	                              .max = row->unit == UNIT_SECONDS ? 1000000 : 1000000000};
	int64_t value = -1;
	struct error err;
	struct buffer out;

	assert_int_equal(option_set(&option, &value, row->value, &err), row->expected < 0 ? -1 : 0);
	assert_int_equal(value, row->expected);
	if (row->expected < 0)
		return;
	buffer_init(&out, 100);
	option_format(&option, &value, &out);
	assert_string_equal(out.data, row->printed);
	buffer_release(&out);
}

struct value_row {
	const char *name;
	struct option option;
	const char *value;
	int64_t expected;
	const char *printed; /* NULL: refused */
};

static const char *const words[] = {"no", "forever", NULL};

#define LEAVE                                                                                      \
	{                                                                                          \
		.name = "x", .type = OPTION_DURATION, .unit = UNIT_SECONDS, .min = 1, .max = 100,  \
		.choices = words                                                                   \
	}
#define SIZE                                                                                       \
	{                                                                                          \
		.name = "x", .type = OPTION_SIZE, .min = 1024, .max = 1 << 30                      \
	}
#define NUMBER                                                                                     \
	{                                                                                          \
		.name = "x", .type = OPTION_NUMBER, .min = 1, .max = 32                            \
	}

static const struct value_row value_rows[] = {
	{"the first word of a duration is 0", LEAVE, "no", 0, "no"},
	{"the second is -1, in any case", LEAVE, "Forever", -1, "forever"},
	{"a duration with words is a number too", LEAVE, "90s", 90, "90s"},
	{"another word is refused", LEAVE, "never", 0, NULL},
	{"a duration of nothing has a word, and is no number", LEAVE, "0s", 0, NULL},
	{"a size in bytes", SIZE, "1025", 1025, "1025"},
	{"a size in K", SIZE, "2048K", 2 << 20, "2M"},
	{"a size in G", SIZE, "1G", 1 << 30, "1G"},
	{"a size over the largest", SIZE, "1048577K", 0, NULL},
	{"a size under the smallest", SIZE, "1023", 0, NULL},
	{"a size with a blank", SIZE, "2 K", 0, NULL},
	{"a size in an unknown unit", SIZE, "2MB", 0, NULL},
	{"a size that overflows", SIZE, "9223372036854775807K", 0, NULL},
	{"a number", NUMBER, "32", 32, "32"},
	{"a number over the largest", NUMBER, "33", 0, NULL},
	{"a number under the smallest", NUMBER, "0", 0, NULL},
	{"a number with something behind it", NUMBER, "4x", 0, NULL},
	{"a number with a sign", NUMBER, "-4", 0, NULL},
};

static void a_value_is_read_and_printed(void **state)
{
	const struct value_row *row = *state;
	int64_t value = -7;
	struct error err;
	struct buffer out;

	assert_int_equal(option_set(&row->option, &value, row->value, &err),
	                 row->printed == NULL ? -1 : 0);
	assert_int_equal(value, row->printed == NULL ? -7 : row->expected);
	if (row->printed == NULL)
		return;
	buffer_init(&out, 100);
	option_format(&row->option, &value, &out);
	assert_string_equal(out.data, row->printed);
	buffer_release(&out);
}

static void a_secret_is_shown_nowhere(void **state)
{
	const struct option option = {.name = "x", .type = OPTION_SECRET};
	char *value = NULL, long_value[200];
	struct error err;
	struct buffer out;

	(void)state;
	buffer_init(&out, 100);
	option_format(&option, &value, &out);
	assert_string_equal(out.data, "");
	assert_int_equal(option_set(&option, &value, "tapir", &err), 0);
	assert_string_equal(value, "tapir");
	option_format(&option, &value, &out);
	assert_string_equal(out.data, "(set)");
	buffer_release(&out);
	memset(long_value, 'q', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	assert_int_equal(option_set(&option, &value, long_value, &err), -1);
	assert_null(strstr(err.text, "qq"));
	option_release_all((const struct option[]){option, {NULL}}, &value);
	assert_null(value);
}

static void levels_are_sorted_whatever_their_order(void **state)
{
	const struct option option = {.name = "alert",
	                              .type = OPTION_ALERTS,
	                              .unit = UNIT_SECONDS,
	                              .min = 1,
	                              .max = 1000000};
	struct alert_levels levels = {0};
	struct error err;
	struct buffer out;

	(void)state;
	assert_int_equal(option_set(&option, &levels, "4h TO Boss@Company.test", &err), 0);
	assert_int_equal(option_set(&option, &levels, "30m to\towner, a@company.test,owner", &err),
	                 0);
	assert_int_equal(option_set(&option, &levels, "1d to owner", &err), 0);
	assert_int_equal(levels.count, 3);
	assert_int_equal(levels.items[0].after_s, 1800);
	buffer_init(&out, 200);
	option_format(&option, &levels, &out);
	assert_string_equal(out.data, "30m to owner, a@company.test\n4h to boss@company.test\n"
	                              "1d to owner");
	buffer_release(&out);
	option_release_all((const struct option[]){option, {NULL}}, &levels);
	assert_int_equal(levels.count, 0);
}

int main(void)
{
	struct CMUnitTest tests[8 + COUNT(duration_rows) + COUNT(value_rows)] = {
		cmocka_unit_test(the_man_page_has_every_option_and_its_default),
		cmocka_unit_test(the_man_page_has_no_other_option),
		cmocka_unit_test(the_example_has_every_option),
		cmocka_unit_test(the_example_loads_with_replies_alone),
		cmocka_unit_test(the_example_loads_with_every_account),
		cmocka_unit_test(what_is_printed_has_every_option_and_its_origin),
		cmocka_unit_test(a_secret_is_shown_nowhere),
		cmocka_unit_test(levels_are_sorted_whatever_their_order),
	};
	size_t count = 8;

	for (size_t i = 0; i < COUNT(duration_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = duration_rows[i].name,
		                            .test_func = a_duration_is_read_and_printed,
		                            .initial_state = (void *)(uintptr_t)&duration_rows[i]};
	for (size_t i = 0; i < COUNT(value_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = value_rows[i].name,
		                            .test_func = a_value_is_read_and_printed,
		                            .initial_state = (void *)(uintptr_t)&value_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
