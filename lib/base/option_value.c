#include "lib/base/option_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"

#define SHOWN_VALUE_BYTES 60
#define MS_PER_SECOND     1000

struct unit {
	const char *suffix;
	int64_t factor;
};

/* The largest first, so that a value is written in the largest that fits. */
static const struct unit duration_units[] = {
	{"d", 24 * 60 * 60 * MS_PER_SECOND},
	{"h", 60 * 60 * MS_PER_SECOND},
	{"m", 60 * MS_PER_SECOND},
	{"s", MS_PER_SECOND},
	{"ms", 1},
	{NULL, 0},
};

static const struct unit size_units[] = {
	{"G", 1024 * 1024 * 1024}, {"M", 1024 * 1024}, {"K", 1024}, {"", 1}, {NULL, 0},
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

int option_refuse(struct error *err, const char *value, const char *expected)
{
	char shown[SHOWN_VALUE_BYTES + 1];
	const char *dots = "";
	size_t length = strlen(value);

	if (length > SHOWN_VALUE_BYTES) {
		length = SHOWN_VALUE_BYTES;
		while (length > 0 && ((unsigned char)value[length] & 0xc0) == 0x80)
			length--;
		dots = "...";
	}
	for (size_t i = 0; i < length; i++)
		shown[i] = (unsigned char)value[i] < 0x20 || value[i] == 0x7f ? '?' : value[i];
	shown[length] = '\0';
	return error_set(err, ERROR_CONFIG, "found \"%s%s\", expected %s", shown, dots, expected);
}

/* Read a whole number and one of the units. False if it is none, or too large. */
static bool read_number(const char *value, const struct unit *units, int64_t *out)
{
	char *suffix;
	long long number;

	if (value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	number = strtoll(value, &suffix, 10);
	if (errno != 0)
		return false;
	for (; units->suffix != NULL; units++)
		if (strcmp(suffix, units->suffix) == 0)
			return !__builtin_mul_overflow(number, units->factor, out);
	return false;
}

static void format_number(int64_t value, const struct unit *units, struct buffer *out)
{
	while (units[1].suffix != NULL && (value == 0 || value % units->factor != 0))
		units++;
	buffer_printf(out, "%lld%s", (long long)(value / units->factor), units->suffix);
}

static int64_t unit_ms(const struct option *option)
{
	return option->unit == UNIT_MILLISECONDS ? 1 : MS_PER_SECOND;
}

void option_format_duration(const struct option *option, int64_t value, struct buffer *out)
{
	if (value <= 0 && option->choices != NULL)
		buffer_append_text(out, option->choices[-value]);
	else if (value == 0)
		buffer_append_text(out, "0s");
	else
		format_number(value * unit_ms(option), duration_units, out);
}

static int refuse_duration(const struct option *option, const char *value, struct error *err)
{
	struct buffer expected;
	int rc;

	buffer_init(&expected, 256);
	for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++)
		buffer_printf(&expected, "%s%s", option->choices[i],
		              option->choices[i + 1] != NULL ? ", " : " or ");
	buffer_append_text(&expected, "a number with ");
	buffer_append_text(&expected, option->unit == UNIT_MILLISECONDS ? "ms, " : "");
	buffer_append_text(&expected, "s, m, h or d, from ");
	option_format_duration(option, option->min, &expected);
	buffer_append_text(&expected, " to ");
	option_format_duration(option, option->max, &expected);
	if (option->type == OPTION_ALERTS)
		buffer_append_text(&expected, ", business or urgent or neither, the word to, and "
		                              "recipients");
	if (option->type == OPTION_WARNING)
		buffer_append_text(&expected, ", and the word before");
	if (option->type == OPTION_REPEAT)
		buffer_printf(&expected, ", the words up to, and a number from 1 to %d",
		              ALERT_REPEATS_MAX);
	rc = option_refuse(err, value, expected.data);
	buffer_release(&expected);
	return rc;
}

/* The duration alone, within the option's limits. */
static bool read_duration(const struct option *option, const char *value, int64_t *out)
{
	int64_t ms;

	if (!read_number(value, duration_units, &ms) || ms % unit_ms(option) != 0)
		return false;
	*out = ms / unit_ms(option);
	return *out >= option->min && *out <= option->max;
}

int option_set_duration(const struct option *option, int64_t *place, const char *value,
                        struct error *err)
{
	int64_t duration;

	for (int i = 0; option->choices != NULL && option->choices[i] != NULL; i++) {
		if (strcasecmp(option->choices[i], value) == 0) {
			*place = -i;
			return 0;
		}
	}
	if (!read_duration(option, value, &duration))
		return refuse_duration(option, value, err);
	*place = duration;
	return 0;
}

void option_format_size(int64_t value, struct buffer *out)
{
	format_number(value, size_units, out);
}

int option_set_size(const struct option *option, int64_t *place, const char *value,
                    struct error *err)
{
	struct buffer expected;
	int64_t size;
	int rc;

	if (read_number(value, size_units, &size) && size >= option->min && size <= option->max) {
		*place = size;
		return 0;
	}
	buffer_init(&expected, 128);
	buffer_append_text(&expected, "a number of bytes, or with K, M or G, from ");
	option_format_size(option->min, &expected);
	buffer_append_text(&expected, " to ");
	option_format_size(option->max, &expected);
	rc = option_refuse(err, value, expected.data);
	buffer_release(&expected);
	return rc;
}

int option_set_number(const struct option *option, int64_t *place, const char *value,
                      struct error *err)
{
	char expected[80];
	int64_t number;

	if (read_number(value, no_units, &number) && number >= option->min &&
	    number <= option->max) {
		*place = number;
		return 0;
	}
	snprintf(expected, sizeof(expected), "a number from %lld to %lld", (long long)option->min,
	         (long long)option->max);
	return option_refuse(err, value, expected);
}

int option_set_choice(const struct option *option, int *place, const char *value, struct error *err)
{
	struct buffer expected;
	int rc;

	for (int i = 0; option->choices[i] != NULL; i++) {
		if (strcasecmp(option->choices[i], value) == 0) {
			*place = i;
			return 0;
		}
	}
	buffer_init(&expected, 128);
	buffer_append_text(&expected, "one of ");
	for (int i = 0; option->choices[i] != NULL; i++)
		buffer_printf(&expected, "%s%s", i > 0 ? ", " : "", option->choices[i]);
	rc = option_refuse(err, value, expected.data);
	buffer_release(&expected);
	return rc;
}

/*
 * Take the next word if it is this one (in any case), and the blanks behind it.
 */
static bool take_word(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncasecmp(*text, word, length) != 0 || strchr(" \t", (*text)[length]) == NULL)
		return false;
	*text += length;
	*text += strspn(*text, " \t");
	return true;
}

