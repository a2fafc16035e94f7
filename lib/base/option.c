#include "lib/base/option.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "lib/base/calendar.h"
#include "lib/base/digest.h"
#include "lib/base/endpoint.h"
#include "lib/base/list.h"
#include "lib/base/memory.h"
#include "lib/base/option_value.h"
#include "lib/base/pattern.h"

#define TEXT_MAX_BYTES 190
#define DELIMITERS     "+-=_.~#"

bool option_text_is_valid(const char *bytes, size_t length)
{
	const unsigned char *at = (const unsigned char *)bytes;
	const unsigned char *end = at + length;

	while (at < end) {
		static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
		int size = *at < 0x80 ? 1 : *at < 0xc0 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
		uint32_t point;

		if (size == 0 || *at > 0xf4 || end - at < size)
			return false;
		point = size == 1 ? *at : *at & (0x7fu >> size);
		for (int i = 1; i < size; i++) {
			if ((at[i] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (at[i] & 0x3f);
		}
		if (point < smallest[size] || point > 0x10ffff ||
		    (point >= 0xd800 && point <= 0xdfff))
			return false;
		if (point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
		at += size;
	}
	return true;
}

static void *place_of(const struct option *option, void *base)
{
	return (char *)base + option->offset;
}

static const void *value_of(const struct option *option, const void *base)
{
	return (const char *)base + option->offset;
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static bool socket_is_valid(const char *value)
{
	char *end;
	long port;

	if (strncmp(value, "unix:/", 6) == 0)
		return strlen(value + 5) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
	if (strncmp(value, "inet:", 5) == 0)
		value += 5;
	else if (strncmp(value, "inet6:", 6) == 0)
		value += 6;
	else
		return false;
	if (value[0] < '1' || value[0] > '9')
		return false;
	port = strtol(value, &end, 10);
	return port <= 65535 && end[0] == '@' && end[1] != '\0' && strpbrk(end, " ,") == NULL;
}

/* NULL if the string is good for the type, else what was expected. */
static const char *expected_string(const struct option *option, const char *value)
{
	size_t length = strlen(value);
	char host[ENDPOINT_HOST_SIZE];
	enum pop3_scheme scheme;
	enum relay_scheme relay;
	uint16_t port;

	if (option->type == OPTION_DELIMITER)
		return length == 0 || (length == 1 && strchr(DELIMITERS, value[0]) != NULL)
		               ? NULL
		               : "nothing or one character of + - = _ . ~ #";
	if (length == 0 || length > TEXT_MAX_BYTES || !option_text_is_valid(value, length))
		return "1 to 190 bytes of UTF-8 without control characters";
	if (option->type == OPTION_PATH)
		return value[0] == '/' ? NULL : "an absolute path";
	if (option->type == OPTION_ADDRESS)
		return address_is_valid(value) ? NULL
		                               : "an address such as replies@company.example";
	if (option->type == OPTION_DOMAIN)
		return domain_is_valid(value) ? NULL : "a domain such as replies.company.example";
	if (option->type == OPTION_SOCKET)
		return socket_is_valid(value) ? NULL
		                              : "unix:/path (at most 107 bytes), inet:port@host or "
		                                "inet6:port@host";
	if (option->type == OPTION_HOST_PORT)
		return endpoint_parse(value, 0, host, &port) == 0
		               ? NULL
		               : "host:port such as 127.0.0.1:25 or [::1]:25";
	if (option->type == OPTION_POP3_URL)
		return endpoint_parse_pop3(value, &scheme, host, &port) == 0
		               ? NULL
		               : "pop3s://host, pop3://host or pop3-plain://host, with :port if "
		                 "it is another";
	if (option->type == OPTION_RELAY_URL)
		return strcmp(value, "none") == 0 ||
		                       endpoint_parse_relay(value, &relay, host, &port) == 0
		               ? NULL
		               : "smtp://host or smtps://host, with :port if it is another, or "
		                 "none";
	return NULL;
}

static void free_string(const struct option *option, char **place)
{
	if (option->type == OPTION_SECRET && *place != NULL)
		digest_wipe(*place, strlen(*place));
	free(*place);
	*place = NULL;
}

static int set_string(const struct option *option, char **place, const char *value,
                      struct error *err)
{
	const char *expected = expected_string(option, value);

	if (expected != NULL && option->type == OPTION_SECRET)
		return error_set(err, ERROR_CONFIG, "found a value not shown here, expected %s",
		                 expected);
	if (expected != NULL)
		return option_refuse(err, value, expected);
	free_string(option, place);
	if (option->type == OPTION_RELAY_URL && strcmp(value, "none") == 0)
		return 0;
	*place = xstrdup(value);
	if (option->type == OPTION_ADDRESS || option->type == OPTION_DOMAIN)
		lower(*place);
	return 0;
}

static const char *expected_item(const struct option *option, const char *item)
{
	if (option->type == OPTION_DOMAINS)
		return domain_is_valid(item) ? NULL : "a domain such as company.example";
	if (option->type == OPTION_HOSTS)
		return host_pattern_is_valid(item)
		               ? NULL
		               : "an IP address or a network such as 192.0.2.0/24 (all bits after "
		                 "the prefix zero)";
	if (option->type == OPTION_ADDRESSES)
		return address_is_valid(item) ? NULL : "an address such as archive@company.example";
	return pattern_is_valid(item)
	               ? NULL
	               : "user@company.example, @company.example, *.company.example or *";
}

/* NULL, or what was expected. */
static const char *add_item(const struct option *option, void *place, char *item)
{
	struct string_list *list = place;
	const char *expected;

	if (option->type == OPTION_INTERVALS)
		return calendar_add_interval(place, item);
	if (option->type == OPTION_HOLIDAYS)
		return calendar_add_holiday(place, item);
	expected = expected_item(option, item);
	if (expected == NULL && list->count >= OPTION_LIST_MAX)
		return "at most 10000 items";
	if (expected != NULL)
		return expected;
	if (option->type == OPTION_DOMAINS || option->type == OPTION_ADDRESSES)
		lower(item);
	string_list_add(list, item);
	return NULL;
}

static int set_list(const struct option *option, void *place, const char *value, struct error *err)
{
	static const char separators[] = ", \t";

	for (value += strspn(value, separators); *value != '\0';
	     value += strspn(value, separators)) {
		size_t length = strcspn(value, separators);
		char *item = xmemdup0(value, length);
		const char *expected = add_item(option, place, item);

		if (expected != NULL)
			option_refuse(err, item, expected);
		free(item);
		if (expected != NULL)
			return -1;
		value += length;
	}
	return 0;
}

bool option_is_list(const struct option *option)
{
	return option->type == OPTION_DOMAINS || option->type == OPTION_PATTERNS ||
	       option->type == OPTION_ADDRESSES || option->type == OPTION_HOSTS ||
	       option->type == OPTION_INTERVALS || option->type == OPTION_HOLIDAYS;
}

int option_set(const struct option *option, void *base, const char *value, struct error *err)
{
	void *place = place_of(option, base);

	switch (option->type) {
	case OPTION_YES_NO:
		if (strcasecmp(value, "yes") != 0 && strcasecmp(value, "no") != 0)
			return option_refuse(err, value, "yes or no");
		*(bool *)place = strcasecmp(value, "yes") == 0;
		return 0;
	case OPTION_DURATION:
		return option_set_duration(option, place, value, err);
	case OPTION_SIZE:
		return option_set_size(option, place, value, err);
	case OPTION_NUMBER:
		return option_set_number(option, place, value, err);
	case OPTION_CHOICE:
		return option_set_choice(option, place, value, err);
	case OPTION_ALERTS:
		return option_set_alert(option, place, value, err);
	case OPTION_WARNING:
		return option_set_warning(option, place, value, err);
	case OPTION_REPEAT:
		return option_set_repeat(option, place, value, err);
	case OPTION_DIGEST:
		return option_set_digest(place, value, err);
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_ADDRESS:
	case OPTION_SOCKET:
	case OPTION_DELIMITER:
	case OPTION_HOST_PORT:
	case OPTION_POP3_URL:
	case OPTION_RELAY_URL:
	case OPTION_DOMAIN:
	case OPTION_SECRET:
		return set_string(option, place, value, err);
	case OPTION_DOMAINS:
	case OPTION_PATTERNS:
	case OPTION_ADDRESSES:
	case OPTION_HOSTS:
	case OPTION_INTERVALS:
	case OPTION_HOLIDAYS:
		return set_list(option, place, value, err);
	}
	return option_refuse(err, value, "an option of a known type");
}

static void copy_digest(struct alert_digest *digest, const struct alert_digest *from)
{
	digest->minute = from->minute;
	string_list_copy(&digest->recipients, &from->recipients);
}

static void copy_holidays(struct calendar *calendar, const struct calendar *from)
{
	calendar->holiday_count = from->holiday_count;
	calendar->holidays =
		xreallocarray(NULL, from->holiday_count + 1, sizeof(*calendar->holidays));
	for (size_t i = 0; i < from->holiday_count; i++)
		calendar->holidays[i] = from->holidays[i];
}

void option_copy(const struct option *option, void *to, const void *from)
{
	void *place = place_of(option, to);
	const void *value = value_of(option, from);

	switch (option->type) {
	case OPTION_YES_NO:
		*(bool *)place = *(const bool *)value;
		break;
	case OPTION_DURATION:
	case OPTION_SIZE:
	case OPTION_NUMBER:
	case OPTION_WARNING:
		*(int64_t *)place = *(const int64_t *)value;
		break;
	case OPTION_CHOICE:
		*(int *)place = *(const int *)value;
		break;
	case OPTION_ALERTS:
		alert_levels_copy(place, value);
		break;
	case OPTION_REPEAT:
		*(struct alert_repeat *)place = *(const struct alert_repeat *)value;
		break;
	case OPTION_DIGEST:
		copy_digest(place, value);
		break;
	case OPTION_INTERVALS:
		*(struct calendar_day *)place = *(const struct calendar_day *)value;
		break;
	case OPTION_HOLIDAYS:
		copy_holidays(place, value);
		break;
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_ADDRESS:
	case OPTION_SOCKET:
	case OPTION_DELIMITER:
	case OPTION_HOST_PORT:
	case OPTION_POP3_URL:
	case OPTION_RELAY_URL:
	case OPTION_DOMAIN:
	case OPTION_SECRET:
		*(char **)place = xstrdup(*(char *const *)value);
		break;
	case OPTION_DOMAINS:
	case OPTION_PATTERNS:
	case OPTION_ADDRESSES:
	case OPTION_HOSTS:
		string_list_copy(place, value);
		break;
	}
}

static void format_list(const struct string_list *list, struct buffer *out)
{
	for (size_t i = 0; i < list->count; i++)
		buffer_printf(out, "%s%s", i > 0 ? ", " : "", list->items[i]);
}

void option_format(const struct option *option, const void *base, struct buffer *out)
{
	const void *value = value_of(option, base);

	switch (option->type) {
	case OPTION_YES_NO:
		buffer_append_text(out, *(const bool *)value ? "yes" : "no");
		break;
	case OPTION_DURATION:
		option_format_duration(option, *(const int64_t *)value, out);
		break;
	case OPTION_SIZE:
		option_format_size(*(const int64_t *)value, out);
		break;
	case OPTION_NUMBER:
		buffer_printf(out, "%lld", (long long)*(const int64_t *)value);
		break;
	case OPTION_ALERTS:
		option_format_alerts(option, value, out);
		break;
	case OPTION_WARNING:
		option_format_warning(option, *(const int64_t *)value, out);
		break;
	case OPTION_REPEAT:
		option_format_repeat(option, value, out);
		break;
	case OPTION_DIGEST:
		option_format_digest(value, out);
		break;
	case OPTION_INTERVALS:
		option_format_intervals(value, out);
		break;
	case OPTION_HOLIDAYS:
		option_format_holidays(value, out);
		break;
	case OPTION_SECRET:
		buffer_append_text(out, *(char *const *)value != NULL ? "(set)" : "");
		break;
	case OPTION_CHOICE:
		buffer_append_text(out, option->choices[*(const int *)value]);
		break;
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_ADDRESS:
	case OPTION_SOCKET:
	case OPTION_DELIMITER:
	case OPTION_HOST_PORT:
	case OPTION_POP3_URL:
	case OPTION_RELAY_URL:
	case OPTION_DOMAIN:
		if (*(char *const *)value != NULL)
			buffer_append_text(out, *(char *const *)value);
		break;
	case OPTION_DOMAINS:
	case OPTION_PATTERNS:
	case OPTION_ADDRESSES:
	case OPTION_HOSTS:
		format_list(value, out);
		break;
	}
}

void option_release_all(const struct option *table, void *base)
{
	for (; table->name != NULL; table++) {
		void *place = place_of(table, base);

		switch (table->type) {
		case OPTION_TEXT:
		case OPTION_PATH:
		case OPTION_ADDRESS:
		case OPTION_SOCKET:
		case OPTION_DELIMITER:
		case OPTION_HOST_PORT:
		case OPTION_POP3_URL:
		case OPTION_RELAY_URL:
		case OPTION_DOMAIN:
		case OPTION_SECRET:
			free_string(table, place);
			break;
		case OPTION_ALERTS:
			alert_levels_release(place);
			break;
		case OPTION_DIGEST:
			string_list_release(&((struct alert_digest *)place)->recipients);
			break;
		case OPTION_HOLIDAYS:
			free(((struct calendar *)place)->holidays);
			((struct calendar *)place)->holidays = NULL;
			((struct calendar *)place)->holiday_count = 0;
			break;
		case OPTION_DOMAINS:
		case OPTION_PATTERNS:
		case OPTION_ADDRESSES:
		case OPTION_HOSTS:
			string_list_release(place);
			break;
		case OPTION_YES_NO:
		case OPTION_DURATION:
		case OPTION_SIZE:
		case OPTION_NUMBER:
		case OPTION_CHOICE:
		case OPTION_WARNING:
		case OPTION_REPEAT:
		case OPTION_INTERVALS:
			break;
		}
	}
}
