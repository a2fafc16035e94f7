#include "lib/mail/address.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/mail/header.h"
#include "lib/mail/idn.h"
#include "lib/mail/phrase.h"
#include "lib/mail/scan.h"
#include "lib/mail/subject.h"

/* dot-atom or, since such addresses are in use, dots in any place. */
static bool is_plain_local(const char *local, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!phrase_is_atext(local[i]) && local[i] != '.')
			return false;
	}
	return length > 0;
}

static bool is_dot_atom(const char *local, size_t length)
{
	if (!is_plain_local(local, length) || local[0] == '.' || local[length - 1] == '.')
		return false;
	return memmem(local, length, "..", 2) == NULL;
}

/* Append a quoted string without its quotes if it does not need them. -1 if it cannot be in an address. */
static int append_quoted_local(struct buffer *out, const char *quoted, size_t length)
{
	char text[ADDRESS_MAX_BYTES];
	size_t text_length = 0;

	for (size_t i = 1; i + 1 < length; i++) {
		if (quoted[i] == '\\' && i + 2 < length)
			i++;
		if (phrase_is_control(quoted[i]) || text_length == sizeof text)
			return -1;
		text[text_length++] = quoted[i];
	}
	if (is_dot_atom(text, text_length))
		return buffer_append(out, text, text_length);
	if (buffer_append_char(out, '"') < 0)
		return -1;
	for (size_t i = 0; i < text_length; i++) {
		if ((text[i] == '"' || text[i] == '\\') && buffer_append_char(out, '\\') < 0)
			return -1;
		if (buffer_append_char(out, text[i]) < 0)
			return -1;
	}
	return buffer_append_char(out, '"');
}

/* Append the domain of text in lower case ASCII; its one trailing dot goes. -1 if it is none. */
static int append_domain(struct buffer *out, const char *domain, size_t length)
{
	if (length > 1 && domain[length - 1] == '.')
		length--;
	if (length > 2 && domain[0] == '[' && domain[length - 1] == ']') {
		for (size_t i = 1; i + 1 < length; i++) {
			if ((unsigned char)domain[i] >= 0x80 ||
			    (!phrase_is_atext(domain[i]) && domain[i] != '.' && domain[i] != ':'))
				return -1;
		}
	} else if (!is_dot_atom(domain, length) || memchr(domain, '?', length) != NULL) {
		/* `?=` is the end of an encoded word. */
		return -1;
	}
	return idn_append_ascii(out, domain, length);
}

/*
 * Copy an addr-spec without its comments and white space (RFC 5322 4.4 allows
 * them around every atom).  White space between two words is kept as one blank.
 * Returns the offset of the last @ outside quotes, or -1 if there is none or no room.
 */
static long squeeze(struct buffer *out, const char *text, size_t length, bool has_comments)
{
	struct scan scan = {.bytes = text, .length = length, .has_open_comment = !has_comments};
	bool has_blank = false;
	long at_sign = -1;

	while (scan.at < length) {
		size_t begin = scan.at;
		char c = text[begin];

		if (scan_comment(&scan) || scan_is_blank(c)) {
			has_blank = true;
			scan.at += scan.at == begin;
			continue;
		}
		if (has_blank && out->length > 0 && strchr("@.", c) == NULL &&
		    strchr("@.", out->data[out->length - 1]) == NULL)
			buffer_append_char(out, ' ');
		has_blank = false;
		if (scan_quoted(&scan)) {
			if (buffer_append(out, text + begin, scan.at - begin) < 0)
				return -1;
			continue;
		}
		if (c == '@')
			at_sign = (long)out->length;
		if (buffer_append_char(out, c) < 0)
			return -1;
		scan.at++;
	}
	return at_sign;
}

/* Append local@domain of a squeezed addr-spec. */
static int append_addr_spec(struct buffer *out, const char *text, size_t length, size_t at_sign)
{
	int result;

	if (at_sign > 1 && text[0] == '"' && text[at_sign - 1] == '"')
		result = append_quoted_local(out, text, at_sign);
	else if (is_plain_local(text, at_sign))
		result = buffer_append(out, text, at_sign);
	else
		return -1;
	if (result < 0 || buffer_append_char(out, '@') < 0)
		return -1;
	return append_domain(out, text + at_sign + 1, length - at_sign - 1);
}

/* A route `@a,@b:` (RFC 5322 4.4), which only stands inside angle brackets. */
static void drop_route(const char **text, size_t *length)
{
	const char *colon;

	while (*length > 0 && (scan_is_blank(**text) || **text == '<')) {
		(*text)++;
		(*length)--;
	}
	if (*length == 0 || **text != '@')
		return;
	colon = memchr(*text, ':', *length);
	if (colon == NULL)
		return;
	*length -= (size_t)(colon + 1 - *text);
	*text = colon + 1;
}

