#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/finding.h"
#include "ctl/output.h"
#include "ctl/relay_map.h"
#include "ctl/setup.h"
#include "lib/base/memory.h"

#define INDENT "      "

#define COLOUR_ADDED   "\033[32m"
#define COLOUR_REMOVED "\033[31m"
#define COLOUR_END     "\033[0m"

/* A line of the difference, its options each on a line as in master.cf. */
static void print_line(char sign, const char *head, const char *text)
{
	bool is_coloured = finding_wants_colour();
	char *clean = output_clean(text), *rest = clean, *option;

	if (is_coloured)
		fputs(sign == '+' ? COLOUR_ADDED : COLOUR_REMOVED, stdout);
	while ((option = strstr(rest, " -o ")) != NULL) {
		printf("  %c %s%.*s\n", sign, head, (int)(option - rest), rest);
		head = "  ";
		rest = option + 1;
	}
	printf("  %c %s%s%s\n", sign, head, rest, is_coloured ? COLOUR_END : "");
	free(clean);
}

/* The lines of a map that the other text has not. */
static void print_lines(char sign, const char *text, const char *other)
{
	struct string_list lines = {0}, others = {0};

	relay_map_split(text != NULL ? text : "", &lines);
	relay_map_split(other != NULL ? other : "", &others);
	for (size_t i = 0; i < lines.count; i++)
		if (!string_list_has(&others, lines.items[i]))
			print_line(sign, "", lines.items[i]);
	string_list_release(&lines);
	string_list_release(&others);
}

void setup_print_value(char sign, const struct setup_edit *edit, const char *value)
{
	const char *parameter = strrchr(edit->target, '/');
	char *head;

	if (value == NULL)
		return;
	switch (edit->kind) {
	case SETUP_MAIN:
		head = xasprintf("%s = ", edit->target);
		break;
	case SETUP_OPTION:
		head = xasprintf("  -o %s=", parameter != NULL ? parameter + 1 : "");
		break;
	default:
		head = xstrdup("");
		break;
	}
	print_line(sign, head, value);
	free(head);
}

/* Where an edit stands; said anew when it is elsewhere than the one before. */
static char *place_of(const struct setup_edit *edit)
{
	const char *slash = strchr(edit->target, '/');

	switch (edit->kind) {
	case SETUP_MAIN:
		return xstrdup("main.cf");
	case SETUP_FILE:
		return xstrdup(edit->target);
	case SETUP_SERVICE:
		return xstrdup("master.cf");
	default:
		return xasprintf("master.cf, service %.*s",
		                 slash != NULL ? (int)(slash - edit->target) : 0, edit->target);
	}
}

static void print_edit(const struct setup_edit *edit, char **place)
{
	char *now = place_of(edit);

	if (*place == NULL || strcmp(*place, now) != 0)
		printf("%s%s\n", *place != NULL ? "\n" : "", now);
	free(*place);
	*place = now;
	if (edit->kind == SETUP_FILE) {
		print_lines('-', edit->before, edit->after);
		print_lines('+', edit->after, edit->before);
	} else {
		setup_print_value('-', edit, edit->before);
		setup_print_value('+', edit, edit->after);
	}
	output_field(INDENT, strlen(INDENT), output_columns(OUTPUT_WIDTH), "%s", edit->reason);
}

void setup_print_plan(const struct setup_plan *plan)
{
	char *place = NULL;

	for (size_t i = 0; i < plan->count; i++)
		print_edit(&plan->edits[i], &place);
	free(place);
}

void setup_print_sentences(const char *head, const struct string_list *sentences)
{
	for (size_t i = 0; i < sentences->count; i++)
		output_field(head, strlen(head), output_columns(OUTPUT_WIDTH), "%s",
		             sentences->items[i]);
}
