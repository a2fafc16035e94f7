#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/config.h"

/* Calendars, and what accounts say of time. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MINIMAL "[rejoinder]\ndomains = company.test\n"
#define OFFICE  "[calendar \"Office\"]\nzone = Europe/Berlin\nmonday = 09:00-12:00, 13:00-17:00\n"
#define ACCOUNT "[account \"A\"]\naddress = a@company.test\n"
#define LEVEL   "alert = 30m to owner\n"

static char path[] = "/tmp/test_config_calendar.XXXXXX";

static int load(const char *text, struct config **config_out, struct string_list *mistakes)
{
	char name[sizeof(path)];
	int fd, rc;

	strcpy(name, path);
	fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	rc = config_load(name, config_out, mistakes);
	unlink(name);
	return rc;
}

static struct config *load_good(const char *text)
{
	struct string_list mistakes = {0};
	struct config *config;

	if (load(text, &config, &mistakes) != 0)
		fail_msg("%s", mistakes.items[0]);
	return config;
}

static const struct {
	const char *name, *text;
	const char *expected; /* behind the path: all mistakes, each with a newline */
} mistakes_rows[] = {
	{"an unknown zone", MINIMAL "zone = Europe/Brelin\n",
         ":3: zone: found no zone \"Europe/Brelin\" in /usr/share/zoneinfo (package tzdata), "
         "expected one such as Europe/Berlin\n"},
	{"an unknown zone of a calendar",
         MINIMAL "[calendar \"Office\"]\nzone = Mars\nmonday = 09:00-17:00\n",
         ":4: zone: found no zone \"Mars\" in /usr/share/zoneinfo (package tzdata), expected one "
         "such as Europe/Berlin\n"},
	{"a zone that is a path", MINIMAL "zone = ../../../etc/passwd\n",
         ":3: zone: found no name of a time zone, expected one such as Europe/Berlin\n"},
	{"no working minute", MINIMAL "[calendar \"Office\"]\nholidays = 12-25\n",
         ":3: [calendar \"Office\"]: found no working minute in a week, expected intervals such "
         "as monday = 09:00-17:00\n"},
	{"a wrong interval is reported once", MINIMAL "[calendar \"Office\"]\nmonday = 9-17\n",
         ":4: monday: found \"9-17\", expected an interval such as 09:00-17:00\n"},
	{"intervals that overlap",
         MINIMAL "[calendar \"Office\"]\nmonday = 09:00-12:00, 11:00-17:00\n",
         ":4: monday: found \"11:00-17:00\", expected intervals that do not overlap\n"},
	{"no such date", MINIMAL OFFICE "holidays = 02-30 2026-13-01\n",
         ":6: holidays: found \"02-30\", expected a date such as 2026-12-24, or 12-25 for every "
         "year\n:6: holidays: found \"2026-13-01\", expected a date such as 2026-12-24, or 12-25 "
         "for every year\n"},
	{"two calendars of one name",
         MINIMAL OFFICE "[calendar \"OFFICE\"]\nfriday = 09:00-10:00\n",
         ":6: [calendar \"OFFICE\"]: found twice, expected once (first on line 3)\n"},
	{"a calendar without a name", MINIMAL "[calendar]\nmonday = 09:00-17:00\n",
         ":3: found \"[calendar]\", expected [rejoinder], [account \"Name\"], [common \"name\"] "
         "or [calendar \"Name\"]\n"},
	{"a key of an account in a calendar", MINIMAL OFFICE "alert = 30m to owner\n",
         ":6: alert: found it in a [calendar] section, expected it in an account\n"},
	{"a key of a calendar in an account", MINIMAL ACCOUNT "sunday = 09:00-10:00\n",
         ":5: sunday: found it in an account, expected it in a [calendar] section\n"},
	{"a day that is none", MINIMAL OFFICE "fryday = 09:00-10:00\n",
         ":6: fryday: found an unknown key, expected perhaps friday\n"},
	{"a day twice", MINIMAL OFFICE "monday = 18:00-19:00\n",
         ":6: monday: found twice, expected once (first on line 5)\n"},
	{"a calendar that is mistyped", MINIMAL OFFICE ACCOUNT "calendar = Ofice\n",
         ":8: calendar: found \"Ofice\", expected perhaps Office\n"},
	{"a calendar that is not there", MINIMAL OFFICE ACCOUNT "calendar = Works\n",
         ":8: calendar: found \"Works\", expected the name of a [calendar] section\n"},
	{"business without a calendar", MINIMAL ACCOUNT LEVEL "alert = 4h business to owner\n",
         ":6: alert: found business time without a calendar, expected calendar = NAME in "
         "[account \"A\"]\n"},
	{"a word twice", MINIMAL ACCOUNT "alert = 4h urgent urgent to owner\n",
         ":5: alert: found \"4h urgent urgent to owner\", expected a number with s, m, h or d, "
         "from 1s to 365d, business or urgent or neither, the word to, and recipients\n"},
	{"a warning of nothing", MINIMAL ACCOUNT "warn = 10m before\n",
         ":5: warn: found it without a level, expected alert in [account \"A\"]\n"},
	{"a warning as long as the level", MINIMAL ACCOUNT LEVEL "warn = 30m before\n",
         ":6: warn: found a time that is not shorter than the first alert of [account \"A\"], "
         "expected a shorter one\n"},
	{"a warning without before", MINIMAL ACCOUNT LEVEL "warn = 10m\n",
         ":6: warn: found \"10m\", expected a number with s, m, h or d, from 1s to 365d, and the "
         "word before\n"},
	{"a warning with more", MINIMAL ACCOUNT LEVEL "warn = 10m before tea\n",
         ":6: warn: found \"10m before tea\", expected a number with"},
	{"a repetition of nothing", MINIMAL ACCOUNT "repeat = 1d up to 3\n",
         ":5: repeat: found it without a level, expected alert in [account \"A\"]\n"},
	{"a repetition without end", MINIMAL ACCOUNT LEVEL "repeat = 1d\n",
         ":6: repeat: found \"1d\", expected a number with s, m, h or d, from 1s to 365d, the "
         "words up to, and a number from 1 to 100\n"},
	{"too many repetitions", MINIMAL ACCOUNT LEVEL "repeat = 1d up to 101\n",
         ":6: repeat: found \"1d up to 101\", expected"},
	{"no repetition", MINIMAL ACCOUNT LEVEL "repeat = 1d up to 0\n",
         ":6: repeat: found \"1d up to 0\", expected"},
	{"quiet for ever", MINIMAL ACCOUNT "quiet = 22:00-08:00, 08:00-22:00\n",
         ":5: quiet: found all day long, expected a time when alerts are sent\n"},
	{"quiet in words", MINIMAL ACCOUNT "quiet = night\n",
         ":5: quiet: found \"night\", expected an interval such as 09:00-17:00\n"},
	{"a digest without a time", MINIMAL ACCOUNT "digest = to owner\n",
         ":5: digest: found \"to owner\", expected a time such as 08:00, the word to, and "
         "recipients\n"},
	{"a digest after the day", MINIMAL ACCOUNT "digest = 24:00 to owner\n",
         ":5: digest: found \"24:00 to owner\", expected a time such as 08:00"},
	{"a digest to nobody", MINIMAL ACCOUNT "digest = 08:00 to\n",
         ":5: digest: found \"08:00 to\", expected a recipient after the to\n"},
	{"two digests", MINIMAL ACCOUNT "digest = 08:00 to owner\ndigest = 09:00 to owner\n",
         ":6: digest: found twice, expected once (first on line 5)\n"},
};