/* The scheme of a link, which some clients leave in front of the address: `<mailto:jane@example.com>`. */
static void drop_scheme(const char **text, size_t *length)
{
	static const char *const schemes[] = {"mailto:", "smtp:"};

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t scheme_length = strlen(schemes[i]);

		if (*length > scheme_length && strncasecmp(*text, schemes[i], scheme_length) == 0) {
			*text += scheme_length;
			*length -= scheme_length;
			return;
		}
	}
}

/* Read one addr-spec: a heap string, or NULL if it is none. */
static char *read_addr_spec(const char *text, size_t length, bool has_comments)
{
	struct buffer squeezed;
	struct buffer out;
	char *address = NULL;
	long at_sign;

	buffer_init(&squeezed, 2 * ADDRESS_MAX_BYTES);
	buffer_init(&out, ADDRESS_MAX_BYTES);
	at_sign = squeeze(&squeezed, text, length, has_comments);
	if (at_sign > 0 &&
	    append_addr_spec(&out, squeezed.data, squeezed.length, (size_t)at_sign) == 0)
		address = buffer_take(&out);
	buffer_release(&out);
	buffer_release(&squeezed);
	return address;
}

/* Of bare words without brackets, the only one with an @: `Jane jane@example.com`. */
static char *read_bare(const char *text, size_t length)
{
	char *address;
	const char *sign;
	size_t from;
	size_t to;

	drop_route(&text, &length);
	sign = memchr(text, '@', length);
	if (sign == NULL)
		return NULL;
	address = read_addr_spec(text, length, true);
	if (address != NULL)
		return address;
	if (memchr(sign + 1, '@', (size_t)(text + length - sign - 1)) != NULL)
		return NULL;
	from = to = (size_t)(sign - text);
	while (from > 0 && !scan_is_blank(text[from - 1]))
		from--;
	while (to < length && !scan_is_blank(text[to]))
		to++;
	/* Of brackets one may be lost. */
	from += text[from] == '<';
	to -= to > from && text[to - 1] == '>';
	return read_addr_spec(text + from, to - from, true);
}

/* Is a phrase without specials outside its quoted strings, so that a field may hold it again. */
static bool is_valid_phrase(const char *phrase, size_t length)
{
	struct scan scan = {.bytes = phrase, .length = length};

	while (scan.at < length) {
		char c = phrase[scan.at];

		if (scan_quoted(&scan))
			continue;
		if (!phrase_is_atext(c) && c != '.' && c != ' ')
			return false;
		scan.at++;
	}
	return true;
}

/*
 * The phrase in text: comments left out, unfolded, control bytes blanked; quoted
 * as a whole if it holds specials that would be read as something else.
 */
static char *read_phrase(const char *text, size_t length)
{
	struct scan scan = {.bytes = text, .length = length};
	struct buffer out;
	struct buffer quoted;
	char *plain;

	buffer_init(&out, PHRASE_MAX_BYTES);
	while (scan.at < length && !out.is_full) {
		size_t begin = scan.at;

		if (scan_comment(&scan)) {
			buffer_append_char(&out, ' ');
		} else if (scan_quoted(&scan)) {
			buffer_append(&out, text + begin, scan.at - begin);
		} else {
			buffer_append_char(&out, text[scan.at++]);
		}
	}
	if (out.is_full)
		buffer_clear(&out);
	phrase_blank_controls(out.data, out.length);
	plain = header_unfold(out.data, out.length);
	buffer_release(&out);
	if (strcmp(plain, "\"\"") == 0)
		plain[0] = '\0';
	if (is_valid_phrase(plain, strlen(plain)))
		return plain;
	buffer_init(&quoted, 2 * PHRASE_MAX_BYTES + 2);
	phrase_append_quoted(&quoted, plain, strlen(plain));
	free(plain);
	return buffer_take(&quoted);
}

/* Where a list is being read: the mailbox at hand began at `begin`. */
struct reader {
	struct scan scan;
	struct address_list *list;
	size_t begin;
	bool has_address; /* an angle address of this mailbox was read */
};

static void list_add(struct address_list *list, char *phrase, char *address)
{
	/* The array doubles whenever the count is a power of two from 4 on. */
	if (list->count == 0 || (list->count >= 4 && (list->count & (list->count - 1)) == 0))
		list->items = xreallocarray(list->items, list->count == 0 ? 4 : list->count * 2,
		                            sizeof *list->items);
	list->items[list->count++] = (struct address){.phrase = phrase, .address = address};
}

