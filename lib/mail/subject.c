#include "lib/mail/subject.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/mail/encoding.h"
#include "lib/mail/header.h"

#define CHARSET_MAX_BYTES 40
#define CONVERSIONS_MAX   64 /* of one value: opening a charset costs more than a word's bytes */

/* One encoded word `=?charset*language?encoding?text?=` (RFC 2047 2, RFC 2231 5). */
struct word {
	char charset[CHARSET_MAX_BYTES + 1];
	bool is_base64;
	const char *text;
	size_t text_length;
	size_t length; /* of all of it */
};

/* What was decoded of adjacent words of one charset, kept as bytes: a character may be split between them. */
struct run {
	char charset[CHARSET_MAX_BYTES + 1];
	const char *from; /* the words as written, [from, to) */
	const char *to;
	char *bytes;
	size_t length;
};

/* Read the encoded word at s. */
static bool read_word(const char *s, const char *end, struct word *word)
{
	const char *charset = s + 2;
	const char *mark;
	size_t length;

	if (end - s < 8 || s[0] != '=' || s[1] != '?')
		return false;
	mark = memchr(charset, '?', (size_t)(end - charset));
	if (mark == NULL || mark == charset || mark - charset > CHARSET_MAX_BYTES || end - mark < 5)
		return false;
	length = (size_t)(mark - charset);
	memcpy(word->charset, charset, length);
	word->charset[length] = '\0';
	word->charset[strcspn(word->charset, "*")] = '\0';
	if (strchr("bBqQ", mark[1]) == NULL || mark[1] == '\0' || mark[2] != '?')
		return false;
	word->is_base64 = mark[1] == 'b' || mark[1] == 'B';
	word->text = mark + 3;
	mark = memchr(word->text, '?', (size_t)(end - word->text));
	if (mark == NULL || mark + 1 == end || mark[1] != '=')
		return false;
	word->text_length = (size_t)(mark - word->text);
	word->length = (size_t)(mark + 2 - s);
	return true;
}

static void run_append(struct run *run, const struct word *word)
{
	char *room = run->bytes + run->length;

	/* Neither encoding makes text longer, and bytes has the room of the whole value. */
	if (word->is_base64)
		run->length +=
			base64_decode(word->text, word->text_length, room, word->text_length);
	else
		run->length += quoted_printable_decode(word->text, word->text_length, true, room,
		                                       word->text_length);
}

static void run_flush(struct run *run, struct buffer *out, unsigned *conversions)
{
	if (run->from == NULL)
		return;
	if (++*conversions > CONVERSIONS_MAX ||
	    !charset_append_utf8(out, run->charset, run->bytes, run->length))
		utf8_append_clean(out, run->from, (size_t)(run->to - run->from));
	run->from = NULL;
	run->length = 0;
}

/* Does nothing but blanks stand in [from, to)? */
static bool is_gap(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	return from == to;
}

static void decode_words(struct buffer *out, const char *value, size_t length)
{
	const char *end = value + length;
	const char *plain = value; /* what was read and not yet written */
	struct run run = {.bytes = xmalloc(length + 1)};
	unsigned conversions = 0;
	struct word word;

	for (const char *s = value; s < end && !out->is_full;) {
		s = memchr(s, '=', (size_t)(end - s));
		if (s == NULL)
			break;
		if (!read_word(s, end, &word)) {
			s++;
			continue;
		}
		if (run.from == NULL || !is_gap(plain, s) ||
		    strcasecmp(run.charset, word.charset) != 0) {
			bool is_adjacent = run.from != NULL && is_gap(plain, s);

			run_flush(&run, out, &conversions);
			if (!is_adjacent)
				utf8_append_clean(out, plain, (size_t)(s - plain));
			memcpy(run.charset, word.charset, sizeof run.charset);
			run.from = s;
		}
		run_append(&run, &word);
		s += word.length;
		run.to = s;
		plain = s;
	}
	run_flush(&run, out, &conversions);
	utf8_append_clean(out, plain, (size_t)(end - plain));
	free(run.bytes);
}

