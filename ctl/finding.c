#include "ctl/finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/memory.h"

#define STATE_WIDTH 16
#define TEXT_INDENT 31
#define WIDTH_MOST  120

static const struct {
	const char *name, *colour;
} states[] = {
	[FINDING_OK] = {"ok", "\033[32m"},
	[FINDING_FAILED] = {"failed", "\033[31m"},
	[FINDING_NONE] = {"not configured", "\033[2m"},
	[FINDING_WARNING] = {"warning", "\033[33m"},
	[FINDING_PROBLEM] = {"problem", "\033[1;31m"},
	[FINDING_SKIPPED] = {"not tried", "\033[2m"},
};

const char *finding_state_name(enum finding_state state)
{
	return states[state].name;
}

bool finding_wants_colour(void)
{
	const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0 &&
	       (no_colour == NULL || *no_colour == '\0');
}

void finding_print(const struct finding *finding, bool is_coloured)
{
	const char *name = states[finding->state].name;
	size_t width = output_columns(OUTPUT_WIDTH);
	char *check = output_clean(finding->check), *head;

	width = width < WIDTH_MOST ? width : WIDTH_MOST;
	head = xasprintf("%s%s%s%*s%s", is_coloured ? states[finding->state].colour : "", name,
	                 is_coloured ? "\033[0m" : "", (int)(STATE_WIDTH - strlen(name)), "",
	                 check);
	output_wrapped(head, TEXT_INDENT, finding->text, width);
	if (*finding->advice != '\0')
		output_field("", TEXT_INDENT, width, "-> %s", finding->advice);
	free(head);
	free(check);
}

json_t *finding_json(const struct finding *finding)
{
	json_t *object = json_object();

	json_object_set_new(object, "check", json_text(finding->check));
	json_object_set_new(object, "state", json_string(finding_state_name(finding->state)));
	json_object_set_new(object, "text", json_text(finding->text));
	json_object_set_new(object, "advice",
	                    json_text(*finding->advice != '\0' ? finding->advice : NULL));
	return object;
}