/* Read the angle address at `at`. Without a `>` before the next `<` it is an ordinary character. */
static void read_angle(struct reader *reader)
{
	struct scan *scan = &reader->scan;
	struct scan inner = *scan;
	size_t begin = scan->at++;
	const char *text;
	size_t length;
	char *address;

	inner.at++;
	while (inner.at < inner.length && strchr("<>", inner.bytes[inner.at]) == NULL) {
		if (!scan_quoted(&inner))
			inner.at++;
	}
	if (inner.at >= inner.length || inner.bytes[inner.at] != '>')
		return;
	text = inner.bytes + begin + 1;
	length = inner.at - begin - 1;
	scan->at = inner.at + 1;
	drop_route(&text, &length);
	drop_scheme(&text, &length);
	address = read_addr_spec(text, length, true);
	if (address == NULL)
		return;
	/* A bracket written twice is no part of the name. */
	while (begin > reader->begin && strchr("< \t", scan->bytes[begin - 1]) != NULL)
		begin--;
	list_add(reader->list, read_phrase(scan->bytes + reader->begin, begin - reader->begin),
	         address);
	reader->begin = scan->at;
	reader->has_address = true;
}

static void finish_mailbox(struct reader *reader)
{
	struct scan *scan = &reader->scan;
	char *address = NULL;

	if (!reader->has_address)
		address = read_bare(scan->bytes + reader->begin, scan->at - reader->begin);
	if (address != NULL)
		list_add(reader->list, xstrdup(""), address);
	reader->has_address = false;
	reader->begin = scan->at + 1;
}

/* Step over a domain literal, whose colons begin no group: at most 64 bytes (RFC 5321 4.1.3). */
static bool skip_literal(struct scan *scan)
{
	size_t rest = scan->length - scan->at;
	const char *end;

	if (scan->bytes[scan->at] != '[')
		return false;
	end = memchr(scan->bytes + scan->at, ']', rest < 64 ? rest : 64);
	if (end == NULL)
		return false;
	scan->at = (size_t)(end - scan->bytes) + 1;
	return true;
}

static void read_list(struct address_list *list, const char *value, size_t length, size_t max_count)
{
	struct reader reader = {.scan = {.bytes = value, .length = length}, .list = list};
	struct scan *scan = &reader.scan;

	while (scan->at < length && list->count < max_count) {
		char c = value[scan->at];

		if (scan_comment(scan) || scan_quoted(scan) || skip_literal(scan))
			continue;
		if (c == '<') {
			read_angle(&reader);
			continue;
		}
		if (c == ',' || c == ';')
			finish_mailbox(&reader);
		else if (c == ':')
			reader.begin = scan->at + 1;
		scan->at++;
	}
	if (list->count < max_count)
		finish_mailbox(&reader);
}

/* Is a value made of encoded words (RFC 2047) and nothing else? */
static bool is_encoded(const char *value, size_t length)
{
	size_t at = 0;
	bool has_word = false;

	while (at < length) {
		size_t begin = at;

		while (at < length && !scan_is_blank(value[at]))
			at++;
		if (at > begin) {
			if (at - begin < 6 || memcmp(value + begin, "=?", 2) != 0 ||
			    memcmp(value + at - 2, "?=", 2) != 0)
				return false;
			has_word = true;
		}
		at++;
	}
	return has_word;
}

void address_list_parse(struct address_list *list, const char *value, size_t length,
                        size_t max_count)
{
	memset(list, 0, sizeof *list);
	if (is_encoded(value, length)) {
		char *text = subject_decode(value, length, HEADER_VALUE_MAX);

		read_list(list, text, strlen(text), max_count);
		free(text);
	}
	if (list->count == 0)
		read_list(list, value, length, max_count);
}

void address_list_release(struct address_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].phrase);
		free(list->items[i].address);
	}
	free(list->items);
	memset(list, 0, sizeof *list);
}

char *address_from_envelope(const char *text)
{
	struct scan scan = {.bytes = text, .length = strlen(text)};
	bool has_angle;
	size_t begin;
	size_t length;

	while (scan_is_blank(text[scan.at]))
		scan.at++;
	has_angle = text[scan.at] == '<';
	scan.at += has_angle;
	begin = scan.at;
	while (scan.at < scan.length) {
		char c = text[scan.at];

		if (has_angle ? c == '>' : scan_is_blank(c))
			break;
		if (!scan_quoted(&scan))
			scan.at++;
	}
	if (has_angle && scan.at == scan.length)
		return NULL;
	text += begin;
	length = scan.at - begin;
	if (length == 0)
		return xstrdup("");
	drop_route(&text, &length);
	return read_addr_spec(text, length, false);
}

bool address_equal(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcasecmp(a, b) == 0;
}

const char *address_domain(const char *address)
{
	const char *at_sign = strrchr(address, '@');

	return at_sign == NULL ? "" : at_sign + 1;
}
