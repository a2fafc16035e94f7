#include "ctl/setup_lists.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/postconf_expand.h"
#include "lib/base/buffer.h"
#include "lib/base/memory.h"

#define LIST_MAX_BYTES (8L * 1024 * 1024) /* no main.cf that is edited is as large */

static char *join_with(const struct string_list *elements, const char *separator)
{
	struct buffer text;

	buffer_init(&text, LIST_MAX_BYTES);
	for (size_t i = 0; i < elements->count; i++) {
		if (i > 0)
			buffer_append_text(&text, separator);
		buffer_append_text(&text, elements->items[i]);
	}
	return buffer_take(&text);
}

char *setup_list_join(const char *a, const char *b)
{
	struct string_list elements = {0};
	char *joined;

	postconf_list_split(a, &elements);
	postconf_list_split(b, &elements);
	joined = join_with(&elements, ", ");
	string_list_release(&elements);
	return joined;
}

char *setup_list_compact(const char *list)
{
	struct string_list elements = {0};
	char *joined;

	postconf_list_split(list, &elements);
	joined = join_with(&elements, ",");
	string_list_release(&elements);
	return joined;
}

/* $name, ${name} and $(name) are the same. */
static bool is_same_element(const char *a, const char *b)
{
	size_t length = strlen(a);

	if (strcmp(a, b) == 0)
		return true;
	return a[0] == '$' && b[0] == '$' && length > 3 && (a[1] == '{' || a[1] == '(') &&
	       strncmp(a + 2, b + 1, length - 3) == 0 && strlen(b) == length - 2;
}

char *setup_list_replace(const char *list, const char *from, const char *to)
{
	struct string_list elements = {0}, replaced = {0};
	char *joined;

	postconf_list_split(list, &elements);
	for (size_t i = 0; i < elements.count; i++) {
		if (is_same_element(elements.items[i], from))
			postconf_list_split(to, &replaced);
		else
			string_list_add(&replaced, elements.items[i]);
	}
	joined = join_with(&replaced, ", ");
	string_list_release(&elements);
	string_list_release(&replaced);
	return joined;
}

bool setup_list_has(const char *list, const char *element)
{
	struct string_list elements = {0};
	bool is_found = false;

	postconf_list_split(list, &elements);
	for (size_t i = 0; i < elements.count; i++)
		is_found = is_found || is_same_element(elements.items[i], element);
	string_list_release(&elements);
	return is_found;
}

bool setup_list_equal(const char *a, const char *b)
{
	char *plain_a = setup_list_compact(a), *plain_b = setup_list_compact(b);
	bool is_equal = strcmp(plain_a, plain_b) == 0;

	free(plain_a);
	free(plain_b);
	return is_equal;
}

bool setup_list_has_endpoint(const struct postconf *postconf, const char *list,
                             const struct string_list *endpoints)
{
	struct postconf_milters milters;
	bool is_found = false;

	postconf_milters_read(postconf, list, &milters);
	for (size_t i = 0; i < milters.count; i++)
		is_found = is_found || string_list_has(endpoints, milters.items[i].endpoint);
	postconf_milters_release(&milters);
	return is_found;
}

/* { } that do not match would make one element of what follows. */
static bool is_balanced(const char *text)
{
	int depth = 0;

	for (; *text != '\0' && depth >= 0; text++)
		depth += (*text == '{') - (*text == '}');
	return depth == 0;
}

int setup_list_check(const struct postconf *postconf, const char *list, const char *where,
                     struct error *err)
{
	char *expanded = postconf_expand(postconf, list);
	struct postconf_milters milters;
	int rc = 0;

	postconf_milters_read(postconf, list, &milters);
	if (!is_balanced(expanded))
		rc = error_set(err, ERROR_CONFIG, "%s: found \"%s\", whose { and } do not match",
		               where, expanded);
	for (size_t i = 0; i < milters.count && rc == 0; i++) {
		const char *endpoint = milters.items[i].endpoint;

		if (strncmp(endpoint, "inet:", 5) != 0 && strncmp(endpoint, "unix:", 5) != 0)
			rc = error_set(err, ERROR_CONFIG,
			               "%s: found \"%s\", expected a milter, inet:host:port or "
			               "unix:path",
			               where, endpoint);
	}
	postconf_milters_release(&milters);
	free(expanded);
	return rc;
}

char *setup_collapse(const char *text)
{
	char *copy = xstrdup(text), *out = copy;
	bool is_blank = true; /* at the beginning none is kept */

	for (const char *in = text; *in != '\0'; in++) {
		bool is_now = strchr(" \t\r\n", *in) != NULL;

		if (!is_now)
			*out++ = *in;
		else if (!is_blank)
			*out++ = ' ';
		is_blank = is_now;
	}
	if (out > copy && out[-1] == ' ')
		out--;
	*out = '\0';
	return copy;
}

/* The first word: up to a blank outside of { }. */
static size_t word_length(const char *text)
{
	size_t length = 0;
	int depth = 0;

	while (text[length] != '\0' && (depth > 0 || strchr(" \t\r\n", text[length]) == NULL)) {
		depth += (text[length] == '{') - (text[length] == '}');
		length++;
	}
	return length;
}

/* Does a word, name=value or { name = value }, set the parameter? */
static bool sets(const char *word, size_t length, const char *parameter)
{
	size_t start = word[0] == '{' ? 1 + strspn(word + 1, " \t") : 0;
	size_t name = strlen(parameter);

	if (start + name >= length || strncmp(word + start, parameter, name) != 0)
		return false;
	word += start + name;
	return word[strspn(word, " \t")] == '=';
}

char *setup_line_set_option(const char *line, const char *parameter, const char *value)
{
	char *option = xasprintf("-o {%s=%s}", parameter, value);
	struct buffer text;
	bool is_set = false;

	buffer_init(&text, LIST_MAX_BYTES);
	for (line += strspn(line, " \t\r\n"); *line != '\0'; line += strspn(line, " \t\r\n")) {
		size_t length = word_length(line);
		const char *next = line + length + strspn(line + length, " \t\r\n");
		size_t next_length = word_length(next);

		if (text.length > 0)
			buffer_append_char(&text, ' ');
		if (length == 2 && strncmp(line, "-o", 2) == 0 &&
		    sets(next, next_length, parameter)) {
			buffer_append_text(&text, option);
			is_set = true;
			line = next + next_length;
		} else {
			buffer_append(&text, line, length);
			line += length;
		}
	}
	if (!is_set)
		buffer_printf(&text, " %s", option);
	free(option);
	return buffer_take(&text);
}
