#include "tests/unit/notice_fixture.h"

#include <stdio.h>
#include <time.h>

#include "lib/mail/text.h"

/* An alert that is a warning or a repetition, and the name of the customer. */

static char *owner_and_boss[] = {UNOWNED("owner"), UNOWNED("boss@company.test")};
static char *list[] = {UNOWNED("list@company.test")};
static char *many[] = {UNOWNED("a@company.test"), UNOWNED("b@company.test"),
                       UNOWNED("c@company.test"), UNOWNED("d@company.test"),
                       UNOWNED("e@company.test"), UNOWNED("f@company.test")};
static char *staff[] = {UNOWNED("@company.test")};

/* Levels after 30 min and a day, a warning 10 min before, two repetitions a day apart. */
static struct alert_level levels[] = {
	{.after_s = 1800, .recipients = {.items = owner_and_boss, .count = 2}},
	{.after_s = 86400, .recipients = {.items = list, .count = 1}},
};
static struct account replies = {.name = UNOWNED("Replies"),
                                 .is_enabled = true,
                                 .is_incoming = true,
                                 .address = UNOWNED("replies@company.test"),
                                 .domain = UNOWNED("company.test"),
                                 .alerts = {levels, 2},
                                 .warn_s = 600,
                                 .repeat = {.every_s = 86400, .times = 2}};
static const struct config config = {.delimiter = UNOWNED("+"),
                                     .staff = {.items = staff, .count = 1},
                                     .alert_from = UNOWNED("postmaster@company.test"),
                                     .accounts = &replies,
                                     .account_count = 1};

/* The text of both parts as their readers see it, in one line each; heap strings. */
static char *plain_of(const char *mail)
{
	return part(mail, "text/plain");
}

static char *html_of(const char *mail)
{
	char *html = part(mail, "text/html");
	char *text = text_from_html(html, strlen(html), 100000);

	free(html);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	return text;
}

static void first_sentences(void **state)
{
	static const struct {
		const char *sentence;
		int level;
		int64_t waited_s;
		const char *owner;
		const char *subject, *expected;
	} rows[] = {
		{"a warning in time", 0, 1202, "jane@company.test",
	         "In 10 min unreplied: Question about the order",
	         "In 10 min, Sun 22 Nov 2026, 10:09 UTC, customer@example.org will have waited "
	         "30 min for an answer; then an alert goes to jane@company.test and you."},
		{"the owner is named too", 0, 1202, "BOSS@company.test",
	         "In 10 min unreplied: Question about the order", "then an alert goes to you."},
		{"the owner is not staff", 0, 1202, "jane@example.org",
	         "In 10 min unreplied: Question about the order",
	         "then an alert goes to replies@company.test and you."},
		{"a warning that comes late", 0, 1780, NULL,
	         "In 20 s unreplied: Question about the order", "In 20 s, "},
		{"one that comes later than the level", 0, 1800, NULL,
	         "Unreplied for 30 min: Question about the order",
	         "customer@example.org has waited 30 min for an answer."},
		{"much later", 0, 1900, NULL, "Unreplied for 31 min: Question about the order",
	         "customer@example.org has waited 31 min for an answer."},
		{"a level", 1, 1801, NULL, "Unreplied for 30 min: Question about the order",
	         "customer@example.org has waited 30 min for an answer."},
		{"the last level", 2, 86400, NULL, "Unreplied for 1 day: Question about the order",
	         "customer@example.org has waited 1 day for an answer."},
		{"its first repetition", 3, 2 * 86400, NULL,
	         "Unreplied for 2 days: Question about the order",
	         "customer@example.org has waited 2 days for an answer (told again, 1 of 2)."},
		{"its last", 4, 3 * 86400, NULL, "Unreplied for 3 days: Question about the order",
	         "customer@example.org has waited 3 days for an answer (told again, 2 of 2)."},
		{"one that there is no more", 5, 3 * 86400, NULL,
	         "Unreplied for 3 days: Question about the order",
	         "customer@example.org has waited 3 days for an answer."},
		{"a digest of a day that lists one", ALERT_DIGEST_LEVEL + 20000, 1300, NULL,
	         "Unreplied for 21 min: Question about the order",
	         "customer@example.org has waited 21 min for an answer."},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item item = plain_item();
		char *mail, *plain, *html, *subject;

		item.level = rows[i].level;
		item.started_at = NOW - rows[i].waited_s;
		item.owner = (char *)rows[i].owner;
		mail = compose_with(&item, NULL, 1, &config);
		plain = plain_of(mail);
		html = html_of(mail);
		subject = field(mail, "Subject");
		assert_well_formed(mail);
		if (strcmp(subject, rows[i].subject) != 0)
			fail_msg("%s: %s", rows[i].sentence, subject);
		if (strstr(plain, rows[i].expected) == NULL)
			fail_msg("%s: plain\n%s", rows[i].sentence, plain);
		if (strstr(html, rows[i].expected) == NULL)
			fail_msg("%s: HTML\n%s", rows[i].sentence, html);
		free(subject);
		free(html);
		free(plain);
		free(mail);
	}
}

