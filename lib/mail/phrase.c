#include "lib/mail/phrase.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/encoding.h"
#include "lib/mail/header.h"
#include "lib/mail/scan.h"
#include "lib/mail/subject.h"

#define LINE_COLUMNS      78 /* RFC 5322 2.1.1 */
#define WORD_LINE_COLUMNS 76 /* of a line with an encoded word: RFC 2047 2 */
#define WORD_BYTES                                                                                 \
	36 /* of text in one of 60 columns, for which there is room after a field's name */

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

/*
 * How long the blanks at `at` and the word behind them are, when a line may end
 * before them; else 0.  A blank inside quotes may be that place too, one with a
 * backslash before it not.
 */
static size_t word_length(const char *phrase, size_t at, bool is_escaped)
{
	size_t blanks, end;

	if (at == 0 || is_escaped || phrase[at] != ' ' || phrase[at - 1] == ' ')
		return 0;
	blanks = strspn(phrase + at, " ");
	for (end = at + blanks; phrase[end] != '\0' && phrase[end] != ' '; end++)
		end += phrase[end] == '\\' && phrase[end + 1] != '\0';
	return end == at + blanks ? 0 : end - at;
}

char *address_format(const char *phrase, const char *address, size_t name_length)
{
	size_t columns = strstr(phrase, "=?") == NULL ? LINE_COLUMNS : WORD_LINE_COLUMNS;
	size_t column = name_length + 2;
	bool is_escaped = false;
	struct buffer out;

	if (phrase[0] == '\0')
		return xstrdup(address);
	buffer_init(&out, strlen(phrase) * 2 + strlen(address) + 8);
	for (size_t i = 0; phrase[i] != '\0'; i++) {
		size_t next = word_length(phrase, i, is_escaped);

		if (next > 0 && column + next > columns) {
			buffer_append_char(&out, '\n');
			column = 0;
		}
		buffer_append_char(&out, phrase[i]);
		column++;
		is_escaped = phrase[i] == '\\' && !is_escaped;
	}
	if (column + strlen(address) + 3 > columns)
		buffer_append_char(&out, '\n');
	buffer_printf(&out, " <%s>", address);
	return buffer_take(&out);
}

/* Encoded words (RFC 2047 2) of at most 60 columns, no character in two of them. */
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

static bool is_printable_ascii(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80 || phrase_is_control(*p))
			return false;
	return true;
}

char *address_phrase_text(const char *phrase, size_t max_bytes)
{
	size_t length = strlen(phrase);
	struct scan scan = {.bytes = phrase, .length = length};
	struct buffer text;
	char *decoded;

	buffer_init(&text, length);
	while (scan.at < length) {
		size_t begin = scan.at;

		if (!scan_quoted(&scan)) {
			buffer_append_char(&text, phrase[scan.at++]);
			continue;
		}
		for (size_t i = begin + 1; i + 1 < scan.at; i++) {
			i += phrase[i] == '\\' && i + 2 < scan.at;
			buffer_append_char(&text, phrase[i]);
		}
	}
	decoded = subject_decode(text.data, text.length, max_bytes);
	buffer_release(&text);
	return decoded;
}

char *address_phrase_ascii(const char *phrase)
{
	char *text, *made;

	if (is_printable_ascii(phrase))
		return xstrdup(phrase);
	text = address_phrase_text(phrase, PHRASE_MAX_BYTES);
	made = address_phrase(text);
	free(text);
	return made;
}
