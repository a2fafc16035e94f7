#include "ctl/moment.h"

#include <stddef.h>
#include <time.h>

bool moment_read_span(const char *text, int64_t *seconds_out)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	int64_t number = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (number <= MOMENT_SPAN_MAX_S)
			number = number * 10 + (*text - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (text[0] == units[i].letter && text[1] == '\0') {
			*seconds_out = number * units[i].seconds;
			return true;
		}
	}
	return false;
}

bool moment_read(const char *text, int64_t *at_out)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm given = {.tm_isdst = -1}, found;
		const char *end = strptime(text, forms[i], &given);

		if (end == NULL || *end != '\0')
			continue;
		found = given;
		*at_out = mktime(&found);
		/* 2026-02-31 */
		return found.tm_mday == given.tm_mday && found.tm_mon == given.tm_mon;
	}
	return false;
}
