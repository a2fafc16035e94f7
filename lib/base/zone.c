#include "lib/base/zone.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/civil.h"
#include "lib/base/memory.h"

#define LOCAL_FILE       "/etc/localtime"
#define HEADER_BYTES     44
#define TRANSITIONS_MAX  5000
#define TYPES_MAX        256 /* their index is a byte */
#define FOOTER_MAX_BYTES 100
#define NAME_MAX_BYTES   100
#define OFFSET_MAX_S     (26 * 3600) /* RFC 8536 3.2 wants less than 26 h */
#define RULE_HOURS_MAX   167

struct transition {
	int64_t at;
	int64_t offset; /* from then on */
};

/* When summer time begins or ends in any year (POSIX.1, TZ). */
struct rule {
	enum { RULE_WEEKDAY, RULE_JULIAN, RULE_DAY } kind;
	int month, week, day; /* Mm.w.d, its day from 0 Sunday; of the others day alone */
	int64_t time;         /* seconds after local midnight, may be negative */
};

struct zone {
	struct transition *transitions;
	size_t count;
	int64_t first_offset; /* before the first of them */

	/* After the last of them. */
	bool has_footer, has_summer;
	int64_t standard, summer;
	struct rule begins, ends;
};

struct block {
	uint32_t utc_count, standard_count, leap_count, time_count, type_count, char_count;
};

static uint32_t read_u32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_i64(const unsigned char *at)
{
	return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

static int refuse(struct error *err, const char *what)
{
	return error_set(err, ERROR_CONFIG, "found no time zone file (RFC 8536): %s", what);
}

static int read_header(const unsigned char *bytes, size_t length, struct block *block)
{
	if (length < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0)
		return -1;
	block->utc_count = read_u32(bytes + 20);
	block->standard_count = read_u32(bytes + 24);
	block->leap_count = read_u32(bytes + 28);
	block->time_count = read_u32(bytes + 32);
	block->type_count = read_u32(bytes + 36);
	block->char_count = read_u32(bytes + 40);
	return block->utc_count > TYPES_MAX || block->standard_count > TYPES_MAX ||
	                       block->leap_count > TRANSITIONS_MAX ||
	                       block->time_count > TRANSITIONS_MAX || block->type_count == 0 ||
	                       block->type_count > TYPES_MAX || block->char_count > 4096
	               ? -1
	               : 0;
}

static size_t block_length(const struct block *block, size_t time_bytes)
{
	return block->time_count * (time_bytes + 1) + block->type_count * 6 + block->char_count +
	       block->leap_count * (time_bytes + 4) + block->standard_count + block->utc_count;
}

/* The transitions, of 8-byte times. */
static int read_block(struct zone *zone, const unsigned char *bytes, const struct block *block)
{
	const unsigned char *indices = bytes + block->time_count * 8;
	const unsigned char *types = indices + block->time_count;

	zone->transitions = xreallocarray(NULL, block->time_count + 1, sizeof(*zone->transitions));
	zone->first_offset = (int32_t)read_u32(types);
	for (uint32_t i = 0; i < block->type_count; i++) {
		int32_t offset = (int32_t)read_u32(types + 6 * i);

		if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S)
			return -1;
	}
	for (uint32_t i = 0; i < block->time_count; i++) {
		struct transition *transition = &zone->transitions[zone->count++];

		if (indices[i] >= block->type_count)
			return -1;
		transition->at = read_i64(bytes + 8 * i);
		transition->offset = (int32_t)read_u32(types + 6 * indices[i]);
		if (i > 0 && transition->at <= transition[-1].at)
			return -1;
	}
	return 0;
}

/*
 * The footer: `CET-1CEST,M3.5.0,M10.5.0/3`
 */