/* Control characters, those of U+0080 to U+009F too, become blanks. Trims the ends. */
static char *clean_line(const char *text, size_t length)
{
	char *out = xmalloc(length + 1);
	size_t written = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f) {
			out[written++] = ' ';
		} else if (c == 0xc2 && i + 1 < length && (unsigned char)text[i + 1] < 0xa0) {
			out[written++] = ' ';
			i++;
		} else {
			out[written++] = (char)c;
		}
		if (written == 1 && out[0] == ' ')
			written = 0;
	}
	while (written > 0 && out[written - 1] == ' ')
		written--;
	out[written] = '\0';
	return out;
}

char *subject_decode(const char *value, size_t length, size_t max_bytes)
{
	struct buffer out;
	char *line = header_unfold(value, length);
	char *clean;

	buffer_init(&out, max_bytes);
	decode_words(&out, line, strlen(line));
	clean = clean_line(out.data, out.length);
	buffer_release(&out);
	free(line);
	return clean;
}

/* Reply and forward marks of common clients, before their colon, in lower case where that is ASCII. */
static const char *const marks[] = {
	"re",
	"fw",
	"fwd",
	"aw",
	"antw",
	"antwort",
	"wg",
	"sv",
	"vs",
	"vb",
	"vl",
	"rv",
	"tr",
	"rif",
	"r",
	"i",
	"odp",
	"pd",
	"ynt",
	"ilt",
	"res",
	"enc",
	"doorst",
	"bls",
	"atb",
	"re\xc2\xa0",
	"\xe5\x9b\x9e\xe5\xa4\x8d",         /* Chinese: reply */
	"\xe5\x9b\x9e\xe8\xa6\x86",         /* the same, traditional */
	"\xe7\xad\x94\xe5\xa4\x8d",         /* answer */
	"\xe7\xad\x94\xe8\xa6\x86",         /* the same, traditional */
	"\xe8\xbd\xac\xe5\x8f\x91",         /* forward */
	"\xe8\xbd\x89\xe5\xaf\x84",         /* the same, traditional */
	"\xe8\xbf\x94\xe4\xbf\xa1",         /* Japanese: reply */
	"\xec\x9d\x91\xeb\x8b\xb5",         /* Korean: answer */
	"\xd0\xbe\xd1\x82\xd0\xb2",         /* Russian: answer, abbreviated */
	"\xd0\x9e\xd1\x82\xd0\xb2",         /* the same, capital */
	"\xce\xb1\xcf\x80",                 /* Greek: from */
	"\xce\x91\xce\xa0",                 /* the same, capitals */
	"\xce\xa3\xcf\x87\xce\xb5\xcf\x84", /* Greek: related */
	"\xd7\x94\xd7\xa9\xd7\x91",         /* Hebrew: reply */
	"v\xc3\xa1",                        /* Hungarian: answer */
	"V\xc3\xa1",                        /* the same, capital */
};

/* The length of the bracketed number after a mark: [2], (2), *2, ^2. */
static size_t number_length(const char *s)
{
	size_t digits = strspn(s + (*s != '\0'), "0123456789");

	if (digits == 0 || digits > 5)
		return 0;
	if (*s == '[' && s[1 + digits] == ']')
		return digits + 2;
	if (*s == '(' && s[1 + digits] == ')')
		return digits + 2;
	return *s == '*' || *s == '^' ? digits + 1 : 0;
}

/* The length of a mark with its colon at s, 0 if there is none. */
static size_t mark_length(const char *s)
{
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		size_t length = strlen(marks[i]);

		if (strncasecmp(s, marks[i], length) != 0)
			continue;
		length += number_length(s + length);
		length += strspn(s + length, " ");
		if (s[length] == ':')
			return length + 1;
		if (strncmp(s + length, "\xef\xbc\x9a", 3) == 0) /* the full-width colon */
			return length + 3;
	}
	return 0;
}

const char *subject_strip(const char *subject)
{
	size_t length;

	do {
		subject += strspn(subject, " ");
		length = mark_length(subject);
		subject += length;
	} while (length > 0);
	return subject;
}