static void a_mistake_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mistakes_rows); i++) {
		struct string_list mistakes = {0};
		struct config *config = NULL;
		char text[2000] = "";

		if (load(mistakes_rows[i].text, &config, &mistakes) == 0)
			fail_msg("%s: it loads", mistakes_rows[i].name);
		for (size_t j = 0; j < mistakes.count; j++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
			         mistakes.items[j] + strlen(path));
		if (strncmp(text, mistakes_rows[i].expected, strlen(mistakes_rows[i].expected)) !=
		            0 ||
		    (strchr(mistakes_rows[i].expected, '\n') != NULL &&
		     strcmp(text, mistakes_rows[i].expected) != 0))
			fail_msg("%s: %s", mistakes_rows[i].name, text);
		string_list_release(&mistakes);
	}
}

static const char full[] = MINIMAL
	"zone = Asia/Tokyo\n" OFFICE "friday = 22:00-06:00\nholidays =\n\t2026-12-24\n\t12-25\n"
	"[calendar \"Late\"]\nsunday = 00:00-24:00\n" ACCOUNT
	"calendar = office\nalert = 4h urgent business to owner\nalert = 4h to b@company.test\n"
	"warn = 10m before\nrepeat = 1d up to 3\nquiet = 22:00-07:00, 12:00-13:00\n"
	"digest = 08:00 to owner, b@company.test\n"
	"[account \"B\"]\naddress = b@company.test\n";

