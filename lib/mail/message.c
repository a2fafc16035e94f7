#include "lib/mail/message.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/encoding.h"
#include "lib/mail/scan.h"

#define BOUNDARY_MAX_BYTES 200 /* RFC 2046 5.1.1 allows 70 */
#define PIECES_MAX         20  /* of a parameter */

/* A multipart whose parts are being read. */
struct open_multipart {
	char boundary[BOUNDARY_MAX_BYTES + 1];
	size_t boundary_length;
	unsigned depth; /* of the multipart itself */
	bool is_digest;
};

struct walk {
	struct part_list *parts;
	struct open_multipart multiparts[MESSAGE_DEPTH_MAX];
	size_t multipart_count;
	long open_parts[MESSAGE_DEPTH_MAX +
	                1]; /* of each depth the part whose end is not known, or -1 */
};

/* Copy [from, from + length) in lower case, cut to the size of out. */
static void copy_lower(char *out, size_t out_size, const char *from, size_t length)
{
	size_t i;

	for (i = 0; i < length && i + 1 < out_size; i++)
		out[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 32) : from[i];
	out[i] = '\0';
}

/* Copy the parameter value at s, quoted or not (RFC 2045 5.1). Returns where it ends. */
static const char *read_parameter_value(const char *s, const char *end, char *out, size_t out_size)
{
	size_t written = 0;
	bool is_quoted = s < end && *s == '"';

	for (s += is_quoted; s < end; s++) {
		if (is_quoted ? *s == '"' : (*s == ';' || scan_is_blank(*s)))
			break;
		if (is_quoted && *s == '\\' && s + 1 < end)
			s++;
		if (written + 1 < out_size)
			out[written++] = *s;
	}
	out[written] = '\0';
	return s + (is_quoted && s < end);
}

/* Find a parameter of a Content-* value by its very name and copy it. False, and "", if it is absent. */
static bool find_parameter(const char *value, const char *name, char *out, size_t out_size)
{
	size_t name_length = strlen(name);
	const char *end = value + strlen(value);
	const char *s = value + strcspn(value, ";");

	out[0] = '\0';
	while (s < end) {
		char ignored[1];
		size_t length;
		bool is_wanted;

		while (s < end && (*s == ';' || scan_is_blank(*s)))
			s++;
		length = strcspn(s, "=; \t\r\n");
		is_wanted = length == name_length && strncasecmp(s, name, length) == 0;
		s += length;
		while (s < end && scan_is_blank(*s))
			s++;
		if (s == end || *s != '=')
			continue;
		s++;
		while (s < end && scan_is_blank(*s))
			s++;
		if (is_wanted) {
			read_parameter_value(s, end, out, out_size);
			return true;
		}
		s = read_parameter_value(s, end, ignored, sizeof ignored);
		s += strcspn(s, ";");
	}
	return false;
}

