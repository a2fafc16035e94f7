#ifndef REJOINDER_TESTS_COMPOSED_FIXTURE_H
#define REJOINDER_TESTS_COMPOSED_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"
#include "lib/mail/encoding.h"
#include "lib/mail/header.h"

/* The mail that we compose, looked at as a mail client does. */

#define NOW          INT64_C(1795341600) /* 2026-11-22 10:00:00 UTC */
#define CONVERSATION INT64_C(4242424242)

/* Literals in members that elsewhere are on the heap; nothing frees them here. */
#define UNOWNED(text) ((char *)(text))

static const struct keyring keys = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "the newest key signs, 32 bytes.."}},
	.count = 1,
};

/* The value of a field, unfolded, a heap string; NULL if it is not there once. */
static inline char *field(const char *mail, const char *name)
{
	size_t length = strlen(name);
	const char *found = NULL;
	unsigned count = 0;

	for (const char *line = mail; strncmp(line, "\r\n", 2) != 0;
	     line = strstr(line, "\r\n") + 2) {
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			found = line + length + 1;
			count++;
		}
	}
	if (count != 1)
		return NULL;
	length = strcspn(found, "\r");
	while (found[length + 2] == ' ')
		length += 2 + strcspn(found + length + 2, "\r");
	return header_unfold(found, length);
}

static inline void assert_field(const char *mail, const char *name, const char *expected)
{
	char *value = field(mail, name);

	if (expected == NULL)
		assert_null(value);
	else
		assert_string_equal(value != NULL ? value : "(no such field)", expected);
	free(value);
}

/* The body as the recipient sees it, LF line ends. */
static inline char *body(const char *mail)
{
	const char *begin = strstr(mail, "\r\n\r\n") + 4;
	size_t length = strlen(begin), kept = 0;
	char *text = xmalloc(length + 1);
	char *encoding = field(mail, "Content-Transfer-Encoding");

	if (strcmp(encoding, "quoted-printable") == 0) {
		length = quoted_printable_decode(begin, length, false, text, length);
	} else {
		assert_string_equal(encoding, "7bit");
		memcpy(text, begin, length);
	}
	free(encoding);
	for (size_t i = 0; i < length; i++) {
		if (text[i] != '\r')
			text[kept++] = text[i];
	}
	text[kept] = '\0';
	return text;
}

/* Lines end in CRLF, none is too long, all is ASCII, and there are no fields but ours. */
static inline void assert_well_formed(const char *mail)
{
	static const char *const names[] = {"Rejoinder-Mark",
	                                    "From",
	                                    "To",
	                                    "Date",
	                                    "Message-ID",
	                                    "Auto-Submitted",
	                                    "Subject",
	                                    "Reply-To",
	                                    "In-Reply-To",
	                                    "References",
	                                    "MIME-Version",
	                                    "Content-Type",
	                                    "Content-Transfer-Encoding",
	                                    NULL};
	bool is_header = true;
	const char *end;

	for (const char *line = mail; *line != '\0'; line = end + 2) {
		size_t name_length = strcspn(line, ":"), i = 0;

		end = strstr(line, "\r\n");
		assert_non_null(end);
		assert_true(end - line <= 998);
		for (const char *c = line; c < end; c++)
			assert_true((*c >= ' ' && *c < 0x7f));
		is_header = is_header && end > line;
		if (!is_header || *line == ' ')
			continue;
		while (names[i] != NULL && (strlen(names[i]) != name_length ||
		                            memcmp(names[i], line, name_length) != 0))
			i++;
		if (names[i] == NULL)
			fail_msg("unexpected line in the header: %.60s", line);
	}
}

/*
 * The body of one of the two parts of a multipart/alternative message, as body() gives it: the
 * plain text stands first.  The boundary stands nowhere but between them.
 */
static inline char *part(const char *mail, const char *type)
{
	static const char *const types[] = {"text/plain", "text/html"};
	static const char prefix[] = "multipart/alternative; boundary=\"";
	char *content_type = field(mail, "Content-Type"), *found = NULL, *mark;
	const char *at = strstr(mail, "\r\n\r\n") + 2;
	size_t mark_length;

	assert_non_null(content_type);
	assert_memory_equal(content_type, prefix, strlen(prefix));
	mark = xasprintf("\r\n--%.*s", (int)strcspn(content_type + strlen(prefix), "\""),
	                 content_type + strlen(prefix));
	mark_length = strlen(mark);
	assert_memory_equal(at, mark, mark_length);
	for (size_t i = 0; i < 2; i++) {
		char *copy, *is, *expected = xasprintf("%s; charset=utf-8", types[i]);
		const char *end;

		at += mark_length;
		assert_memory_equal(at, "\r\n", 2);
		end = strstr(at, mark + 4);
		assert_non_null(end);
		end -= 4;
		assert_memory_equal(end, mark, mark_length);
		copy = xasprintf("%.*s", (int)(end - at - 2), at + 2);
		is = field(copy, "Content-Type");
		assert_string_equal(is, expected);
		if (strcmp(types[i], type) == 0)
			found = body(copy);
		free(is);
		free(expected);
		free(copy);
		at = end;
	}
	assert_string_equal(at + mark_length, "--\r\n");
	free(mark);
	free(content_type);
	assert_non_null(found);
	return found;
}

static inline char *repeat(const char *text, size_t count)
{
	struct buffer out;

	buffer_init(&out, count * strlen(text));
	while (count-- > 0)
		buffer_append_text(&out, text);
	return buffer_take(&out);
}

#endif
