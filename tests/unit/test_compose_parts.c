#include "tests/unit/notice_fixture.h"

#include <stdio.h>
#include <time.h>

#include "lib/base/zone.h"
#include "lib/conversation/action.h"
#include "lib/mail/text.h"

#define DEPTH_MAX 20

/* The HTML has our tags alone, all closed in order, and loads nothing. */
static void assert_sound(const char *sentence, const char *html)
{
	static const char *const known[] = {"html",       "head", "body",  "div", "p",
	                                    "b",          "a",    "table", "tr",  "td",
	                                    "blockquote", "bdi",  "code",  NULL};
	static const char *const single[] = {"!DOCTYPE", "meta", "br", NULL};
	static const char *const loading[] = {"src=",  "url(",   "href=\"http", "<script", "<img",
	                                      "<link", "<style", " on",         NULL};
	char open[DEPTH_MAX][16];
	size_t depth = 0;

	for (const char *at = strchr(html, '<'); at != NULL; at = strchr(at, '<')) {
		const char *name = at + 1 + (at[1] == '/');
		size_t length = strcspn(name, " >\n"), i = 0;
		char *tag = xasprintf("%.*s", (int)strcspn(at, ">"), at);

		for (const char *const *one = loading; *one != NULL; one++)
			if (strstr(tag, *one) != NULL)
				fail_msg("%s: \"%s\" in %s", sentence, *one, tag);
		while (single[i] != NULL && strncmp(name, single[i], length) != 0)
			i++;
		if (single[i] == NULL) {
			for (i = 0; known[i] != NULL && (strlen(known[i]) != length ||
			                                 strncmp(name, known[i], length) != 0);)
				i++;
			if (known[i] == NULL)
				fail_msg("%s: a tag that is not ours: %s", sentence, tag);
			if (at[1] != '/') {
				assert_true(depth < DEPTH_MAX);
				strcpy(open[depth++], known[i]);
			} else if (depth == 0 || strcmp(open[--depth], known[i]) != 0) {
				fail_msg("%s: %s closes what is not open", sentence, tag);
			}
		}
		at += strlen(tag);
		free(tag);
	}
	assert_int_equal(depth, 0);
}

static void texts(void **state)
{
	char *many = repeat("line\n", 30), *eight = repeat("> line\n", 8);
	char *wide = repeat("\xc3\xa4", 600), *wide_shown = repeat("\xc3\xa4", 498);
	char *blanks = repeat(" \r\n", 30);
	const struct {
		const char *sentence;
		const char *text;
		const char *before, *expected; /* each in the body */
	} rows[] = {
		{"eight lines at most", many, "\n\n", eight},
		{"and what is left out is said", many, "> line\n", "> [...]\n\n-- \n"},
		{"they are the first", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\r\n", "\n\n",
	         "> 1\n> 2\n> 3\n> 4\n> 5\n> 6\n> 7\n> 8\n> [...]\n\n"},
		{"eight are all", "1\n2\n3\n4\n5\n6\n7\n8\n\n\n", "\n\n",
	         "> 1\n> 2\n> 3\n> 4\n> 5\n> 6\n> 7\n> 8\n\n"},
		{"blank lines at the begin are none", "\n \r\n\nHello\n", "SO-0001\n\n",
	         "> Hello\n\n"},
		{"a long line is cut at a character", wide, "\n> ", wide_shown},
		{"a text of blanks is none", blanks, "SO-0001\n\n", "-- \n"},
		{"nor is an empty one", "", "SO-0001\n\n", "-- \n"},
		{"where none is kept there is none", NULL, "SO-0001\n\n", "-- \n"},
		{"a dot alone stays", ".\nmore", "\n\n", "> .\n> more\n"},
		{"a line of dashes ends nothing", "-- \n--=_rejoinder_0--\n", "\n\n",
	         "> --\n> --=_rejoinder_0--\n\n-- \n"},
		{"controls are blanks", "a\x1b[31mb", "\n\n", "> a [31mb\n"},
		{"other letters arrive", "K\xc3\xb6ln = 1 \xe2\x82\xac", "\n\n",
	         "> K\xc3\xb6ln = 1 \xe2\x82\xac\n"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item item = plain_item();
		char *mail, *text, *html, *expected;

		item.text = (char *)rows[i].text;
		mail = compose(&item, 1);
		text = part(mail, "text/plain");
		html = part(mail, "text/html");
		assert_well_formed(mail);
		assert_sound(rows[i].sentence, html);
		expected = xasprintf("%s%s", rows[i].before, rows[i].expected);
		if (strstr(text, expected) == NULL)
			fail_msg("%s:\n%s", rows[i].sentence, text);
		free(expected);
		for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
			if (strcspn(line, "\n") > 998)
				fail_msg("%s: a line is too long", rows[i].sentence);
		}
		free(html);
		free(text);
		free(mail);
	}
	free(many);
	free(eight);
	free(wide);
	free(wide_shown);
	free(blanks);
}