/* Take the duration at the beginning, and the blanks behind it. */
static bool take_duration(const struct option *option, const char **text, int64_t *out)
{
	size_t length = strcspn(*text, " \t");
	char *duration = xmemdup0(*text, length);
	bool is_read = read_duration(option, duration, out);

	free(duration);
	*text += length;
	*text += strspn(*text, " \t");
	return is_read;
}

int option_set_alert(const struct option *option, struct alert_levels *levels, const char *value,
                     struct error *err)
{
	struct alert_level kind = {0};
	const char *rest = value;
	const char *expected;

	if (!take_duration(option, &rest, &kind.after_s))
		return refuse_duration(option, value, err);
	for (;;) {
		if (!kind.is_business && take_word(&rest, "business"))
			kind.is_business = true;
		else if (!kind.is_urgent && take_word(&rest, "urgent"))
			kind.is_urgent = true;
		else
			break;
	}
	if (!take_word(&rest, "to"))
		return refuse_duration(option, value, err);
	expected = alert_levels_add(levels, &kind, rest);
	return expected == NULL ? 0 : option_refuse(err, value, expected);
}

int option_set_warning(const struct option *option, int64_t *place, const char *value,
                       struct error *err)
{
	const char *rest = value;
	int64_t duration;

	if (!take_duration(option, &rest, &duration) || !take_word(&rest, "before") ||
	    *rest != '\0')
		return refuse_duration(option, value, err);
	*place = duration;
	return 0;
}

