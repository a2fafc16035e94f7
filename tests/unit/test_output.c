#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/output.h"

struct clean_row {
	const char *name;
	const char *text, *clean;
};

static const struct clean_row clean_rows[] = {
	{"plain text", "Jane <jane@company.test>", "Jane <jane@company.test>"},
	{"no text", NULL, ""},
	{"letters beyond ASCII", "Grüße, 日本", "Grüße, 日本"},
	{"lines and tabs are blanks", "a\r\nb\tc", "a  b c"},
	{"an escape sequence loses its ESC", "\033[2Jx", "\xef\xbf\xbd[2Jx"},
	{"a control character of C1",
         "a\xc2\x9b"
         "2J",
         "a\xef\xbf\xbd"
         "2J"},
	{"a mark that reorders",
         "a\xe2\x80\xae"
         "b",
         "a\xef\xbf\xbd"
         "b"},
	{"bytes that are not UTF-8, one by one", "\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd"},
	{"a character cut short", "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
};

static void test_clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(clean_rows) / sizeof(clean_rows[0]); i++) {
		char *clean = output_clean(clean_rows[i].text);

		if (strcmp(clean, clean_rows[i].clean) != 0)
			fail_msg("%s: found \"%s\", expected \"%s\"", clean_rows[i].name, clean,
			         clean_rows[i].clean);
		free(clean);
	}
}

struct wrapped_row {
	const char *name;
	const char *head;
	size_t indent;
	const char *text;
	size_t width;
	const char *printed;
};

static const struct wrapped_row wrapped_rows[] = {
	{"a short text stands behind its head", "Owner", 8, "jane", 20, "Owner   jane\n"},
	{"a long one is wrapped at a blank", "Owner", 8, "one two three", 16,
         "Owner   one two\n        three\n"},
	{"the last column is used", "Owner", 8, "one two", 15, "Owner   one two\n"},
	{"a word longer than the line stands alone", "A", 2, "x abcdefghij y", 8,
         "A x\n  abcdefghij\n  y\n"},
	{"no text is an empty line", "A", 2, "", 8, "A \n"},
	{"colours of the head take no columns", "\033[31mno\033[0m", 5, "one two", 12,
         "\033[31mno\033[0m   one two\n"},
	{"two colours of the head, and a wrap", "\033[1;31mno\033[0m", 5, "one two", 11,
         "\033[1;31mno\033[0m   one\n     two\n"},
	{"wide characters count as two", "日", 4, "本本 x", 8, "日  本本\n    x\n"},
};

/* What output_wrapped() prints, a heap string. */
static char *printed_by(const struct wrapped_row *row)
{
	FILE *file = tmpfile();
	int terminal = dup(STDOUT_FILENO);
	char *text = calloc(1, 1000);

	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	output_wrapped(row->head, row->indent, row->text, row->width);
	fflush(stdout);
	dup2(terminal, STDOUT_FILENO);
	close(terminal);
	rewind(file);
	assert_non_null(text);
	text[fread(text, 1, 999, file)] = '\0';
	fclose(file);
	return text;
}

static void test_wrapped(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrapped_rows) / sizeof(wrapped_rows[0]); i++) {
		char *text = printed_by(&wrapped_rows[i]);

		if (strcmp(text, wrapped_rows[i].printed) != 0)
			fail_msg("%s: found \"%s\", expected \"%s\"", wrapped_rows[i].name, text,
			         wrapped_rows[i].printed);
		free(text);
	}
}

struct table_row {
	const char *name;
	size_t width;
	const char *printed;
};

static const struct table_row table_rows[] = {
	{"without a limit nothing is cut", 0,
         "NAME         N  REMARK\n"
         "a          100  short\n"
         "long name    1  a remark of some length\n"},
	{"the widest flexible column gives way first", 32,
         "NAME         N  REMARK\n"
         "a          100  short\n"
         "long name    1  a remark of som…\n"},
	{"then the others", 23,
         "NAME        N  REMARK\n"
         "a         100  short\n"
         "long na…    1  a remar…\n"},
	{"a flexible column keeps eight columns", 10,
         "NAME        N  REMARK\n"
         "a         100  short\n"
         "long na…    1  a remar…\n"},
};

static void test_table(void **state)
{
	static const struct column columns[] = {{.title = "NAME", .is_flexible = true},
	                                        {.title = "N", .is_right = true},
	                                        {.title = "REMARK", .is_flexible = true}};
	static const char *const cells[] = {"a",         "100", "short",
	                                    "long name", "1",   "a remark of some length"};
	struct table *table = table_new(columns, 3);

	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		table_add(table, cells[i]);
	for (size_t i = 0; i < sizeof(table_rows) / sizeof(table_rows[0]); i++) {
		char *text = NULL;
		size_t length;
		FILE *stream = open_memstream(&text, &length);

		table_print(table, stream, table_rows[i].width);
		fclose(stream);
		if (strcmp(text, table_rows[i].printed) != 0)
			fail_msg("%s: found\n%sexpected\n%s", table_rows[i].name, text,
			         table_rows[i].printed);
		free(text);
	}
	table_free(table);
}

static void test_durations(void **state)
{
	static const struct {
		const char *name;
		int64_t seconds;
		const char *text;
	} rows[] = {
		{"a clock that was set back", -5, "0s"},
		{"seconds", 59, "59s"},
		{"minutes", 60, "1m"},
		{"hours", 7500, "2h 5m"},
		{"days", 3 * 86400 + 4 * 3600, "3d 4h"},
	};
	char text[OUTPUT_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(output_duration(text, rows[i].seconds), rows[i].text) != 0)
			fail_msg("%s: found \"%s\", expected \"%s\"", rows[i].name, text,
			         rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_wrapped),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_durations),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
