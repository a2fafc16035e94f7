#include "lib/mail/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/mail/encoding.h"
#include "lib/mail/scan.h"

#define NEW_TEXT_SCAN_BYTES (256 * 1024) /* how far a text is read for what is new in it */

char *text_of_part(const struct part *part, size_t max_bytes)
{
	size_t length;
	char *bytes = part_decode(part, max_bytes, &length);
	struct buffer utf8;
	char *text;

	buffer_init(&utf8, max_bytes);
	if (part->charset[0] == '\0' || !charset_append_utf8(&utf8, part->charset, bytes, length))
		utf8_append_clean(&utf8, bytes, length);
	free(bytes);
	if (strcmp(part->type, "text/html") != 0)
		return buffer_take(&utf8);
	text = text_from_html(utf8.data, utf8.length, max_bytes);
	buffer_release(&utf8);
	return text;
}

const struct part *text_first_part(const struct part_list *parts)
{
	static const char *const types[] = {"text/plain", "text/html"};

	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < parts->count; i++) {
			const struct part *part = &parts->items[i];

			if (!part->is_attachment && strcmp(part->type, types[t]) == 0)
				return part;
		}
	}
	return NULL;
}

/* One line of a text, without its line break and the blanks before it. */
struct line {
	const char *begin;
	size_t length;
};

static const char *next_line(const char *s, const char *end, struct line *line)
{
	const char *newline = memchr(s, '\n', (size_t)(end - s));
	const char *stop = newline == NULL ? end : newline;

	line->begin = s;
	line->length = (size_t)(stop - s);
	while (line->length > 0 && scan_is_blank(s[line->length - 1]))
		line->length--;
	return newline == NULL ? end : newline + 1;
}

static bool is_quoted(const struct line *line)
{
	size_t i = 0;

	while (i < line->length && i < 3 && line->begin[i] == ' ')
		i++;
	return i < line->length && line->begin[i] == '>';
}

/* The line of dashes with words inside that clients put above an answered message. */
static bool is_dashed_title(const struct line *line)
{
	size_t dashes = 0;

	while (dashes < line->length && line->begin[dashes] == '-')
		dashes++;
	return dashes >= 4 && line->length >= dashes + 10 &&
	       memcmp(line->begin + line->length - 4, "----", 4) == 0;
}

/* Does a line begin with one of the words by which Outlook begins a field of the answered message? */
static bool begins_with_field(const struct line *line, const char *const *names)
{
	size_t i = 0;

	while (i < line->length && strchr("*_ ", line->begin[i]) != NULL && line->begin[i] != '\0')
		i++;
	for (; *names != NULL; names++) {
		size_t length = strlen(*names);

		if (line->length - i > length &&
		    strncasecmp(line->begin + i, *names, length) == 0) {
			size_t at = i + length;

			while (at < line->length && strchr("* ", line->begin[at]) != NULL &&
			       line->begin[at] != '\0')
				at++;
			return at < line->length && line->begin[at] == ':';
		}
	}
	return false;
}

/* "From: ..." followed by "Sent: ...": the message that Outlook answers. */
static bool is_outlook_block(const struct line *line, const char *next, const char *end)
{
	static const char *const from[] = {"From",
	                                   "Von",
	                                   "De",
	                                   "Da",
	                                   "Van",
	                                   "Od",
	                                   "Fra",
	                                   "Fr\xc3\xa5n",
	                                   "\xd0\x9e\xd1\x82",
	                                   "\xe5\x8f\x91\xe4\xbb\xb6\xe4\xba\xba",
	                                   NULL};
	static const char *const sent[] = {"Sent",
	                                   "Date",
	                                   "Gesendet",
	                                   "Datum",
	                                   "Envoy\xc3\xa9",
	                                   "Enviado",
	                                   "Enviada",
	                                   "Fecha",
	                                   "Data",
	                                   "Inviato",
	                                   "Verzonden",
	                                   "Wys\xc5\x82"
	                                   "ano",
	                                   "Sendt",
	                                   "Skickat",
	                                   "To",
	                                   "An",
	                                   "\xd0\x94\xd0\xb0\xd1\x82\xd0\xb0",
	                                   "\xe5\x8f\x91\xe9\x80\x81\xe6\x97\xb6\xe9\x97\xb4",
	                                   NULL};
	struct line following;

	if (!begins_with_field(line, from) || next == end)
		return false;
	next_line(next, end, &following);
	return begins_with_field(&following, sent);
}