static void what_is_said_is_in_force(void **state)
{
	struct config *config = load_good(full);
	const struct account *account = &config->accounts[0], *other = &config->accounts[1];

	(void)state;
	assert_int_equal(config->calendar_count, 2);
	assert_ptr_equal(account->calendar, &config->calendars[0]);
	assert_int_equal(account->calendar->hours.days[0].count, 2);
	assert_int_equal(account->calendar->hours.days[4].intervals[0].to, 30 * 60);
	assert_int_equal(account->calendar->hours.holiday_count, 2);
	assert_int_equal(zone_offset(config_zone(config, account), 0), 3600);
	assert_string_equal(config_zone_name(config, account), "Europe/Berlin");
	assert_null(other->calendar);
	assert_int_equal(zone_offset(config_zone(config, other), 0), 9 * 3600);
	assert_string_equal(config_zone_name(config, other), "Asia/Tokyo");
	assert_int_equal(zone_offset(config->calendars[1].hours.zone, 0), 9 * 3600);
	assert_false(account->alerts.items[0].is_business);
	assert_true(account->alerts.items[1].is_business);
	assert_true(account->alerts.items[1].is_urgent);
	assert_int_equal(account->warn_s, 600);
	assert_int_equal(account->repeat.every_s, 86400);
	assert_int_equal(account->repeat.times, 3);
	assert_int_equal(account->quiet.count, 2);
	assert_int_equal(account->digest.minute, 480);
	assert_int_equal(account->digest.recipients.count, 2);
	assert_int_equal(other->quiet.count, 0);
	config_free(config);
}

static void what_is_printed_can_be_read_again(void **state)
{
	static const char *const lines[] = {
		"\n[calendar \"Office\"]\nzone = Europe/Berlin  # ",
		":6\ntuesday =  # default\n",
		"\nmonday = 09:00-12:00, 13:00-17:00  # ",
		"\nfriday = 22:00-06:00  # ",
		"\nholidays = 2026-12-24, 12-25  # ",
		"\n[calendar \"Late\"]\nzone = Asia/Tokyo  # default\n",
		"\nsunday = 00:00-24:00  # ",
		"\nalert = 4h to b@company.test  # ",
		"\nalert = 4h business urgent to owner  # ",
		"\ncalendar = office  # ",
		"\nwarn = 10m before  # ",
		"\nrepeat = 1d up to 3  # ",
		"\nquiet = 12:00-13:00, 22:00-07:00  # ",
		"\ndigest = 08:00 to owner, b@company.test  # ",
		"\nzone = Asia/Tokyo  # ",
		"\nwarn =  # default\n",
		"\ndigest =  # default\n",
	};
	struct config *config = load_good(full);
	size_t length = 0;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &length);

	(void)state;
	assert_non_null(stream);
	config_print(config, stream);
	assert_int_equal(fclose(stream), 0);
	for (size_t i = 0; i < COUNT(lines); i++)
		if (strstr(text, lines[i]) == NULL)
			fail_msg("no %s in\n%s", lines[i], text);
	free(text);
	config_free(config);
}

static void what_is_inherited(void **state)
{
	struct config *config =
		load_good(MINIMAL OFFICE "[common \"c\"]\ncalendar = Office\nwarn = 10m before\n"
	                                 "repeat = 1h up to 2\nquiet = 22:00-07:00\n"
	                                 "digest = 07:30 to owner\n" ACCOUNT "inherit = c\n"
	                                 "alert = 1h business to owner\n"
	                                 "[account \"B\"]\naddress = b@company.test\ninherit = c\n"
	                                 "quiet = 01:00-02:00\n");
	const struct account *first = &config->accounts[0], *second = &config->accounts[1];

	(void)state;
	assert_ptr_equal(first->calendar, &config->calendars[0]);
	assert_int_equal(first->warn_s, 600);
	assert_int_equal(first->repeat.times, 2);
	assert_int_equal(first->quiet.intervals[0].from, 22 * 60);
	assert_int_equal(first->digest.minute, 450);
	assert_string_equal(first->digest.recipients.items[0], "owner");
	assert_int_equal(second->quiet.count, 1);
	assert_int_equal(second->quiet.intervals[0].from, 60);
	config_free(config);
}

/* The man page's list and that of the example, where all lines of the calendar are remarks. */
static void the_papers_have_every_key(void **state)
{
	static const char *const papers[] = {"man/rejoinder.conf.5", "contrib/rejoinder.conf"};
	static char text[200000];

	(void)state;
	for (size_t i = 0; i < COUNT(papers); i++) {
		FILE *stream = fopen(papers[i], "r");
		const char *section;
		size_t length;

		assert_non_null(stream);
		length = fread(text, 1, sizeof(text) - 1, stream);
		fclose(stream);
		text[length] = '\0';
		section = strstr(text, i == 0 ? ".Sh CALENDAR SECTIONS" : "\n#[calendar ");
		assert_non_null(section);
		for (const struct option *option = config_calendar_options(); option->name != NULL;
		     option++) {
			char wanted[40] = "";

			if (i == 0)
				snprintf(wanted, sizeof(wanted), "%s", option->name);
			else
				snprintf(wanted, sizeof(wanted), "\n#%s =", option->name);
			if (strstr(section, wanted) == NULL)
				fail_msg("%s has no %s", papers[i], option->name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mistake_is_named),
		cmocka_unit_test(what_is_said_is_in_force),
		cmocka_unit_test(what_is_printed_can_be_read_again),
		cmocka_unit_test(what_is_inherited),
		cmocka_unit_test(the_papers_have_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
