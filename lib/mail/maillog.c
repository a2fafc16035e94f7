#include "lib/mail/maillog.h"

#include <string.h>

#define OURS "rejoinder-"

#define QUEUE_ID_MIN 5

/* What is not read yet. */
struct cursor {
	const char *at, *end;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool skip(struct cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static bool skip_text(struct cursor *cursor, const char *text)
{
	size_t length = strlen(text);

	if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, text, length) != 0)
		return false;
	cursor->at += length;
	return true;
}

static bool read_digits(struct cursor *cursor, int count, int *out)
{
	if (cursor->end - cursor->at < count)
		return false;
	*out = 0;
	for (int i = 0; i < count; i++) {
		if (!is_digit(cursor->at[i]))
			return false;
		*out = *out * 10 + (cursor->at[i] - '0');
	}
	cursor->at += count;
	return true;
}

/* "10:00:00", "10:00:00.123456" */
static bool read_clock(struct cursor *cursor, struct maillog_stamp *out)
{
	int weight = 100000;

	if (!read_digits(cursor, 2, &out->hour) || !skip(cursor, ':') ||
	    !read_digits(cursor, 2, &out->minute) || !skip(cursor, ':') ||
	    !read_digits(cursor, 2, &out->second))
		return false;
	if (skip(cursor, '.') || skip(cursor, ','))
		for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++) {
			out->microsecond += (*cursor->at - '0') * weight;
			weight /= 10;
		}
	return true;
}

static bool is_in_range(const struct maillog_stamp *stamp)
{
	return stamp->month >= 1 && stamp->month <= 12 && stamp->day >= 1 && stamp->day <= 31 &&
	       stamp->hour <= 23 && stamp->minute <= 59 && stamp->second <= 60;
}

