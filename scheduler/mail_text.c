#include "scheduler/mail_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/conversation/mark.h"
#include "lib/mail/address.h"
#include "lib/mail/encoding.h"
#include "lib/mail/phrase.h"

#define LINE_COLUMNS  76 /* of a folded field and of quoted-printable (RFC 2045 6.7) */
#define WORD_BYTES    45 /* of text in one encoded word of 72 columns (RFC 2047 2) */
#define BOUNDARY_SIZE 32

static bool is_ascii(const char *text)
{
	while ((unsigned char)*text >= 1 && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* The bytes of a character that would end the line or turn what follows around, else 0. */
static size_t unfit_length(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	if (phrase_is_control(*text))
		return 1;
	if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) /* U+0080 to U+009F */
		return 2;
	if (c[0] == 0xe2 &&
	    ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) || /* U+2028 to U+202E */
	     (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)))  /* U+2066 to U+2069 */
		return 3;
	return 0;
}

char *mail_clean_line(const char *text, size_t length, size_t max_bytes)
{
	struct buffer buffer;
	size_t kept = 0;
	char *line;

	buffer_init(&buffer, max_bytes);
	if (text != NULL)
		utf8_append_clean(&buffer, text, length);
	line = buffer_take(&buffer);
	for (const char *c = line; *c != '\0'; c++) {
		size_t unfit = unfit_length(c);
		char shown = unfit > 0 ? ' ' : *c;

		c += unfit > 0 ? unfit - 1 : 0;
		if (shown != ' ' || (kept > 0 && line[kept - 1] != ' '))
			line[kept++] = shown;
	}
	if (kept > 0 && line[kept - 1] == ' ')
		kept--;
	line[kept] = '\0';
	return line;
}

char *mail_clean_text(const char *text, size_t max_bytes)
{
	return mail_clean_line(text, text != NULL ? strlen(text) : 0, max_bytes);
}

char *mail_field_address(const char *address)
{
	char *read;

	for (const char *c = address; c != NULL && *c != '\0'; c++) {
		if (phrase_is_control(*c) || (unsigned char)*c >= 0x80)
			return NULL;
	}
	read = address != NULL ? address_from_envelope(address) : NULL;
	if (read != NULL && read[0] != '\0' && address_equal(read, address))
		return read;
	free(read);
	return NULL;
}

bool mail_is_field_msgid(const char *msgid)
{
	size_t length = msgid != NULL ? strlen(msgid) : 0;

	if (length < 3 || length > MAIL_TEXT_LINE_BYTES - strlen("In-Reply-To: ") ||
	    msgid[0] != '<' || msgid[length - 1] != '>')
		return false;
	for (size_t i = 1; i + 1 < length; i++) {
		if (msgid[i] <= ' ' || msgid[i] > '~' || msgid[i] == '<' || msgid[i] == '>')
			return false;
	}
	return true;
}

const char *mail_format_date(char out[MAIL_TIME_SIZE], int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm local;

	if (localtime_r(&seconds, &local) == NULL ||
	    strftime(out, MAIL_TIME_SIZE, "%a, %d %b %Y %H:%M:%S %z", &local) == 0)
		out[0] = '\0';
	return out;
}

const char *mail_describe_time(char out[MAIL_TIME_SIZE], int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm local;

	if (localtime_r(&seconds, &local) == NULL ||
	    strftime(out, MAIL_TIME_SIZE, "%Y-%m-%d %H:%M %z", &local) == 0)
		out[0] = '\0';
	return out;
}

void mail_append_address(struct buffer *out, const char *field, const char *name,
                         const char *address)
{
	char *phrase = address_phrase(name);
	char *value = address_format(phrase, address, strlen(field));

	buffer_printf(out, "%s: ", field);
	for (const char *c = value; *c != '\0'; c++) {
		if (*c == '\n')
			buffer_append_char(out, '\r');
		buffer_append_char(out, *c);
	}
	buffer_append_text(out, "\r\n");
	free(value);
	free(phrase);
}

void mail_append_head(struct buffer *out, const struct mail_head *head, const struct keyring *keys,
                      int64_t now)
{
	char mark[MARK_SIZE], date[MAIL_TIME_SIZE];
	char *to = mail_field_address(head->to);

	mark_make(mark, keys, MARK_ALERT, head->detail, now);
	buffer_printf(out, MARK_FIELD ": %s\r\n", mark);
	mail_append_address(out, "From", head->from_name, head->from_address);
	buffer_printf(out,
	              "To: %s\r\n"
	              "Date: %s\r\n"
	              "Message-ID: %s\r\n"
	              "Auto-Submitted: %s\r\n",
	              to != NULL ? to : "undisclosed-recipients:;",
	              mail_format_date(date, head->created_at), head->msgid, head->auto_submitted);
	free(to);
}