/* Undo %XX in place. */
static void decode_percent(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		char hex[3] = "";

		if (*from == '%' && isxdigit((unsigned char)from[1]) &&
		    isxdigit((unsigned char)from[2])) {
			memcpy(hex, from + 1, 2);
			*to++ = (char)strtoul(hex, NULL, 16);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/*
 * Copy a piece of an extended parameter (RFC 2231 4): the first begins with its
 * charset and language.
 */
static void copy_extended(char *out, size_t out_size, char *piece, bool is_first)
{
	const char *quote = is_first ? strchr(piece, '\'') : NULL;

	if (quote != NULL)
		quote = strchr(quote + 1, '\'');
	if (quote != NULL)
		memmove(piece, quote + 1, strlen(quote + 1) + 1);
	decode_percent(piece);
	snprintf(out, out_size, "%s", piece);
}

/* Find a parameter, whole, extended, or in pieces (RFC 2231 3, 4), and copy it; "" if it is absent. */
static void read_parameter(const char *value, const char *name, char *out, size_t out_size)
{
	size_t length = 0;
	char piece[BOUNDARY_MAX_BYTES + 1];
	char piece_name[40];

	if (find_parameter(value, name, out, out_size) || strchr(value, '*') == NULL)
		return;
	snprintf(piece_name, sizeof piece_name, "%s*", name);
	if (find_parameter(value, piece_name, piece, sizeof piece)) {
		copy_extended(out, out_size, piece, true);
		return;
	}
	for (int i = 0; i < PIECES_MAX && length + 1 < out_size; i++) {
		snprintf(piece_name, sizeof piece_name, "%s*%d", name, i);
		if (find_parameter(value, piece_name, piece, sizeof piece)) {
			snprintf(out + length, out_size - length, "%s", piece);
		} else {
			snprintf(piece_name, sizeof piece_name, "%s*%d*", name, i);
			if (!find_parameter(value, piece_name, piece, sizeof piece))
				return;
			copy_extended(out + length, out_size - length, piece, i == 0);
		}
		length += strlen(out + length);
	}
}

/* Fill what the part's header says of it. */
static void describe_part(struct part *part, const struct header *header, bool is_in_digest)
{
	const char *type = header_get(header, "Content-Type");
	const char *encoding = header_get(header, "Content-Transfer-Encoding");
	const char *disposition = header_get(header, "Content-Disposition");
	size_t length;

	snprintf(part->type, sizeof part->type, "%s",
	         is_in_digest ? "message/rfc822" : "text/plain");
	if (type != NULL) {
		type += strspn(type, " \t\r\n");
		length = strcspn(type, "; \t\r\n(");
		if (memchr(type, '/', length) != NULL && length < sizeof part->type)
			copy_lower(part->type, sizeof part->type, type, length);
		read_parameter(type, "charset", part->charset, sizeof part->charset);
		read_parameter(type, "report-type", part->report_type, sizeof part->report_type);
		copy_lower(part->report_type, sizeof part->report_type, part->report_type,
		           strlen(part->report_type));
	}
	if (encoding != NULL) {
		encoding += strspn(encoding, " \t\r\n\"");
		copy_lower(part->encoding, sizeof part->encoding, encoding,
		           strcspn(encoding, "; \t\r\n\""));
	}
	if (disposition != NULL) {
		disposition += strspn(disposition, " \t\r\n\"");
		part->is_attachment = strncasecmp(disposition, "attachment", 10) == 0;
	}
}

static bool is_multipart(const struct part *part)
{
	return strncmp(part->type, "multipart/", 10) == 0;
}

static void add_part(struct walk *walk, const struct header *header, unsigned depth,
                     bool is_in_digest, const char *content, size_t length)
{
	struct part_list *parts = walk->parts;
	struct part *part = &parts->items[parts->count];
	struct open_multipart *multipart = &walk->multiparts[walk->multipart_count];
	const char *type = header_get(header, "Content-Type");

	memset(part, 0, sizeof *part);
	describe_part(part, header, is_in_digest);
	part->depth = depth;
	part->content = content;
	part->length = length;
	walk->open_parts[depth] = (long)parts->count++;
	if (!is_multipart(part) || type == NULL || depth >= MESSAGE_DEPTH_MAX)
		return;
	read_parameter(type, "boundary", multipart->boundary, sizeof multipart->boundary);
	multipart->boundary_length = strlen(multipart->boundary);
	multipart->depth = depth;
	multipart->is_digest = strcmp(part->type, "multipart/digest") == 0;
	if (multipart->boundary_length > 0)
		walk->multipart_count++;
}

/* The parts deeper than depth end here. */
static void close_parts(struct walk *walk, unsigned depth, const char *end)
{
	for (unsigned i = depth + 1; i <= MESSAGE_DEPTH_MAX; i++) {
		if (walk->open_parts[i] >= 0) {
			struct part *part = &walk->parts->items[walk->open_parts[i]];

			part->length = end > part->content ? (size_t)(end - part->content) : 0;
			walk->open_parts[i] = -1;
		}
	}
}

/* Is [s, end) nothing but white space? */
static bool is_rest_blank(const char *s, const char *end)
{
	while (s < end && scan_is_blank(*s))
		s++;
	return s == end;
}

/*
 * Which open multipart a line is a delimiter of (RFC 2046 5.1.1), the innermost
 * first, or -1.  *is_last_out: it is the closing one.
 */
static int find_delimiter(const struct walk *walk, const char *line, const char *end,
                          bool *is_last_out)
{
	if (end - line < 3 || line[0] != '-' || line[1] != '-')
		return -1;
	line += 2;
	for (int i = (int)walk->multipart_count - 1; i >= 0; i--) {
		const struct open_multipart *multipart = &walk->multiparts[i];
		const char *rest;

		if ((size_t)(end - line) < multipart->boundary_length ||
		    memcmp(line, multipart->boundary, multipart->boundary_length) != 0)
			continue;
		rest = line + multipart->boundary_length;
		*is_last_out = end - rest >= 2 && rest[0] == '-' && rest[1] == '-';
		if (is_rest_blank(*is_last_out ? rest + 2 : rest, end))
			return i;
	}
	return -1;
}

/* The line break before a delimiter belongs to it. */
static const char *before_line_break(const char *body, const char *line)
{
	if (line > body && line[-1] == '\n')
		line--;
	if (line > body && line[-1] == '\r')
		line--;
	return line;
}

static void walk_body(struct walk *walk, const char *body, size_t length)
{
	const char *end = body + length;
	const char *line = body;

	while (line < end && walk->multipart_count > 0) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *next = newline == NULL ? end : newline + 1;
		bool is_last = false;
		int found = find_delimiter(walk, line, newline == NULL ? end : newline, &is_last);
		const struct open_multipart *multipart;
		struct header header;
		size_t content;

		if (found < 0) {
			line = next;
			continue;
		}
		multipart = &walk->multiparts[found];
		close_parts(walk, multipart->depth, before_line_break(body, line));
		walk->multipart_count = (size_t)found + !is_last;
		line = next;
		if (is_last)
			continue;
		if (walk->parts->count == MESSAGE_PARTS_MAX)
			return;
		header_init(&header);
		content = header_parse(&header, next, (size_t)(end - next));
		line = next + content;
		add_part(walk, &header, multipart->depth + 1, multipart->is_digest, line,
		         (size_t)(end - line));
		header_release(&header);
	}
}

void message_parts(const struct message *message, struct part_list *parts)
{
	struct walk *walk = xzalloc(sizeof *walk);
	const char *body = message->body_length > 0 ? message->body : "";

	parts->items = xreallocarray(NULL, MESSAGE_PARTS_MAX, sizeof *parts->items);
	parts->count = 0;
	walk->parts = parts;
	for (size_t i = 0; i <= MESSAGE_DEPTH_MAX; i++)
		walk->open_parts[i] = -1;
	add_part(walk, message->header, 0, false, body, message->body_length);
	walk_body(walk, body, message->body_length);
	free(walk);
}

void part_list_release(struct part_list *parts)
{
	free(parts->items);
	memset(parts, 0, sizeof *parts);
}

char *part_decode(const struct part *part, size_t max_bytes, size_t *length_out)
{
	size_t room = part->length < max_bytes ? part->length : max_bytes;
	char *out = xmalloc(room + 1);

	if (strcmp(part->encoding, "base64") == 0) {
		*length_out = base64_decode(part->content, part->length, out, room);
	} else if (strcmp(part->encoding, "quoted-printable") == 0) {
		*length_out =
			quoted_printable_decode(part->content, part->length, false, out, room);
	} else {
		memcpy(out, part->content, room);
		*length_out = room;
	}
	out[*length_out] = '\0';
	return out;
}
