#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/mail/encoding.h"
#include "lib/mail/scan.h"
#include "lib/mail/text.h"

#define TAG_MAX_BYTES   16
#define QUOTE_DEPTH_MAX 1000

struct html {
	struct buffer out;
	unsigned quote_depth; /* open <blockquote> elements */
	bool is_answered;     /* all from here on is the message that was answered */
	bool is_line_begin;
	bool has_blank; /* white space waits to be written */
};

static void write_char(struct html *html, const char *bytes, size_t length)
{
	if (html->is_line_begin && (html->quote_depth > 0 || html->is_answered))
		buffer_append(&html->out, "> ", 2);
	else if (html->has_blank && !html->is_line_begin)
		buffer_append_char(&html->out, ' ');
	html->is_line_begin = false;
	html->has_blank = false;
	buffer_append(&html->out, bytes, length);
}

static void end_line(struct html *html, bool is_always)
{
	if (is_always || !html->is_line_begin)
		buffer_append_char(&html->out, '\n');
	html->is_line_begin = true;
	html->has_blank = false;
}

static void write_code_point(struct html *html, unsigned long c)
{
	char utf8[4];
	size_t length;

	if (c == 0xa0 || c <= 0x20) {
		html->has_blank = true;
		return;
	}
	if (c < 0x80) {
		utf8[0] = (char)c;
		length = 1;
	} else if (c < 0x800) {
		utf8[0] = (char)(0xc0 | c >> 6);
		utf8[1] = (char)(0x80 | (c & 0x3f));
		length = 2;
	} else if (c < 0x10000) {
		utf8[0] = (char)(0xe0 | c >> 12);
		utf8[1] = (char)(0x80 | (c >> 6 & 0x3f));
		utf8[2] = (char)(0x80 | (c & 0x3f));
		length = 3;
	} else {
		utf8[0] = (char)(0xf0 | c >> 18);
		utf8[1] = (char)(0x80 | (c >> 12 & 0x3f));
		utf8[2] = (char)(0x80 | (c >> 6 & 0x3f));
		utf8[3] = (char)(0x80 | (c & 0x3f));
		length = 4;
	}
	write_char(html, utf8, length);
}

/* The number of `#65` or `#x41`, or 0 if it is none that text may hold. */
static unsigned long read_number(const char *s, size_t length)
{
	bool is_hex = length > 1 && (s[1] == 'x' || s[1] == 'X');
	unsigned long number = 0;

	for (size_t i = is_hex ? 2 : 1; i < length; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = strchr(digits, s[i] >= 'A' && s[i] <= 'F' ? s[i] + 32 : s[i]);
		unsigned value = digit == NULL || s[i] == '\0' ? 16 : (unsigned)(digit - digits);

		if (value >= (is_hex ? 16u : 10u) || number > 0x10ffff)
			return 0;
		number = number * (is_hex ? 16 : 10) + value;
	}
	if (number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))
		return 0;
	return number;
}

/* Write the entity at s (its &). Returns how many bytes it takes, 0 if it is none that we know. */
static size_t write_entity(struct html *html, const char *s, size_t length)
{
	static const struct {
		const char *name;
		unsigned code_point;
	} entities[] = {
		{"amp", '&'},       {"lt", '<'},       {"gt", '>'},       {"quot", '"'},
		{"apos", '\''},     {"nbsp", 0xa0},    {"auml", 0xe4},    {"ouml", 0xf6},
		{"uuml", 0xfc},     {"Auml", 0xc4},    {"Ouml", 0xd6},    {"Uuml", 0xdc},
		{"szlig", 0xdf},    {"eacute", 0xe9},  {"egrave", 0xe8},  {"agrave", 0xe0},
		{"ccedil", 0xe7},   {"euro", 0x20ac},  {"ndash", 0x2013}, {"mdash", 0x2014},
		{"hellip", 0x2026}, {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"ldquo", 0x201c},
		{"rdquo", 0x201d},  {"bull", 0x2022},  {"copy", 0xa9},    {"reg", 0xae},
	};
	const char *semicolon = memchr(s, ';', length < 12 ? length : 12);
	size_t name_length;

	if (semicolon == NULL || semicolon == s + 1)
		return 0;
	name_length = (size_t)(semicolon - s - 1);
	if (s[1] == '#') {
		unsigned long number = read_number(s + 1, name_length);

		if (number == 0)
			return 0;
		write_code_point(html, number);
		return name_length + 2;
	}
	for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
		if (strlen(entities[i].name) == name_length &&
		    memcmp(entities[i].name, s + 1, name_length) == 0) {
			write_code_point(html, entities[i].code_point);
			return name_length + 2;
		}
	}
	return 0;
}