/* ` word word`, folded at blanks; column is where the line stands. */
static void append_words(struct buffer *out, const char *text, size_t column)
{
	while (*text != '\0') {
		size_t length = strcspn(text, " ");

		if (column + 1 + length > LINE_COLUMNS) {
			buffer_append_text(out, "\r\n");
			column = 0;
		}
		buffer_append_char(out, ' ');
		buffer_append(out, text, length);
		column += 1 + length;
		text += length + (text[length] == ' ');
	}
}

/* Encoded words, no character in two of them, each on a line of its own. */
static void append_encoded_words(struct buffer *out, const char *text)
{
	size_t length = strlen(text);
	size_t at = 0;

	while (at < length) {
		char encoded[(WORD_BYTES + 2) / 3 * 4 + 1] = {0};
		size_t run = 0, step;

		while ((step = utf8_char_length(text + at + run, length - at - run)) > 0 &&
		       run + step <= WORD_BYTES)
			run += step;
		base64_encode((const unsigned char *)text + at, run, encoded);
		buffer_printf(out, "\r\n =?UTF-8?B?%s?=", encoded);
		at += run;
	}
}

void mail_append_subject(struct buffer *out, const char *ours, const char *theirs)
{
	size_t begin = out->length;

	buffer_append_text(out, "Subject:");
	append_words(out, ours, strlen("Subject:"));
	if (is_ascii(theirs) && strstr(theirs, "=?") == NULL)
		append_words(out, theirs, out->length - begin);
	else
		append_encoded_words(out, theirs);
	buffer_append_text(out, "\r\n");
}

/* Quoted-printable (RFC 2045 6.7) of text with LF line ends. */
static void append_quoted_printable(struct buffer *out, const char *text)
{
	size_t column = 0;

	for (const char *c = text; *c != '\0'; c++) {
		bool is_line_end = c[1] == '\n' || c[1] == '\0';
		bool is_plain = *c >= ' ' && *c < 0x7f && *c != '=' && (*c != ' ' || !is_line_end);
		size_t width = is_plain ? 1 : 3;

		if (*c == '\n') {
			buffer_append_text(out, "\r\n");
			column = 0;
			continue;
		}
		/* The last column is for the `=` of a soft break. */
		if (column + width > LINE_COLUMNS - (is_line_end ? 0 : 1)) {
			buffer_append_text(out, "=\r\n");
			column = 0;
		}
		if (is_plain)
			buffer_append_char(out, *c);
		else
			buffer_printf(out, "=%02X", (unsigned)(unsigned char)*c);
		column += width;
	}
}

static bool has_long_line(const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		if (length > MAIL_TEXT_LINE_BYTES)
			return true;
		text += length + (text[length] == '\n');
	}
	return false;
}

/* The fields of a part, the empty line, and its text. */
static void append_part(struct buffer *out, const char *type, const char *text)
{
	bool is_plain = is_ascii(text) && !has_long_line(text);

	buffer_printf(out,
	              "Content-Type: %s; charset=utf-8\r\n"
	              "Content-Transfer-Encoding: %s\r\n\r\n",
	              type, is_plain ? "7bit" : "quoted-printable");
	if (!is_plain) {
		append_quoted_printable(out, text);
		return;
	}
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		buffer_append(out, text, length);
		buffer_append_text(out, "\r\n");
		text += length + (text[length] == '\n');
	}
}

void mail_append_body(struct buffer *out, const char *body)
{
	buffer_append_text(out, "MIME-Version: 1.0\r\n");
	append_part(out, "text/plain", body);
}

void mail_append_alternative(struct buffer *out, const char *plain, const char *html)
{
	char boundary[BOUNDARY_SIZE];
	unsigned number = 0;

	/* A text is finite, so it does not hold all of them. */
	do
		snprintf(boundary, sizeof(boundary), "=_rejoinder_%u", number++);
	while (strstr(plain, boundary) != NULL || strstr(html, boundary) != NULL);
	buffer_printf(out,
	              "MIME-Version: 1.0\r\n"
	              "Content-Type: multipart/alternative; boundary=\"%s\"\r\n"
	              "\r\n--%s\r\n",
	              boundary, boundary);
	append_part(out, "text/plain", plain);
	buffer_printf(out, "\r\n--%s\r\n", boundary);
	append_part(out, "text/html", html);
	buffer_printf(out, "\r\n--%s--\r\n", boundary);
}