int option_set_repeat(const struct option *option, struct alert_repeat *place, const char *value,
                      struct error *err)
{
	struct alert_repeat repeat;
	const char *rest = value;

	if (!take_duration(option, &rest, &repeat.every_s) || !take_word(&rest, "up") ||
	    !take_word(&rest, "to") || !read_number(rest, no_units, &repeat.times) ||
	    repeat.times < 1 || repeat.times > ALERT_REPEATS_MAX)
		return refuse_duration(option, value, err);
	*place = repeat;
	return 0;
}

int option_set_digest(struct alert_digest *place, const char *value, struct error *err)
{
	struct alert_digest digest = {0};
	size_t length = strcspn(value, " \t");
	const char *rest = value + length + strspn(value + length, " \t");
	const char *expected = "a time such as 08:00, the word to, and recipients";
	char *time = xmemdup0(value, length);

	digest.minute = calendar_read_clock(time);
	free(time);
	if (digest.minute >= 0 && digest.minute < CALENDAR_DAY_MINUTES && take_word(&rest, "to"))
		expected = alert_recipients_read(&digest.recipients, rest);
	if (expected != NULL) {
		string_list_release(&digest.recipients);
		return option_refuse(err, value, expected);
	}
	string_list_release(&place->recipients);
	*place = digest;
	return 0;
}

static void format_recipients(const struct string_list *recipients, struct buffer *out)
{
	for (size_t i = 0; i < recipients->count; i++)
		buffer_printf(out, "%s%s", i > 0 ? ", " : " to ", recipients->items[i]);
}

void option_format_alerts(const struct option *option, const struct alert_levels *levels,
                          struct buffer *out)
{
	for (size_t i = 0; i < levels->count; i++) {
		const struct alert_level *level = &levels->items[i];

		buffer_append_text(out, i > 0 ? "\n" : "");
		option_format_duration(option, level->after_s, out);
		buffer_append_text(out, level->is_business ? " business" : "");
		buffer_append_text(out, level->is_urgent ? " urgent" : "");
		format_recipients(&level->recipients, out);
	}
}

void option_format_warning(const struct option *option, int64_t value, struct buffer *out)
{
	if (value == 0)
		return;
	option_format_duration(option, value, out);
	buffer_append_text(out, " before");
}

void option_format_repeat(const struct option *option, const struct alert_repeat *repeat,
                          struct buffer *out)
{
	if (repeat->every_s == 0)
		return;
	option_format_duration(option, repeat->every_s, out);
	buffer_printf(out, " up to %lld", (long long)repeat->times);
}

static void format_minute(int minute, struct buffer *out)
{
	if (minute > CALENDAR_DAY_MINUTES)
		minute -= CALENDAR_DAY_MINUTES;
	buffer_printf(out, "%02d:%02d", minute / 60, minute % 60);
}

void option_format_digest(const struct alert_digest *digest, struct buffer *out)
{
	if (digest->recipients.count == 0)
		return;
	format_minute(digest->minute, out);
	format_recipients(&digest->recipients, out);
}

void option_format_intervals(const struct calendar_day *day, struct buffer *out)
{
	for (size_t i = 0; i < day->count; i++) {
		buffer_append_text(out, i > 0 ? ", " : "");
		format_minute(day->intervals[i].from, out);
		buffer_append_text(out, "-");
		format_minute(day->intervals[i].to, out);
	}
}

void option_format_holidays(const struct calendar *calendar, struct buffer *out)
{
	for (size_t i = 0; i < calendar->holiday_count; i++) {
		const struct calendar_holiday *holiday = &calendar->holidays[i];

		buffer_append_text(out, i > 0 ? ", " : "");
		if (holiday->year > 0)
			buffer_printf(out, "%04d-", holiday->year);
		buffer_printf(out, "%02d-%02d", holiday->month, holiday->day);
	}
}
