#include "lib/mail/date.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/mail/scan.h"

#define DATE_MAX_BYTES  80 /* without comments; the longest in order has 31 */
#define FIELD_MAX_BYTES 8192

struct zone {
	const char *name;
	int hours;
};

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static const struct zone zones[] = {
	{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
	{"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7},
};

/* Copy without comments, each run of blanks one blank. False if it is too long for a date. */
static bool copy_plain(const char *value, size_t length, char out[DATE_MAX_BYTES])
{
	struct scan scan = {.bytes = value, .length = length};
	size_t written = 0;

	while (scan.at < length) {
		char c = value[scan.at];

		if (c == '(' && scan_comment(&scan))
			c = ' ';
		else
			scan.at++;
		if (scan_is_blank(c) || c == '\0')
			c = ' ';
		if (c == ' ' && (written == 0 || out[written - 1] == ' '))
			continue;
		if (written + 1 >= DATE_MAX_BYTES)
			return false;
		out[written++] = c;
	}
	out[written] = '\0';
	return true;
}

static int month_number(const char *name)
{
	for (int i = 0; i < 12; i++)
		if (strncasecmp(name, months + 3 * i, 3) == 0)
			return i;
	return -1;
}

/* East of UTC, in seconds. */
static int64_t zone_offset_s(const char *zone)
{
	if ((zone[0] == '+' || zone[0] == '-') && strspn(zone + 1, "0123456789") == 4) {
		int hours = (zone[1] - '0') * 10 + zone[2] - '0';
		int minutes = (zone[3] - '0') * 10 + zone[4] - '0';

		return (zone[0] == '-' ? -60 : 60) * (int64_t)(hours * 60 + minutes);
	}
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (strcasecmp(zone, zones[i].name) == 0)
			return zones[i].hours * (int64_t)3600;
	return 0;
}

int date_parse(const char *value, size_t length, int64_t *out)
{
	char text[DATE_MAX_BYTES], month[4] = "", clock[10] = "", zone[6] = "";
	int day, year, count, hour, minute, second = 0;
	struct tm tm = {0};
	const char *at = text, *comma;

	if (!copy_plain(value, length, text))
		return 0;
	comma = strchr(text, ',');
	if (comma != NULL)
		at = comma + 1;
	count = sscanf(at, " %2d %3s %4d %9[0-9:] %5s", &day, month, &year, clock, zone);
	if (count < 4 || sscanf(clock, "%2d:%2d:%2d", &hour, &minute, &second) < 2)
		return 0;
	if (year >= 0 && year < 50)
		year += 2000;
	else if (year >= 50 && year < 1000)
		year += 1900;
	tm.tm_mon = month_number(month);
	if (tm.tm_mon < 0 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
	    minute > 59 || second < 0 || second > 60 || year < 1970 || year > 9999)
		return 0;
	tm.tm_mday = day;
	tm.tm_year = year - 1900;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	*out = timegm(&tm) - zone_offset_s(zone);
	return 1;
}

/* The length of the field at `at`, its continuation lines and last line end included. */
static size_t field_length(const char *bytes, size_t length)
{
	size_t at = 0;

	do {
		const char *end = memchr(bytes + at, '\n', length - at);

		if (end == NULL)
			return length;
		at = (size_t)(end - bytes) + 1;
	} while (at < length && (bytes[at] == ' ' || bytes[at] == '\t'));
	return at;
}

/* What stands after the colon if the field has this name, else NULL. */
static const char *field_value(const char *field, size_t length, const char *name)
{
	size_t at = strlen(name);

	if (length <= at || strncasecmp(field, name, at) != 0)
		return NULL;
	while (at < length && (field[at] == ' ' || field[at] == '\t'))
		at++;
	return at < length && field[at] == ':' ? field + at + 1 : NULL;
}

int date_of_message(const char *bytes, size_t length, int64_t *out)
{
	bool has_date = false;
	size_t step;

	for (; length > 0 && bytes[0] != '\n' && bytes[0] != '\r'; bytes += step, length -= step) {
		const char *value, *date;

		step = field_length(bytes, length);
		if (step > FIELD_MAX_BYTES)
			continue;
		value = field_value(bytes, step, "Received");
		date = value != NULL ? memrchr(value, ';', (size_t)(bytes + step - value)) : NULL;
		if (date != NULL && date_parse(date + 1, (size_t)(bytes + step - date) - 1, out))
			return 1;
		value = has_date ? NULL : field_value(bytes, step, "Date");
		if (value != NULL)
			has_date = date_parse(value, (size_t)(bytes + step - value), out) == 1;
	}
	return has_date;
}