/* Whatever a customer writes, both parts show it as text. */
static void what_is_hostile_is_text(void **state)
{
	char *word = repeat("w", 10000), *shown_word = repeat("w", 100);
	char *quotes = repeat("'\"&<>", 2000), *shown_quotes = repeat("'\"&<>", 20);
	const struct {
		const char *sentence;
		const char *hostile, *shown;
	} rows[] = {
		{"a script", "<script>alert(1)</script>", "<script>alert(1)</script>"},
		{"tags that end ours", "</bdi></td></table></body>", "</bdi></td></table></body>"},
		{"the end of an attribute", "\"><img src=x onerror=alert(1)>",
	         "\"><img src=x onerror=alert(1)>"},
		{"another quote", "' style='x", "' style='x"},
		{"an entity", "&lt;b&gt; &amp; &#60;", "&lt;b&gt; &amp; &#60;"},
		{"a comment", "<!-- x", "<!-- x"},
		{"line ends", "a\r\nBcc: b@example.org\r\n\r\nc", "a Bcc: b@example.org c"},
		{"what reverses a line", "a\xe2\x80\xaetxt.exe", "a txt.exe"},
		{"a word of 10 KB", word, shown_word},
		{"nothing but what is escaped", quotes, shown_quotes},
		{"our boundary", "--=_rejoinder_0 =_rejoinder_1 --=_rejoinder_2--",
	         "--=_rejoinder_0 =_rejoinder_1 --=_rejoinder_2--"},
		{"what is no UTF-8", "\xff\xfe<", "\xc3\xbf\xc3\xbe<"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item item = plain_item();
		char *hostile = (char *)rows[i].hostile, *is_field[3];
		char *mail, *plain, *html, *shown;

		item.customer = item.subject = item.reference = item.msgid = item.reply_to =
			item.from_name = hostile;
		item.text = strlen(hostile) < 1000 ? hostile : NULL;
		mail = compose(&item, 1);
		plain = part(mail, "text/plain");
		html = part(mail, "text/html");
		shown = text_from_html(html, strlen(html), 100000);
		assert_well_formed(mail);
		assert_sound(rows[i].sentence, html);
		if (strstr(plain, rows[i].shown) == NULL)
			fail_msg("%s: plain\n%s", rows[i].sentence, plain);
		if (strstr(shown, rows[i].shown) == NULL)
			fail_msg("%s: HTML\n%s", rows[i].sentence, shown);
		is_field[0] = field(mail, "Bcc");
		is_field[1] = field(mail, "Reply-To");
		is_field[2] = field(mail, "In-Reply-To");
		for (size_t j = 0; j < 3; j++)
			assert_null(is_field[j]);
		free(shown);
		free(html);
		free(plain);
		free(mail);
	}
	free(word);
	free(shown_word);
	free(quotes);
	free(shown_quotes);
}

/* Percent-decoded in place; entities of an attribute too. */
static void decode_uri(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		unsigned value;

		if (strncmp(from, "&amp;", 5) == 0) {
			*to = '&';
			from += 5;
		} else if (*from == '%' && sscanf(from + 1, "%2x", &value) == 1) {
			*to = (char)value;
			from += 3;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* Where the next link of the part begins after `begin`; its URI, decoded, a heap string. */
static const char *next_link(const char *text, const char *begin, const char *end, char **uri_out)
{
	const char *at = strstr(text, begin);

	assert_non_null(at);
	at += strlen(begin) - strlen("mailto:");
	*uri_out = xasprintf("%.*s", (int)strcspn(at, end), at);
	decode_uri(*uri_out);
	return at;
}

static void links_lead_to_the_milter(void **state)
{
	static const char *const subjects[ACTION_COUNT] = {
		"Close: ", "Remind me tomorrow: ", "I take it over: "};
	struct notice_item item = plain_item();
	char *mail, *plain, *html;
	const char *at, *html_at;
	(void)state;

	item.subject = UNOWNED("50 % of \"x\" & y? <z>\nBcc=a@example.org + K\xc3\xb6ln");
	mail = compose(&item, 1);
	at = plain = part(mail, "text/plain");
	html_at = html = part(mail, "text/html");
	for (size_t i = 0; i < ACTION_COUNT; i++) {
		char *uri, *html_uri, *expected;
		enum action action;
		int64_t notice = 0;

		at = next_link(at, "\n<mailto:", ">", &uri);
		html_at = next_link(html_at, "<a href=\"mailto:", "\"", &html_uri);
		assert_string_equal(uri, html_uri);
		assert_memory_equal(uri, "mailto:replies+", 15);
		assert_int_equal(action_verify(&keys, uri + 15, ACTION_LENGTH, "company.test",
		                               &action, &notice),
		                 ACTION_VALID);
		assert_int_equal(action, i);
		assert_int_equal(notice, NOTICE);
		expected =
			xasprintf("@company.test?subject=%s50 %% of \"x\" & y? <z> "
		                  "Bcc=a@example.org + K\xc3\xb6ln&body=Send this mail as it is.",
		                  subjects[i]);
		assert_string_equal(uri + 15 + ACTION_LENGTH, expected);
		free(expected);
		free(html_uri);
		free(uri);
	}
	assert_null(strstr(at, "\n<mailto:"));
	free(html);
	free(plain);
	free(mail);
}

static struct account account(const char *name, const char *address, bool is_incoming)
{
	return (struct account){.name = UNOWNED(name),
	                        .is_enabled = true,
	                        .is_incoming = is_incoming,
	                        .address = UNOWNED(address),
	                        .domain = (char *)strchr(address, '@') + 1};
}

static void links_need_an_address(void **state)
{
	static char *company[] = {UNOWNED("company.test")};
	static const struct {
		const char *sentence;
		const char *account, *delimiter;
		const char *reply_to_address; /* of the account Sales */
		const char *expected;         /* begin of the links, NULL: none */
	} rows[] = {
		{"the account's own", "Support", "+", NULL, "<mailto:support+"},
		{"another delimiter", "Support", "-", NULL, "<mailto:support-"},
		{"one that a link does not carry", "Support", "#", NULL, "<mailto:support%23"},
		{"no delimiter", "Support", "", NULL, NULL},
		{"one that gets no mail takes the default's", "Sales", "+", NULL,
	         "<mailto:replies+"},
		{"answers go to another account", "Sales", "+", "support@company.test",
	         "<mailto:support+"},
		{"answers go to an address that is none of ours", "Sales", "+", "x@example.org",
	         "<mailto:replies+"},
		{"the account is gone", "Gone", "+", NULL, "<mailto:replies+"},
		{"there is no account", NULL, "+", NULL, "<mailto:replies+"},
		{"none gets mail in its domain", "Far", "+", NULL, NULL},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct account accounts[] = {account("Support", "support@company.test", true),
		                             account("Replies", "replies@company.test", true),
		                             account("Sales", "sales@company.test", false),
		                             account("Far", "far@example.com", false)};
		struct config config = {.delimiter = UNOWNED(rows[i].delimiter),
		                        .alert_from = UNOWNED("postmaster@company.test"),
		                        .accounts = accounts,
		                        .account_count = 4};
		struct notice_item item = plain_item();
		char *mail, *plain;
		const char *link;

		accounts[1].is_default_incoming = true;
		accounts[1].default_for = (struct string_list){.items = company, .count = 1};
		accounts[2].reply_to_address = (char *)rows[i].reply_to_address;
		item.account = (char *)rows[i].account;
		mail = compose_with(&item, NULL, 1, &config);
		plain = part(mail, "text/plain");
		link = strstr(plain, "<mailto:");
		if ((link != NULL) != (rows[i].expected != NULL) ||
		    (link != NULL &&
		     strncmp(link, rows[i].expected, strlen(rows[i].expected)) != 0))
			fail_msg("%s: %.60s", rows[i].sentence, link != NULL ? link : "(none)");
		assert_true((strstr(plain, "staff") != NULL) == (link != NULL));
		assert_true((strstr(mail, "href=") != NULL) == (link != NULL));
		free(plain);
		free(mail);
	}
}

static void clocks(void **state)
{
	struct error err;
	struct zone *berlin = zone_open("Europe/Berlin", &err);
	struct zone *kolkata = zone_open("Asia/Kolkata", &err);
	const struct {
		const char *sentence;
		struct compose_clock clock;
		int64_t started_at;
		const char *expected[3];
	} rows[] = {
		{"winter in Berlin",
	         {berlin, "Europe/Berlin", -1},
	         NOW - 2700,
	         {"Since:          Sun 22 Nov 2026, 10:15 Europe/Berlin\nSubject:"}},
		{"summer in Berlin",
	         {berlin, "Europe/Berlin", -1},
	         NOW - 2700 - INT64_C(120) * 86400,
	         {"Since:          Sat 25 Jul 2026, 11:15 Europe/Berlin\n",
	          "has waited 120 days for"}},
		{"another day in a zone of half an hour",
	         {kolkata, "Asia/Kolkata", 5400},
	         NOW - 15 * 3600 + 5 * 60,
	         {"Since:          Sun 22 Nov 2026, 00:35 Asia/Kolkata\n",
	          "Business time:  1 h 30 min\n", "has waited 14 h 55 min for"}},
		{"no working time yet",
	         {NULL, NULL, 0},
	         NOW - 2700,
	         {"Since:          Sun 22 Nov 2026, 09:15 UTC\n", "Business time:  0 s\n"}},
		{"a name without a zone is UTC",
	         {NULL, "Etc/UTC", -1},
	         NOW - 2700,
	         {"Since:          Sun 22 Nov 2026, 09:15 Etc/UTC\nSubject:"}},
		{"a time that is none is not told",
	         {NULL, NULL, -1},
	         INT64_MAX,
	         {"has waited 0 s for an answer.\n\nSubject:"}},
	};
	(void)state;

	assert_non_null(berlin);
	assert_non_null(kolkata);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item item = plain_item();
		char *mail, *plain;

		item.started_at = rows[i].started_at;
		mail = compose_with(&item, &rows[i].clock, 1, &notice_config);
		plain = part(mail, "text/plain");
		for (size_t j = 0; j < 3 && rows[i].expected[j] != NULL; j++) {
			if (strstr(plain, rows[i].expected[j]) == NULL)
				fail_msg("%s: no \"%s\" in\n%s", rows[i].sentence,
				         rows[i].expected[j], plain);
		}
		free(plain);
		free(mail);
	}
	zone_free(kolkata);
	zone_free(berlin);
}

/* The plain text stands alone: what the HTML shows is there too, links excepted. */
static void both_parts_say_the_same(void **state)
{
	static const char *const expected[] = {
		"Your answer goes to the customer; delete what stands below.",
		"customer@example.org",
		"45 min",
		"Sun 22 Nov 2026, 09:15 UTC",
		"Business time",
		"25 min",
		"Question about the order",
		"Sales Order SO-0001",
		"Where is it?",
		"Just reply: it goes to customer@example.org",
		"and ends the wait.",
		"For staff only.",
		"Close: no answer is needed",
		"Remind me tomorrow",
		"I take it over",
	};
	const struct compose_clock clock = {.business_s = 25 * 60};
	struct notice_item item = plain_item();
	char *mail = compose_with(&item, &clock, 1, &notice_config);
	char *again = compose_with(&item, &clock, 1, &notice_config);
	char *plain = part(mail, "text/plain"), *html = part(mail, "text/html");
	char *shown = text_from_html(html, strlen(html), 100000);
	size_t before = 0;
	(void)state;

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const char *at = strstr(plain, expected[i]);

		if (at == NULL)
			fail_msg("no \"%s\" in\n%s", expected[i], plain);
		if (strstr(shown, expected[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", expected[i], shown);
		assert_true((size_t)(at - plain) >= before);
		before = (size_t)(at - plain);
	}
	/* A repeat is the same mail but for its mark. */
	assert_string_equal(strstr(mail, "\r\n"), strstr(again, "\r\n"));
	free(shown);
	free(html);
	free(plain);
	free(again);
	free(mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(what_is_hostile_is_text),
		cmocka_unit_test(links_lead_to_the_milter),
		cmocka_unit_test(links_need_an_address),
		cmocka_unit_test(clocks),
		cmocka_unit_test(both_parts_say_the_same),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
