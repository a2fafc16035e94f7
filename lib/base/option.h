#ifndef REJOINDER_BASE_OPTION_H
#define REJOINDER_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buffer.h"
#include "lib/base/error.h"

/*
 * The option table: one row a key drives the parser, `rejoinder config`, the
 * example file and rejoinder.conf(5).  A row says where in a struct the value
 * lives and how it is read; there is no parsing of values anywhere else.
 */

enum option_type {
	OPTION_YES_NO,    /* bool: yes, no */
	OPTION_TEXT,      /* char *: 1 to 190 bytes of UTF-8 without control bytes */
	OPTION_PATH,      /* char *: an absolute path */
	OPTION_DURATION,  /* int64_t in the option's unit: number and ms, s, m, h, d; or a choice */
	OPTION_SIZE,      /* int64_t of bytes: number, or number and K, M, G */
	OPTION_NUMBER,    /* int64_t */
	OPTION_CHOICE,    /* int: one of choices, in order from 0 */
	OPTION_ADDRESS,   /* char *: an address, lower-cased */
	OPTION_DOMAIN,    /* char *: a domain, lower-cased */
	OPTION_DOMAINS,   /* struct string_list, lower-cased */
	OPTION_PATTERNS,  /* struct string_list of address patterns */
	OPTION_ADDRESSES, /* struct string_list of addresses, lower-cased */
	OPTION_HOSTS,     /* struct string_list of host patterns */
	OPTION_SOCKET,    /* char *: unix:/path, inet:port@host or inet6:port@host */
	OPTION_DELIMITER, /* char *: empty, or one character of + - = _ . ~ # */
	OPTION_HOST_PORT, /* char *: host:port, an IPv6 address in brackets */
	OPTION_POP3_URL,  /* char *: as endpoint_parse_pop3() reads */
	OPTION_RELAY_URL, /* char *: as endpoint_parse_relay() reads; NULL for `none` */
	OPTION_SECRET,    /* char *: as OPTION_TEXT, but shown nowhere */
	OPTION_ALERTS, /* struct alert_levels: a level a call, `30m business to owner, a@b.example` */
	OPTION_WARNING,   /* int64_t in the option's unit: `10m before` */
	OPTION_REPEAT,    /* struct alert_repeat: `1d up to 3` */
	OPTION_DIGEST,    /* struct alert_digest: `08:00 to owner, a@b.example` */
	OPTION_INTERVALS, /* struct calendar_day: a list, `09:00-12:00, 13:00-17:00` */
	OPTION_HOLIDAYS,  /* struct calendar, its holidays: a list, `2026-12-24, 12-25` */
};

enum option_unit { UNIT_NONE, UNIT_MILLISECONDS, UNIT_SECONDS };

struct option {
	const char *name;
	enum option_type type;
	enum option_unit unit; /* of a duration as stored */
	const char *fallback;  /* the default as one would write it, or NULL: unset */
	int64_t min, max;      /* of a number; of a duration, in its unit */
	const char *const
		*choices; /* NULL-terminated; those of a duration are stored as 0, -1, ... */
	size_t offset;
	const char *help; /* one sentence */
};

/* Where a value in force comes from: line 0 without a preset is the default. */
struct option_origin {
	int line;           /* of the configuration */
	bool is_inherited;  /* the line stands in another section */
	bool is_wrong;      /* and its value was refused */
	const char *preset; /* name of the preset that has it, or NULL; static */
};

#define OPTION_LIST_MAX 10000 /* items in one list */

/*
 * Read one value into its place in *base.  Lists are comma or blank separated
 * and a repeated call adds to them, or a level to OPTION_ALERTS; other types
 * replace.  On failure err->text is `found "x", expected y`.
 */
int option_set(const struct option *option, void *base, const char *value,
               struct error *err) MUST_CHECK;

/* Put a copy of the value of *from into its place in *to, which holds none. */
void option_copy(const struct option *option, void *to, const void *from);

/* Is the type one of the lists, whose value may be spread over several lines? */
bool option_is_list(const struct option *option);

/* Is it UTF-8 (RFC 3629) without control characters? */
bool option_text_is_valid(const char *bytes, size_t length);

/*
 * Append the value as one would write it; an unset one appends nothing.  A secret
 * is `(set)`; the levels of OPTION_ALERTS are separated by newlines.
 */
void option_format(const struct option *option, const void *base, struct buffer *out);

/* Free what the options of a table hold in *base. */
void option_release_all(const struct option *table, void *base);

#endif
