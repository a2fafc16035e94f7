#include "ctl/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"

#define REPLACEMENT   0xfffd
#define REPLACEMENT_8 "\xef\xbf\xbd"

size_t output_next_char(const char *text, uint32_t *code_out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t code;
	size_t length;

	*code_out = bytes[0];
	if (bytes[0] == '\0')
		return 0;
	if (bytes[0] < 0x80)
		return 1;

	*code_out = REPLACEMENT;
	if ((bytes[0] & 0xe0) == 0xc0)
		length = 2;
	else if ((bytes[0] & 0xf0) == 0xe0)
		length = 3;
	else if ((bytes[0] & 0xf8) == 0xf0)
		length = 4;
	else
		return 1;
	code = bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 1;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 1;
	*code_out = code;
	return length;
}

/* Characters that change the order of what stands around them (UAX 9). */
static bool is_reordering(uint32_t code)
{
	return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0x200e || code == 0x200f || code == 0x061c;
}

char *output_clean(const char *text)
{
	struct buffer out;
	uint32_t code;
	size_t length;

	if (text == NULL)
		return xstrdup("");
	/* A byte becomes three at most. */
	buffer_init(&out, strlen(text) * 3 + 1);
	for (; (length = output_next_char(text, &code)) > 0; text += length) {
		bool is_shown =
			code != REPLACEMENT && !is_reordering(code) && wcwidth((wchar_t)code) >= 0;

		if (code == '\t' || code == '\n' || code == '\r' || code == 0x2028 ||
		    code == 0x2029)
			buffer_append_char(&out, ' ');
		else if (is_shown)
			buffer_append(&out, text, length);
		else
			buffer_append_text(&out, REPLACEMENT_8);
	}
	return buffer_take(&out);
}

/* Columns of one character of clean text. */
static size_t char_width(uint32_t code)
{
	int width = wcwidth((wchar_t)code);

	return width < 0 ? 1 : (size_t)width;
}

size_t output_width(const char *text)
{
	size_t width = 0, length;
	uint32_t code;

	for (; (length = output_next_char(text, &code)) > 0; text += length)
		width += char_width(code);
	return width;
}

size_t output_columns(size_t fallback)
{
	struct winsize size;

	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	    size.ws_col > 0)
		return size.ws_col;
	return fallback;
}

const char *output_time(char out[OUTPUT_TIME_SIZE], int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm local;

	if (localtime_r(&seconds, &local) == NULL ||
	    strftime(out, OUTPUT_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
		snprintf(out, OUTPUT_TIME_SIZE, "@%" PRId64, at);
	return out;
}

const char *output_duration(char out[OUTPUT_TIME_SIZE], int64_t seconds)
{
	int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (seconds < 0)
		snprintf(out, OUTPUT_TIME_SIZE, "0s");
	else if (minutes == 0)
		snprintf(out, OUTPUT_TIME_SIZE, "%" PRId64 "s", seconds);
	else if (hours == 0)
		snprintf(out, OUTPUT_TIME_SIZE, "%" PRId64 "m", minutes);
	else if (days == 0)
		snprintf(out, OUTPUT_TIME_SIZE, "%" PRId64 "h %" PRId64 "m", hours, minutes % 60);
	else
		snprintf(out, OUTPUT_TIME_SIZE, "%" PRId64 "d %" PRId64 "h", days, hours % 24);
	return out;
}

const char *output_ago(char out[OUTPUT_TIME_SIZE], int64_t at, int64_t now)
{
	char duration[OUTPUT_TIME_SIZE];

	if (now - at < 60)
		snprintf(out, OUTPUT_TIME_SIZE, "just now");
	else
		snprintf(out, OUTPUT_TIME_SIZE, "%.27s ago", output_duration(duration, now - at));
	return out;
}

char *output_join(const struct string_list *items)
{
	struct buffer out;
	size_t max_bytes = 1;

	for (size_t i = 0; i < items->count; i++)
		max_bytes += strlen(items->items[i]) + 2;
	buffer_init(&out, max_bytes);
	for (size_t i = 0; i < items->count; i++) {
		if (i > 0)
			buffer_append_text(&out, ", ");
		buffer_append_text(&out, items->items[i]);
	}
	return buffer_take(&out);
}

static void print_blanks(FILE *stream, size_t count)
{
	fprintf(stream, "%*s", (int)count, "");
}

/* Columns of a head, which may switch colours: ESC [ numbers m takes none. */
static size_t head_width(const char *head)
{
	size_t width = output_width(head);

	for (const char *escape = strstr(head, "\033["); escape != NULL;
	     escape = strstr(escape + 1, "\033["))
		width -= 2 + strspn(escape + 2, "0123456789;") + 1;
	return width;
}

void output_wrapped(const char *head, size_t indent, const char *text, size_t width)
{
	char *clean = output_clean(text);
	size_t column = head_width(head);
	bool is_line_start = true;
	char *rest = clean, *word;

	fputs(head, stdout);
	if (column < indent) {
		print_blanks(stdout, indent - column);
		column = indent;
	}
	while ((word = strsep(&rest, " ")) != NULL) {
		size_t word_width = output_width(word);

		if (word_width == 0)
			continue;
		if (!is_line_start && column + 1 + word_width > width) {
			putchar('\n');
			print_blanks(stdout, indent);
			column = indent;
			is_line_start = true;
		}
		if (!is_line_start)
			putchar(' ');
		fputs(word, stdout);
		column += word_width + !is_line_start;
		is_line_start = false;
	}
	putchar('\n');
	free(clean);
}

void output_field(const char *head, size_t indent, size_t width, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	output_wrapped(head, indent, text, width);
	free(text);
}
