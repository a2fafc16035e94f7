#include "lib/base/config_read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/base/spelling.h"

#define TEMPLATE_MAX_BYTES 65536
#define LINE_MAX_BYTES     998 /* RFC 5322 2.1.1 */
#define SUBJECT_MAX_BYTES  190
#define NAME_MAX_BYTES     20 /* of what may be a placeholder */
#define SUBJECT_FIELD      "Subject:"

static const char *const placeholders[] = {"subject", "reference", "conversation",
                                           "account", "address",   NULL};

static const char *nearest_placeholder(const char *name)
{
	const char *nearest = NULL;
	size_t least = SPELLING_NEAR + 1;

	for (size_t i = 0; placeholders[i] != NULL; i++) {
		size_t distance = spelling_distance(placeholders[i], name);

		if (distance < least) {
			least = distance;
			nearest = placeholders[i];
		}
	}
	return nearest;
}

/* {word} would go out as it stands if the word is misspelt. */
static void check_placeholders(const char *path, int line_number, const char *line,
                               struct mistakes *mistakes)
{
	for (const char *at = strchr(line, '{'); at != NULL; at = strchr(at + 1, '{')) {
		size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_");
		char name[NAME_MAX_BYTES + 1];
		const char *nearest;

		if (length == 0 || length > NAME_MAX_BYTES || at[1 + length] != '}')
			continue;
		memcpy(name, at + 1, length);
		name[length] = '\0';
		nearest = nearest_placeholder(name);
		if (nearest == NULL)
			mistake_add_in(mistakes, path, line_number,
			               "found \"{%s}\", expected {subject}, {reference}, "
			               "{conversation}, {account} or {address}",
			               name);
		else if (strcmp(nearest, name) != 0)
			mistake_add_in(mistakes, path, line_number,
			               "found \"{%s}\", expected perhaps {%s}", name, nearest);
	}
}

/* The line without what ends it, tabs as they are; NULL after a mistake. */
static char *take_line(const char *path, int line_number, const char *bytes, size_t length,
                       struct mistakes *mistakes)
{
	char *line, *plain;
	bool is_valid;

	if (length > 0 && bytes[length - 1] == '\r')
		length--;
	if (length > LINE_MAX_BYTES) {
		mistake_add_in(mistakes, path, line_number,
		               "found a line of %zu bytes, expected at most %d", length,
		               LINE_MAX_BYTES);
		return NULL;
	}
	line = xmemdup0(bytes, length);
	plain = xmemdup0(bytes, length);
	for (size_t i = 0; i < length; i++)
		if (plain[i] == '\t')
			plain[i] = ' ';
	is_valid = option_text_is_valid(plain, length);
	free(plain);
	if (is_valid) {
		check_placeholders(path, line_number, line, mistakes);
		return line;
	}
	mistake_add_in(mistakes, path, line_number,
	               "found control characters or bytes that are not UTF-8, expected text");
	free(line);
	return NULL;
}

/* The first line, if it is a subject. */
static void take_subject(struct account *account, const char *line, struct mistakes *mistakes)
{
	const char *subject = line + strlen(SUBJECT_FIELD);
	size_t length;

	subject += strspn(subject, " \t");
	length = strlen(subject);
	while (length > 0 && strchr(" \t", subject[length - 1]) != NULL)
		length--;
	if (length == 0 || length > SUBJECT_MAX_BYTES)
		mistake_add_in(mistakes, account->acknowledge, 1,
		               "found a subject of %zu bytes, expected 1 to %d", length,
		               SUBJECT_MAX_BYTES);
	else if (memchr(subject, '\t', length) != NULL)
		mistake_add_in(mistakes, account->acknowledge, 1,
		               "found a tab in the subject, expected blanks");
	else
		account->acknowledge_subject = xmemdup0(subject, length);
}

static void read_template(struct account *account, const char *bytes, size_t length,
                          struct mistakes *mistakes)
{
	const char *path = account->acknowledge;
	bool has_subject = false, has_text = false; /* or a line that was refused */
	size_t found_before = mistakes->found;
	struct buffer text;
	int line_number = 0;

	buffer_init(&text, TEMPLATE_MAX_BYTES + 1);
	for (size_t at = 0; at < length;) {
		const char *end = memchr(bytes + at, '\n', length - at);
		size_t line_length = end != NULL ? (size_t)(end - (bytes + at)) : length - at;
		char *line = take_line(path, ++line_number, bytes + at, line_length, mistakes);

		at += line_length + (end != NULL);
		if (line == NULL) {
			has_text = true;
			continue;
		}
		if (line_number == 1 &&
		    strncasecmp(line, SUBJECT_FIELD, strlen(SUBJECT_FIELD)) == 0) {
			has_subject = true;
			take_subject(account, line, mistakes);
		} else if (line_number == 2 && has_subject) {
			has_text = line[0] != '\0';
			if (has_text)
				mistake_add_in(mistakes, path, 2,
				               "found text, expected an empty line after Subject");
		} else {
			has_text = has_text || line[strspn(line, " \t")] != '\0';
			buffer_printf(&text, "%s\n", line);
		}
		free(line);
	}
	if (!has_text)
		mistake_add_in(mistakes, path, 0, "found no text, expected what is answered");
	account->acknowledge_text = buffer_take(&text);
	if (mistakes->found > found_before) {
		free(account->acknowledge_subject);
		free(account->acknowledge_text);
		account->acknowledge_subject = account->acknowledge_text = NULL;
	}
}

void config_read_acknowledgements(struct config *config, struct mistakes *troubles)
{
	for (size_t i = 0; i < config->account_count; i++) {
		struct account *account = &config->accounts[i];
		bool is_public;
		size_t length, skip;
		struct error err;
		char *bytes;

		if (!account->is_enabled || account->acknowledge == NULL)
			continue;
		bytes = config_read_file(account->acknowledge, TEMPLATE_MAX_BYTES, &length,
		                         &is_public, &err);
		if (bytes == NULL) {
			mistake_add(troubles, config_account_line(account, "acknowledge"),
			            "acknowledge: found \"%s\", expected a text file: %s",
			            account->acknowledge, err.text);
			continue;
		}
		skip = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
		read_template(account, bytes + skip, length - skip, troubles);
		free(bytes);
	}
}