/* Does the text after this line belong to somebody or something else? */
static bool ends_new_text(const struct line *line, const char *next, const char *end)
{
	/* The blank of RFC 3676 4.3 was trimmed off. */
	if (line->length == 2 && memcmp(line->begin, "--", 2) == 0)
		return true;
	if (is_dashed_title(line) || is_outlook_block(line, next, end))
		return true;
	/* A ruler right above them goes with them. */
	if (line->length >= 20 && strspn(line->begin, "_") == line->length && next < end) {
		struct line following;

		next = next_line(next, end, &following);
		return is_outlook_block(&following, next, end);
	}
	return false;
}

/* Has [s, s + length) what the line has that introduces a quotation: an address, a time or a year? */
static bool names_person_or_time(const char *s, size_t length)
{
	size_t digits = 0;

	for (size_t i = 0; i < length; i++) {
		if (s[i] == '@')
			return true;
		digits = s[i] >= '0' && s[i] <= '9' ? digits + 1 : 0;
		if (digits == 4)
			return true;
		if (digits == 2 && i + 1 < length && s[i + 1] == ':')
			return true;
	}
	return false;
}

/* The offset where the last line before `length` begins. */
static size_t last_line_begin(const char *s, size_t length)
{
	while (length > 0 && s[length - 1] != '\n')
		length--;
	return length;
}

/*
 * A quotation begins after this text: cut the line that introduces it ("On ...,
 * Jane wrote:"), which clients also break in two.
 */
static void cut_introduction(struct buffer *out)
{
	size_t end = out->length;
	size_t begin;

	while (end > 0 && out->data[end - 1] == '\n')
		end--;
	if (end == 0 || out->data[end - 1] != ':')
		return;
	begin = last_line_begin(out->data, end);
	if (begin > 1 && out->data[begin - 2] != '\n') {
		size_t before = last_line_begin(out->data, begin - 1);

		if (names_person_or_time(out->data + before, begin - 1 - before) &&
		    end - before < 250)
			begin = before;
	}
	if (!names_person_or_time(out->data + begin, end - begin))
		return;
	out->length = begin;
	out->data[begin] = '\0';
}

/* Append a line; of blank lines one stays, and none at the beginning. */
static void append_line(struct buffer *out, const struct line *line)
{
	if (line->length == 0 &&
	    (out->length == 0 || (out->length > 1 && out->data[out->length - 1] == '\n' &&
	                          out->data[out->length - 2] == '\n')))
		return;
	buffer_append(out, line->begin, line->length);
	buffer_append_char(out, '\n');
}

/* Copy the new text into out. */
static void copy_new_lines(struct buffer *out, const char *text)
{
	const char *end = text + strlen(text);
	const char *s = text;
	bool was_quoted = false;

	while (s < end && !out->is_full) {
		struct line line;
		const char *next = next_line(s, end, &line);

		if (ends_new_text(&line, next, end))
			break;
		if (is_quoted(&line)) {
			if (!was_quoted)
				cut_introduction(out);
			was_quoted = true;
		} else {
			append_line(out, &line);
			was_quoted = was_quoted && line.length == 0;
		}
		s = next;
	}
}

/* Drop the line breaks at the end, and cut at a character to max_bytes. */
static char *trim(const char *text, size_t length, size_t max_bytes)
{
	struct buffer out;

	buffer_init(&out, max_bytes);
	while (length > 0 && scan_is_blank(text[length - 1]))
		length--;
	utf8_append_clean(&out, text, length);
	return buffer_take(&out);
}

char *message_new_text(const struct message *message, size_t max_bytes)
{
	struct part_list parts;
	const struct part *part;
	struct buffer lines;
	char *text;
	char *result;

	message_parts(message, &parts);
	part = text_first_part(&parts);
	buffer_init(&lines, 2 * NEW_TEXT_SCAN_BYTES);
	if (part != NULL) {
		text = text_of_part(part, NEW_TEXT_SCAN_BYTES);
		copy_new_lines(&lines, text);
		free(text);
	}
	result = trim(lines.data, lines.length, max_bytes);
	buffer_release(&lines);
	part_list_release(&parts);
	return result;
}