static bool skip_name(const char **at)
{
	size_t length;

	if (**at == '<') {
		length = strcspn(*at, ">");
		*at += length;
		return *(*at)++ == '>' && length > 1;
	}
	length = strspn(*at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	*at += length;
	return length >= 3;
}

static bool read_digits(const char **at, int max, int *out)
{
	size_t digits = strspn(*at, "0123456789");

	if (digits == 0 || digits > 3)
		return false;
	*out = (int)strtol(*at, NULL, 10);
	*at += digits;
	return *out <= max;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool read_time(const char **at, int64_t *out)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes = 0, seconds = 0;

	if (**at == '-' || **at == '+')
		(*at)++;
	if (!read_digits(at, RULE_HOURS_MAX, &hours))
		return false;
	if (**at == ':' && ((*at)++, !read_digits(at, 59, &minutes)))
		return false;
	if (**at == ':' && ((*at)++, !read_digits(at, 59, &seconds)))
		return false;
	*out = sign * (hours * (int64_t)3600 + minutes * 60 + seconds);
	return true;
}

static bool read_rule(const char **at, struct rule *rule)
{
	rule->time = 2 * 3600;
	if (**at == 'M') {
		rule->kind = RULE_WEEKDAY;
		(*at)++;
		if (!read_digits(at, 12, &rule->month) || rule->month < 1 || *(*at)++ != '.' ||
		    !read_digits(at, 5, &rule->week) || rule->week < 1 || *(*at)++ != '.' ||
		    !read_digits(at, 6, &rule->day))
			return false;
	} else {
		rule->kind = **at == 'J' ? RULE_JULIAN : RULE_DAY;
		if (**at == 'J')
			(*at)++;
		if (!read_digits(at, 365, &rule->day) ||
		    (rule->kind == RULE_JULIAN && rule->day < 1))
			return false;
	}
	return **at != '/' || ((*at)++, read_time(at, &rule->time));
}

static bool read_footer(struct zone *zone, const char *at)
{
	if (!skip_name(&at) || !read_time(&at, &zone->standard))
		return false;
	zone->standard = -zone->standard; /* POSIX counts west of Greenwich */
	zone->has_footer = true;
	if (*at == '\0')
		return true;
	zone->has_summer = true;
	zone->summer = zone->standard + 3600;
	if (!skip_name(&at))
		return false;
	if (*at != ',' && *at != '\0') {
		if (!read_time(&at, &zone->summer))
			return false;
		zone->summer = -zone->summer;
	}
	return *at++ == ',' && read_rule(&at, &zone->begins) && *at++ == ',' &&
	       read_rule(&at, &zone->ends) && *at == '\0';
}

static int take_footer(struct zone *zone, const char *bytes, size_t length)
{
	char footer[FOOTER_MAX_BYTES + 1];
	const char *end;
	size_t footer_length;

	if (length == 0 || bytes[0] != '\n')
		return -1;
	end = memchr(bytes + 1, '\n', length - 1);
	footer_length = end != NULL ? (size_t)(end - bytes) - 1 : 0;
	if (end == NULL || footer_length > FOOTER_MAX_BYTES)
		return -1;
	memcpy(footer, bytes + 1, footer_length);
	footer[footer_length] = '\0';
	return footer_length == 0 || read_footer(zone, footer) ? 0 : -1;
}

static int parse(struct zone *zone, const unsigned char *bytes, size_t length)
{
	struct block block;
	size_t skipped;

	/* What version 1 could say comes first, and is skipped. */
	if (read_header(bytes, length, &block) != 0 || bytes[4] < '2')
		return -1;
	skipped = HEADER_BYTES + block_length(&block, 4);
	if (skipped > length || read_header(bytes + skipped, length - skipped, &block) != 0)
		return -1;
	skipped += HEADER_BYTES;
	if (block_length(&block, 8) > length - skipped ||
	    read_block(zone, bytes + skipped, &block) != 0)
		return -1;
	skipped += block_length(&block, 8);
	return take_footer(zone, (const char *)bytes + skipped, length - skipped);
}

struct zone *zone_parse(const char *bytes, size_t length, struct error *err)
{
	struct zone *zone = xzalloc(sizeof(*zone));

	if (parse(zone, (const unsigned char *)bytes, length) == 0)
		return zone;
	zone_free(zone);
	refuse(err, "its bytes are of another form");
	return NULL;
}

/* Letters, digits and - + _ / alone, so that no name leaves the directory. */
static bool name_is_plain(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-+_/";
	size_t length = strlen(name);

	return length > 0 && length <= NAME_MAX_BYTES && strspn(name, allowed) == length &&
	       name[0] != '/' && name[length - 1] != '/';
}

struct zone *zone_open(const char *name, struct error *err)
{
	char path[sizeof(ZONE_DIRECTORY) + NAME_MAX_BYTES + 2];
	struct zone *zone = NULL;
	size_t length;
	char *bytes;
	FILE *stream;

	if (!name_is_plain(name)) {
		error_set(err, ERROR_CONFIG, "found no name of a time zone");
		return NULL;
	}
	if (strcmp(name, ZONE_LOCAL) == 0)
		snprintf(path, sizeof(path), "%s", LOCAL_FILE);
	else
		snprintf(path, sizeof(path), "%s/%s", ZONE_DIRECTORY, name);
	stream = fopen(path, "rbe");
	/* As the C library has it. */
	if (stream == NULL && errno == ENOENT && strcmp(name, ZONE_LOCAL) == 0)
		return xzalloc(sizeof(*zone));
	if (stream == NULL) {
		error_set(err, ERROR_CONFIG, "found no zone \"%s\" in %s (package tzdata)", name,
		          ZONE_DIRECTORY);
		return NULL;
	}
	bytes = xzalloc(ZONE_MAX_BYTES);
	length = fread(bytes, 1, ZONE_MAX_BYTES, stream);
	if (ferror(stream))
		refuse(err, "it cannot be read");
	else
		zone = zone_parse(bytes, length, err);
	fclose(stream);
	free(bytes);
	return zone;
}

void zone_free(struct zone *zone)
{
	if (zone == NULL)
		return;
	free(zone->transitions);
	free(zone);
}

/* The local time, in seconds since 1970, at which the rule strikes in a year. */
static int64_t rule_at(const struct rule *rule, int year)
{
	int64_t days = civil_to_days(year, 1, 1);
	int first_weekday, day;

	switch (rule->kind) {
	case RULE_JULIAN: /* 29 February is never counted */
		days += rule->day - 1 + (rule->day > 59 && civil_month_length(year, 2) == 29);
		break;
	case RULE_DAY:
		days += rule->day;
		break;
	case RULE_WEEKDAY:
		days = civil_to_days(year, rule->month, 1);
		first_weekday = (civil_weekday(days) + 1) % 7; /* from 0 Sunday */
		day = (rule->day - first_weekday + 7) % 7 + 7 * (rule->week - 1);
		if (day >= civil_month_length(year, rule->month)) /* week 5 is the last */
			day -= 7;
		days += day;
		break;
	}
	return days * CIVIL_DAY_S + rule->time;
}

static int64_t footer_offset(const struct zone *zone, int64_t at)
{
	int64_t begins, ends;
	int year;

	if (!zone->has_summer)
		return zone->standard;
	year = civil_from_days(civil_day_of(at + zone->standard)).year;
	begins = rule_at(&zone->begins, year) - zone->standard;
	ends = rule_at(&zone->ends, year) - zone->summer;
	if (begins < ends)
		return at >= begins && at < ends ? zone->summer : zone->standard;
	return at >= ends && at < begins ? zone->standard : zone->summer;
}

int64_t zone_offset(const struct zone *zone, int64_t at)
{
	size_t low = 0, high;

	if (zone == NULL)
		return 0;
	high = zone->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->transitions[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == zone->count && zone->has_footer)
		return footer_offset(zone, at);
	return low == 0 ? zone->first_offset : zone->transitions[low - 1].offset;
}

/* Two changes of a zone lie more than four days apart. */
int64_t zone_to_unix(const struct zone *zone, int64_t local)
{
	int64_t before = zone_offset(zone, local - 2 * CIVIL_DAY_S);
	int64_t after = zone_offset(zone, local + 2 * CIVIL_DAY_S);
	int64_t low = local - 2 * CIVIL_DAY_S, high = local + 2 * CIVIL_DAY_S;

	if (zone_offset(zone, local - before) == before)
		return local - before;
	if (zone_offset(zone, local - after) == after)
		return local - after;
	/* The clock leaps over it: the first moment that shows more. */
	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		if (middle + zone_offset(zone, middle) >= local)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