/* "Z", "+01:00" or "+0100" */
static bool read_offset(struct cursor *cursor, struct maillog_stamp *out)
{
	int sign = skip(cursor, '+') ? 1 : -1, hours, minutes;

	out->has_offset = true;
	if (skip(cursor, 'Z'))
		return true;
	if (sign < 0 && !skip(cursor, '-'))
		return false;
	if (!read_digits(cursor, 2, &hours))
		return false;
	(void)skip(cursor, ':');
	if (!read_digits(cursor, 2, &minutes))
		return false;
	out->offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* "2026-11-22T10:00:00.123456+01:00" (RFC 3339) */
static bool read_full_stamp(struct cursor *cursor, struct maillog_stamp *out)
{
	if (!read_digits(cursor, 4, &out->year) || !skip(cursor, '-') ||
	    !read_digits(cursor, 2, &out->month) || !skip(cursor, '-') ||
	    !read_digits(cursor, 2, &out->day) || (!skip(cursor, 'T') && !skip(cursor, ' ')) ||
	    !read_clock(cursor, out))
		return false;
	out->has_year = true;
	if (cursor->at < cursor->end && *cursor->at != ' ' && !read_offset(cursor, out))
		return false;
	return skip(cursor, ' ') && is_in_range(out);
}

/* "Nov 22 10:00:00", "Nov  2 10:00:00" (RFC 3164 4.1.2), and with a fraction */
static bool read_short_stamp(struct cursor *cursor, struct maillog_stamp *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	if (cursor->end - cursor->at < 4)
		return false;
	for (int i = 0; i < 12 && out->month == 0; i++)
		if (memcmp(cursor->at, months + (size_t)i * 3, 3) == 0)
			out->month = i + 1;
	if (out->month == 0)
		return false;
	cursor->at += 3;
	if (!skip(cursor, ' '))
		return false;
	if (!read_digits(cursor, skip(cursor, ' ') ? 1 : 2, &out->day) || !skip(cursor, ' ') ||
	    !read_clock(cursor, out))
		return false;
	return skip(cursor, ' ') && is_in_range(out);
}

/* A stamp and the host behind it; the cursor stays where there is none. */
static void read_head(struct cursor *cursor, struct maillog_stamp *out)
{
	struct cursor begin = *cursor;
	const char *blank;

	*out = (struct maillog_stamp){0};
	if (!read_full_stamp(cursor, out)) {
		*cursor = begin;
		*out = (struct maillog_stamp){0};
		if (!read_short_stamp(cursor, out)) {
			*cursor = begin;
			*out = (struct maillog_stamp){0};
			return;
		}
	}
	out->is_there = true;
	blank = memchr(cursor->at, ' ', (size_t)(cursor->end - cursor->at));
	if (blank != NULL)
		cursor->at = blank + 1;
}

/* "postfix/smtpd[123]: " */
static bool read_program(struct cursor *cursor, struct maillog_line *out)
{
	const char *at = cursor->at;

	while (at < cursor->end && *at != ' ' && *at != ':' && *at != '[')
		at++;
	out->program = cursor->at;
	out->program_length = (size_t)(at - cursor->at);
	if (out->program_length == 0 || at == cursor->end || *at == ' ')
		return false;
	if (*at == '[') {
		at = memchr(at, ']', (size_t)(cursor->end - at));
		if (at == NULL)
			return false;
		at++;
	}
	cursor->at = at;
	return skip(cursor, ':') && (skip(cursor, ' ') || cursor->at == cursor->end);
}

static void skip_level(struct cursor *cursor)
{
	static const char *const levels[] = {
		"info: ", "warning: ", "error: ", "debug: ", "fatal: ", "panic: "};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (skip_text(cursor, levels[i]))
			return;
}

bool maillog_is_queue_id(const char *text, size_t length)
{
	if (length < QUEUE_ID_MIN || length > MAILLOG_QUEUE_ID_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_alnum(text[i]))
			return false;
	return true;
}

static void read_queue_id(struct cursor *cursor, struct maillog_line *out)
{
	const char *at = cursor->at;
	size_t length;

	while (at < cursor->end && is_alnum(*at))
		at++;
	length = (size_t)(at - cursor->at);
	if (cursor->end - at < 2 || at[0] != ':' || at[1] != ' ' ||
	    !maillog_is_queue_id(cursor->at, length))
		return;
	if (length == strlen("NOQUEUE") && memcmp(cursor->at, "NOQUEUE", length) == 0)
		return;
	out->queue_id = cursor->at;
	out->queue_id_length = length;
	cursor->at = at + 2;
}

bool maillog_read(struct maillog_line *out, const char *line, size_t length)
{
	struct cursor cursor = {line, line + length}, inner;

	*out = (struct maillog_line){0};
	read_head(&cursor, &out->stamp);
	if (!read_program(&cursor, out))
		return false;
	/* What a supervisor caught on stderr names the program once more. */
	inner = cursor;
	if (maillog_is_ours(out) && skip_text(&inner, OURS)) {
		struct maillog_line again = {0};

		inner = cursor;
		if (read_program(&inner, &again))
			cursor = inner;
	}
	skip_level(&cursor);
	read_queue_id(&cursor, out);
	out->text = cursor.at;
	out->text_length = (size_t)(cursor.end - cursor.at);
	return true;
}

bool maillog_is_of(const struct maillog_line *line, const char *program)
{
	size_t length = strlen(program);
	const char *at;

	if (line->program_length < length)
		return false;
	at = line->program + line->program_length - length;
	return memcmp(at, program, length) == 0 &&
	       (line->program_length == length || at[-1] == '/');
}

bool maillog_is_ours(const struct maillog_line *line)
{
	size_t length = strlen(OURS);

	return line->program_length > length && memcmp(line->program, OURS, length) == 0;
}

const char *maillog_value(const struct maillog_line *line, const char *key, const char *end,
                          size_t *length_out)
{
	const char *found = memmem(line->text, line->text_length, key, strlen(key));
	const char *at;

	*length_out = 0;
	if (found == NULL)
		return NULL;
	found += strlen(key);
	at = found;
	while (at < line->text + line->text_length && *at != '\0' && strchr(end, *at) == NULL)
		at++;
	*length_out = (size_t)(at - found);
	return found;
}
