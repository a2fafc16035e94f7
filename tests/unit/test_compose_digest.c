#include "tests/unit/notice_fixture.h"

#include <time.h>

#include "lib/base/zone.h"
#include "lib/conversation/token.h"
#include "lib/mail/text.h"

static void the_longest_wait_is_first(void **state)
{
	struct notice_item items[3] = {plain_item(), plain_item(), plain_item()};
	char *mail, *text;
	char id[CONVERSATION_ID_SIZE];
	struct buffer expected;
	(void)state;

	conversation_id_format(CONVERSATION, id);
	items[1].wait = 2;
	items[1].customer = UNOWNED("first@example.org\nBcc: x@example.org");
	items[1].started_at = NOW - 3 * 3600;
	items[1].reference = NULL;
	items[2].wait = 3;
	items[2].is_running = false;
	mail = compose(items, 3);
	text = part(mail, "text/plain");
	assert_well_formed(mail);
	assert_field(mail, "Subject", "2 customers wait for an answer");
	assert_field(mail, "Reply-To", NULL);
	assert_field(mail, "In-Reply-To", NULL);
	assert_field(mail, "References", NULL);
	assert_field(mail, "Auto-Submitted", "auto-generated");
	assert_field(mail, "Message-ID", "<rejoinder-notice-77@company.test>");
	buffer_init(&expected, 10000);
	buffer_printf(&expected,
	              "Who waits for an answer, the longest wait first:\n"
	              "\n"
	              "         3 h  first@example.org Bcc: x@example.org\n"
	              "              Question about the order\n"
	              "              Since: Sun 22 Nov 2026, 07:00 UTC\n"
	              "              Conversation: %s\n"
	              "\n"
	              "      45 min  customer@example.org\n"
	              "              Question about the order\n"
	              "              Reference: Sales Order SO-0001\n"
	              "              Since: Sun 22 Nov 2026, 09:15 UTC\n"
	              "              Conversation: %s\n"
	              "\n"
	              "An answer to this mail reaches no customer.\n",
	              id, id);
	assert_string_equal(text, expected.data);
	buffer_release(&expected);
	free(text);
	free(mail);

	items[1].customer = items[0].customer;
	mail = compose(items, 2);
	assert_field(mail, "Subject", "1 customer waits for an answer");
	free(mail);
}

static void both_parts_say_the_same(void **state)
{
	static const char *const expected[] = {
		"first@example.org",
		"customer@example.org",
		"Tom & <b>Jerry</b> \"x\"",
		"Question about the order",
		"Sales Order SO-0001",
		"Sun 22 Nov 2026, 16:00 Asia/Tokyo",
		"Sun 22 Nov 2026, 09:15 UTC",
		"3 h",
		"45 min",
		"1 h 20 min",
		"An answer to this mail reaches no customer.",
	};
	struct error err;
	struct zone *zone = zone_open("Asia/Tokyo", &err);
	struct notice_item items[2] = {plain_item(), plain_item()};
	struct compose_clock clocks[2] = {
		{.zone = zone, .zone_name = "Asia/Tokyo", .business_s = 4800}, {.business_s = -1}};
	char *mail, *plain, *html, *shown;
	(void)state;

	assert_non_null(zone);
	items[1].wait = 2;
	items[1].customer = UNOWNED("first@example.org");
	items[1].subject = UNOWNED("Tom & <b>Jerry</b> \"x\"");
	items[1].started_at = NOW - 3 * 3600;
	mail = compose_with(items, clocks, 2, &notice_config);
	plain = part(mail, "text/plain");
	html = part(mail, "text/html");
	shown = text_from_html(html, strlen(html), 100000);
	assert_well_formed(mail);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (strstr(plain, expected[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", expected[i], plain);
		if (strstr(shown, expected[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", expected[i], shown);
	}
	assert_null(strstr(mail, "mailto:"));
	free(shown);
	free(html);
	free(plain);
	free(mail);
	zone_free(zone);
}

static void thousands_are_bounded(void **state)
{
	enum { COUNT = 3000 };
	static const struct {
		const char *sentence, *unit;
	} rows[] = {
		{"letters that are encoded", "\xc3\xa4"},
		{"characters that HTML escapes", "\""},
		{"words that quoted-printable escapes", "="},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item *items = xreallocarray(NULL, COUNT, sizeof(*items));
		char *wide = repeat(rows[i].unit, 10000), *mail, *plain, *html;

		for (size_t at = 0; at < COUNT; at++) {
			items[at] = plain_item();
			items[at].wait = (int64_t)at + 1;
			items[at].customer = items[at].subject = items[at].reference =
				items[at].from_name = wide;
		}
		items[0].subject = UNOWNED("\xc3\xa4");
		mail = compose(items, COUNT);
		plain = part(mail, "text/plain");
		html = part(mail, "text/html");
		assert_well_formed(mail);
		if (strstr(plain, "\nand 2800 more: rejoinder list --waiting\n") == NULL)
			fail_msg("%s: no rest in the plain text", rows[i].sentence);
		if (strstr(html, "and 2800 more: ") == NULL || strstr(html, "</html>\n") == NULL)
			fail_msg("%s: no rest in the HTML", rows[i].sentence);
		free(html);
		free(plain);
		free(mail);
		free(wide);
		free(items);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_wait_is_first),
		cmocka_unit_test(both_parts_say_the_same),
		cmocka_unit_test(thousands_are_bounded),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
