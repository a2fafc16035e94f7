#include "ctl/postconf_expand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"

#define DEPTH_MAX 20
#define MAX_BYTES 65536

struct expansion {
	struct buffer out;
	postconf_lookup *lookup;
	const void *context;
};

static void expand_to(struct expansion *expansion, const char *text, size_t length, int depth);

static size_t name_length(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length && (isalnum((unsigned char)text[i]) || text[i] == '_'))
		i++;
	return i;
}

/* The length of a bracketed piece with its brackets, 0 if it does not end. */
static size_t bracketed_length(const char *text, size_t length)
{
	char open = text[0], close = open == '{' ? '}' : ')';
	size_t depth = 0;

	for (size_t i = 0; i < length; i++) {
		depth += text[i] == open;
		depth -= text[i] == close;
		if (depth == 0)
			return i + 1;
	}
	return 0;
}

static void expand_name(struct expansion *expansion, const char *name, size_t length, int depth)
{
	char *copy = xmemdup0(name, length);
	const char *value = expansion->lookup(expansion->context, copy);

	if (value != NULL)
		expand_to(expansion, value, strlen(value), depth + 1);
	free(copy);
}

static bool has_value(struct expansion *expansion, const char *name, size_t length)
{
	char *copy = xmemdup0(name, length);
	const char *value = expansion->lookup(expansion->context, copy);

	free(copy);
	return value != NULL && *value != '\0';
}

/* {text}, with or without the brackets. */
static void expand_choice(struct expansion *expansion, const char *text, size_t length, int depth)
{
	if (length >= 2 && text[0] == '{' && bracketed_length(text, length) == length) {
		text++;
		length -= 2;
	}
	expand_to(expansion, text, length, depth + 1);
}

/* What follows the name in ${name?text}, ${name:text}, ${name?{text}:{text}}. */
static void expand_conditional(struct expansion *expansion, bool is_set, const char *text,
                               size_t length, int depth)
{
	bool is_wanted = (text[0] == '?') == is_set;
	const char *choice = text + 1;
	size_t rest = length - 1, first = rest;

	if (text[0] == '?' && rest > 0 && choice[0] == '{')
		first = bracketed_length(choice, rest);
	if (is_wanted)
		expand_choice(expansion, choice, first, depth);
	else if (text[0] == '?' && first + 1 < rest && choice[first] == ':')
		expand_choice(expansion, choice + first + 1, rest - first - 1, depth);
}

/* text begins behind the dollar sign. Returns how much of it was taken, 0 for none. */
static size_t expand_dollar(struct expansion *expansion, const char *text, size_t length, int depth)
{
	size_t taken, name;

	if (length == 0)
		return 0;
	if (text[0] != '{' && text[0] != '(') {
		name = name_length(text, length);
		if (name > 0)
			expand_name(expansion, text, name, depth);
		return name;
	}
	taken = bracketed_length(text, length);
	if (taken < 3)
		return 0;
	name = name_length(text + 1, taken - 2);
	if (name == 0)
		return 0;
	if (name == taken - 2)
		expand_name(expansion, text + 1, name, depth);
	else if (text[1 + name] == '?' || text[1 + name] == ':')
		expand_conditional(expansion, has_value(expansion, text + 1, name), text + 1 + name,
		                   taken - 2 - name, depth);
	else
		return 0;
	return taken;
}

static void expand_to(struct expansion *expansion, const char *text, size_t length, int depth)
{
	for (size_t i = 0; i < length; i++) {
		size_t taken = 0;

		if (text[i] == '$' && i + 1 < length && text[i + 1] == '$') {
			buffer_append_char(&expansion->out, '$');
			i++;
			continue;
		}
		if (text[i] == '$' && depth < DEPTH_MAX && !expansion->out.is_full)
			taken = expand_dollar(expansion, text + i + 1, length - i - 1, depth);
		if (taken == 0)
			buffer_append_char(&expansion->out, text[i]);
		i += taken;
	}
}

char *postconf_expand_with(const char *text, postconf_lookup *lookup, const void *context)
{
	struct expansion expansion = {.lookup = lookup, .context = context};

	buffer_init(&expansion.out, MAX_BYTES);
	expand_to(&expansion, text, strlen(text), 0);
	return buffer_take(&expansion.out);
}