static void many_recipients_are_counted(void **state)
{
	static const struct {
		const char *sentence;
		size_t count;
		const char *expected;
	} rows[] = {
		{"one", 1, " to a@company.test."},
		{"three", 3, " to a@company.test, b@company.test and c@company.test."},
		{"five", 5,
	         " to a@company.test, b@company.test, c@company.test, d@company.test and "
	         "e@company.test."},
		{"six", 6,
	         " to a@company.test, b@company.test, c@company.test, d@company.test and 2 "
	         "others."},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct alert_level level = {.after_s = 1800,
		                            .recipients = {.items = many, .count = rows[i].count}};
		struct account account = replies;
		struct config other = config;
		struct notice_item item = plain_item();
		char *mail, *plain;

		account.alerts = (struct alert_levels){&level, 1};
		other.accounts = &account;
		item.started_at = NOW - 1250;
		mail = compose_with(&item, NULL, 1, &other);
		plain = plain_of(mail);
		if (strstr(plain, rows[i].expected) == NULL)
			fail_msg("%s:\n%s", rows[i].sentence, plain);
		free(plain);
		free(mail);
	}
}

static void a_warning_of_business_time(void **state)
{
	struct named_calendar calendar = {.zone_name = UNOWNED("UTC")};
	struct alert_level level = {
		.after_s = 7200, .is_business = true, .recipients = {.items = list, .count = 1}};
	struct account account = replies;
	struct config other = config;
	struct notice_item item = plain_item();
	char *mail, *plain;
	(void)state;

	/* One hour a day from 10:00, and it is Sunday 10:00: two hours end on Monday at 11:00. */
	for (size_t i = 0; i < 7; i++)
		calendar.hours.days[i] =
			(struct calendar_day){.intervals = {{600, 660}}, .count = 1};
	account.alerts = (struct alert_levels){&level, 1};
	account.calendar = &calendar;
	account.warn_s = 7199;
	other.accounts = &account;
	item.started_at = NOW - 3600;
	mail = compose_with(&item, NULL, 1, &other);
	plain = plain_of(mail);
	assert_field(mail, "Subject", "In 1 day 1 h unreplied: Question about the order");
	assert_non_null(strstr(plain, "In 1 day 1 h, Mon 23 Nov 2026, 11:00 UTC, "));
	assert_non_null(strstr(plain, " will have waited 2 h of business time for an answer; then "
	                              "an alert goes to list@company.test."));
	free(plain);
	free(mail);
}

static void names(void **state)
{
	char *word = repeat("w", 1000), *shown_word = repeat("w", 100);
	char *long_shown = xasprintf("%s <customer@example.org> has waited", shown_word);
	const struct {
		const char *sentence;
		const char *name;
		const char *expected;
	} rows[] = {
		{"a name", "Bob Builder", "Bob Builder <customer@example.org> has waited"},
		{"other letters", "J\xc3\xbcrgen",
	         "J\xc3\xbcrgen <customer@example.org> has waited"},
		{"what HTML escapes", "A & B \"C\" 'd'",
	         "A & B \"C\" 'd' <customer@example.org> has waited"},
		{"none", NULL, "\n\ncustomer@example.org has waited"},
		{"an empty one", "", "\n\ncustomer@example.org has waited"},
		{"blanks", " \t ", "\n\ncustomer@example.org has waited"},
		{"an address that is not his", "boss@company.test",
	         "\n\ncustomer@example.org has waited"},
		{"one in brackets", "Boss <boss", "\n\ncustomer@example.org has waited"},
		{"a tag", "<b>x</b>", "\n\ncustomer@example.org has waited"},
		{"a line end", "Bob\r\nBcc: x", "Bob Bcc: x <customer@example.org> has waited"},
		{"what reverses a line", "Bob\xe2\x80\xae",
	         "Bob <customer@example.org> has waited"},
		{"a long one is cut", word, long_shown},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item items[2] = {plain_item(), plain_item()};
		const char *shown = rows[i].expected + (rows[i].expected[0] == '\n' ? 2 : 0);
		char *mail, *plain, *html, *bcc, *who;

		items[0].from_name = (char *)rows[i].name;
		mail = compose(items, 1);
		plain = plain_of(mail);
		html = html_of(mail);
		bcc = field(mail, "Bcc");
		assert_well_formed(mail);
		if (strstr(plain, rows[i].expected) == NULL)
			fail_msg("%s: plain\n%s", rows[i].sentence, plain);
		if (strstr(html, shown) == NULL ||
		    (shown != rows[i].expected && strstr(html, " <customer@") != NULL))
			fail_msg("%s: HTML\n%s", rows[i].sentence, html);
		assert_null(bcc);
		free(html);
		free(plain);
		free(mail);

		items[0].wait = 2;
		items[0].started_at -= 60;
		mail = compose(items, 2);
		plain = plain_of(mail);
		html = html_of(mail);
		who = xasprintf("%.*s", (int)(strstr(shown, " has waited") - shown), shown);
		if (strstr(plain, who) == NULL || strstr(html, who) == NULL)
			fail_msg("%s: digest\n%s\n%s", rows[i].sentence, plain, html);
		free(who);
		free(html);
		free(plain);
		free(mail);
	}
	free(long_shown);
	free(shown_word);
	free(word);
}

static void a_name_is_escaped_and_set_apart(void **state)
{
	struct notice_item item = plain_item();
	char *mail, *html;
	(void)state;

	item.from_name = UNOWNED("A & \"B\" 'C'");
	mail = compose(&item, 1);
	html = part(mail, "text/html");
	assert_non_null(strstr(html,
	                       "<bdi dir=\"auto\">A &amp; &quot;B&quot; &#39;C&#39;</bdi>\n&lt;"
	                       "<bdi dir=\"auto\">customer@example.org</bdi>&gt;\nhas waited"));
	free(html);
	free(mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_sentences),
		cmocka_unit_test(many_recipients_are_counted),
		cmocka_unit_test(a_warning_of_business_time),
		cmocka_unit_test(names),
		cmocka_unit_test(a_name_is_escaped_and_set_apart),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
