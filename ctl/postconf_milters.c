#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/postconf.h"
#include "ctl/postconf_expand.h"
#include "lib/base/memory.h"

#define SEPARATORS ", \t\r\n"

/* The length of the element that text begins with. */
static size_t element_length(const char *text)
{
	size_t length = 0, depth = 0;

	for (; text[length] != '\0'; length++) {
		if (text[length] == '{')
			depth++;
		else if (text[length] == '}' && depth > 0)
			depth--;
		else if (depth == 0 && strchr(SEPARATORS, text[length]) != NULL)
			break;
	}
	return length;
}

void postconf_list_split(const char *value, struct string_list *out)
{
	for (value += strspn(value, SEPARATORS); *value != '\0';
	     value += strspn(value, SEPARATORS)) {
		size_t length = element_length(value);

		string_list_take(out, xmemdup0(value, length));
		value += length;
	}
}

/* Take the { } off, and the blanks within, in place. */
static char *bare(char *element)
{
	size_t length = strlen(element);

	if (length < 2 || element[0] != '{' || element[length - 1] != '}')
		return element;
	element[length - 1] = '\0';
	element++;
	element += strspn(element, SEPARATORS);
	for (length = strlen(element);
	     length > 0 && strchr(SEPARATORS, element[length - 1]) != NULL; length--)
		element[length - 1] = '\0';
	return element;
}

/* The value of "name = value" in { } or of name=value, or NULL if it is another name. */
static const char *attribute(char *option, const char *name)
{
	size_t length = strlen(name);

	option = bare(option);
	if (strncmp(option, name, length) != 0)
		return NULL;
	option += length + strspn(option + length, " \t");
	if (*option != '=')
		return NULL;
	option++;
	return option + strspn(option, " \t");
}

static void read_milter(char *element, const char *default_action, struct postconf_milter *out)
{
	struct string_list words = {0};

	postconf_list_split(bare(element), &words);
	for (size_t i = 1; i < words.count; i++) {
		const char *value = attribute(words.items[i], "default_action");

		if (value != NULL)
			default_action = value;
	}
	out->endpoint = xstrdup(words.count > 0 ? words.items[0] : "");
	out->default_action = xstrdup(default_action);
	string_list_release(&words);
}

void postconf_milters_read(const struct postconf *postconf, const char *value,
                           struct postconf_milters *out)
{
	char *expanded = postconf_expand(postconf, value);
	struct string_list elements = {0};

	postconf_list_split(expanded, &elements);
	out->count = elements.count;
	out->items = xzalloc((elements.count + 1) * sizeof(*out->items));
	for (size_t i = 0; i < elements.count; i++)
		read_milter(elements.items[i], postconf_value(postconf, "milter_default_action"),
		            &out->items[i]);
	string_list_release(&elements);
	free(expanded);
}

void postconf_milters_release(struct postconf_milters *milters)
{
	for (size_t i = 0; i < milters->count; i++) {
		free(milters->items[i].endpoint);
		free(milters->items[i].default_action);
	}
	free(milters->items);
	*milters = (struct postconf_milters){0};
}

/* Does the endpoint have this port: inet:host:port, and not as a part of another number? */
static bool has_port(const char *endpoint, const char *port)
{
	const char *colon = strrchr(endpoint, ':');

	return strncasecmp(endpoint, "inet", 4) == 0 && colon != NULL &&
	       strcmp(colon + 1, port) == 0;
}

const char *postconf_milter_program(const char *endpoint)
{
	/* By what packages and their manuals call the socket, then by the port they propose. */
	static const struct {
		const char *in_name, *port, *program;
	} known[] = {
		{"rejoinder", NULL, "rejoinder"},    {"opendmarc", "8893", "opendmarc"},
		{"opendmarc", "54321", "opendmarc"}, {"dmarc", NULL, "opendmarc"},
		{"opendkim", "8891", "opendkim"},    {"opendkim", "12301", "opendkim"},
		{"dkim", NULL, "opendkim"},          {"rspamd", "11332", "rspamd"},
		{"rmilter", "9900", "rspamd"},       {"amavis", NULL, "amavis"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasestr(endpoint, known[i].in_name) != NULL ||
		    (known[i].port != NULL && has_port(endpoint, known[i].port)))
			return known[i].program;
	return NULL;
}