/* The offset behind the tag or comment at `at`; an open comment ends the text, an open tag is a character. */
static size_t tag_end(const char *s, size_t length, size_t at)
{
	const char *end;

	if (length - at >= 4 && memcmp(s + at, "<!--", 4) == 0) {
		end = memmem(s + at + 4, length - at - 4, "-->", 3);
		return end == NULL ? length : (size_t)(end - s) + 3;
	}
	end = memchr(s + at, '>', length - at);
	return end == NULL ? length : (size_t)(end - s) + 1;
}

/* Where the content of an element without text (`<style>`) ends: at its closing tag, or the end. */
static size_t skip_content(const char *s, size_t length, size_t at, const char *name)
{
	size_t name_length = strlen(name);

	while (at < length) {
		const char *tag = memchr(s + at, '<', length - at);

		if (tag == NULL)
			return length;
		at = (size_t)(tag - s) + 1;
		if (at < length && s[at] == '/' && length - at > name_length &&
		    strncasecmp(s + at + 1, name, name_length) == 0)
			return tag_end(s, length, at - 1);
	}
	return length;
}

static bool has_name(const char *const *names, const char *name)
{
	for (; *names != NULL; names++) {
		if (strcasecmp(*names, name) == 0)
			return true;
	}
	return false;
}

/* Does the tag open what a client wraps the answered message in? */
static bool opens_answered(const char *tag, size_t length)
{
	static const char *const marks[] = {"gmail_quote", "divRplyFwdMsg", "yahoo_quoted",
	                                    "appendonsend", NULL};

	for (size_t i = 0; marks[i] != NULL; i++) {
		if (memmem(tag, length, marks[i], strlen(marks[i])) != NULL)
			return true;
	}
	return false;
}

/* Act on the tag [at, end). Returns where to go on. */
static size_t read_tag(struct html *html, const char *s, size_t length, size_t at, size_t end)
{
	static const char *const blocks[] = {"p",  "div", "tr",    "li",         "ul",
	                                     "ol", "h1",  "h2",    "h3",         "h4",
	                                     "hr", "pre", "table", "blockquote", NULL};
	static const char *const hidden[] = {"style", "script", "head", "title", NULL};
	char name[TAG_MAX_BYTES] = "";
	bool is_closing = at + 1 < end && s[at + 1] == '/';
	size_t name_at = at + 1 + is_closing;

	for (size_t i = 0; i + 1 < sizeof name && name_at + i < end; i++) {
		char c = s[name_at + i];

		if (c == '>' || c == '/' || scan_is_blank(c))
			break;
		name[i] = c;
	}
	if (!is_closing && has_name(hidden, name))
		return skip_content(s, length, end, name);
	if (strcasecmp(name, "br") == 0)
		end_line(html, true);
	else if (has_name(blocks, name))
		end_line(html, false);
	if (strcasecmp(name, "blockquote") == 0) {
		if (is_closing && html->quote_depth > 0)
			html->quote_depth--;
		else if (!is_closing && html->quote_depth < QUOTE_DEPTH_MAX)
			html->quote_depth++;
	} else if (!is_closing && opens_answered(s + at, end - at)) {
		html->is_answered = true;
	}
	return end;
}

char *text_from_html(const char *html_bytes, size_t length, size_t max_bytes)
{
	struct html html = {.is_line_begin = true};
	const char *s = html_bytes;
	size_t at = 0;

	buffer_init(&html.out, max_bytes);
	while (at < length && !html.out.is_full) {
		size_t step;

		if (s[at] == '<' && at + 1 < length && !scan_is_blank(s[at + 1])) {
			at = read_tag(&html, s, length, at, tag_end(s, length, at));
			continue;
		}
		step = s[at] == '&' ? write_entity(&html, s + at, length - at) : 0;
		if (step == 0) {
			step = utf8_char_length(s + at, length - at);
			step += step == 0;
			if (scan_is_blank(s[at]))
				html.has_blank = true;
			else
				write_char(&html, s + at, step);
		}
		at += step;
	}
	return buffer_take(&html.out);
}
