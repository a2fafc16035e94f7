#include "lib/mail/phrase.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/encoding.h"
#include "lib/mail/header.h"
#include "lib/mail/scan.h"

#define LINE_COLUMNS 78 /* RFC 5322 2.1.1 */
#define WORD_BYTES   45 /* of text in one encoded word of 75 columns */

bool phrase_is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

bool phrase_is_atext(char c)
{
	return !phrase_is_control(c) && strchr("()<>@,;:\\\".[] ", c) == NULL;
}

void phrase_blank_controls(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (phrase_is_control(text[i]) && !scan_is_blank(text[i]))
			text[i] = ' ';
	}
}

void phrase_append_quoted(struct buffer *out, const char *text, size_t length)
{
	buffer_append_char(out, '"');
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			buffer_append_char(out, '\\');
		buffer_append_char(out, text[i]);
	}
	buffer_append_char(out, '"');
}

char *address_format(const char *phrase, const char *address, size_t name_length)
{
	size_t column = name_length + 2;
	struct buffer out;

	if (phrase[0] == '\0')
		return xstrdup(address);
	buffer_init(&out, strlen(phrase) * 2 + strlen(address) + 8);
	for (const char *p = phrase; *p != '\0'; p++) {
		/* Between encoded words a line may end; elsewhere the phrase stays as it is. */
		if (strncmp(p, " =?", 3) == 0 && p > phrase && p[-1] == '=' &&
		    column + 1 + strcspn(p + 1, " ") > LINE_COLUMNS) {
			buffer_append_char(&out, '\n');
			column = 0;
		}
		buffer_append_char(&out, *p);
		column++;
	}
	if (column + strlen(address) + 3 > LINE_COLUMNS)
		buffer_append_char(&out, '\n');
	buffer_printf(&out, " <%s>", address);
	return buffer_take(&out);
}

/* Encoded words (RFC 2047 2) of at most 75 columns, no character in two of them. */
static void append_encoded_words(struct buffer *out, const char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		char encoded[(WORD_BYTES + 2) / 3 * 4 + 1] = {0};
		size_t run = 0;
		size_t step;

		while ((step = utf8_char_length(text + at + run, length - at - run)) > 0 &&
		       run + step <= WORD_BYTES)
			run += step;
		base64_encode((const unsigned char *)text + at, run, encoded);
		buffer_printf(out, "%s=?UTF-8?B?%s?=", at > 0 ? " " : "", encoded);
		at += run;
	}
}

char *address_phrase(const char *utf8)
{
	struct buffer clean;
	struct buffer out;
	char *text;
	bool is_ascii = true;
	bool is_plain = true;

	buffer_init(&clean, PHRASE_MAX_BYTES);
	utf8_append_clean(&clean, utf8, strlen(utf8));
	phrase_blank_controls(clean.data, clean.length);
	text = header_unfold(clean.data, clean.length);
	buffer_release(&clean);
	for (const char *p = text; *p != '\0'; p++) {
		is_ascii = is_ascii && (unsigned char)*p < 0x80;
		is_plain = is_plain && (phrase_is_atext(*p) || *p == ' ');
	}
	if (is_ascii && is_plain && strstr(text, "=?") == NULL)
		return text;
	buffer_init(&out, 3 * PHRASE_MAX_BYTES);
	if (is_ascii)
		phrase_append_quoted(&out, text, strlen(text));
	else
		append_encoded_words(&out, text, strlen(text));
	free(text);
	return buffer_take(&out);
}
