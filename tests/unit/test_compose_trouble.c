#include "tests/unit/composed_fixture.h"

#include <time.h>

#include "lib/base/zone.h"
#include "lib/conversation/mark.h"
#include "lib/mail/subject.h"
#include "scheduler/compose_letter.h"

#define LETTER INT64_C(99)

static struct config config = {
	.alert_from = UNOWNED("postmaster@company.test"),
	.operator_address = UNOWNED("operator@company.test"),
};

static struct letter letter_about(const char *trouble, const char *detail)
{
	return (struct letter){.id = LETTER,
	                       .kind = LETTER_TROUBLE_BEGAN,
	                       .trouble = (char *)trouble,
	                       .detail = (char *)detail,
	                       .since = NOW - 1860,
	                       .created_at = NOW};
}

static char *compose_at(const struct letter *letter, int64_t now)
{
	const struct compose_context context = {&config, &keys, now};
	struct buffer out;

	buffer_init(&out, COMPOSED_MAX_BYTES);
	buffer_append_text(&out, "what it held");
	compose_trouble(&out, letter, &context);
	assert_false(out.is_full);
	return buffer_take(&out);
}

static void a_beginning_and_an_end(void **state)
{
	struct letter letter = letter_about("inbox Support", "cannot sign in: -ERR no\r\n.\r\n");
	char *mail = compose_at(&letter, NOW), *text = body(mail);
	char *mark = field(mail, "Rejoinder-Mark"), detail[MARK_DETAIL_BYTES + 1];
	enum mark_kind kind;
	(void)state;

	assert_well_formed(mail);
	assert_field(mail, "From", "Rejoinder <postmaster@company.test>");
	assert_field(mail, "To", "operator@company.test");
	assert_field(mail, "Message-ID", "<rejoinder-letter-99@company.test>");
	assert_field(mail, "Auto-Submitted", "auto-generated");
	assert_field(mail, "Date", "Sun, 22 Nov 2026 10:00:00 +0000");
	assert_field(mail, "Subject", "Rejoinder: the inbox Support has failed since 09:29");
	assert_field(mail, "Reply-To", NULL);
	assert_int_equal(mark_verify(&keys, mark, NOW, &kind, detail), 1);
	assert_int_equal(kind, MARK_ALERT);
	assert_string_equal(
		text,
		"The inbox Support has failed since Sun 22 Nov 2026, 09:29 UTC:\n"
		"\n"
		"    cannot sign in: -ERR no .\n"
		"\n"
		"Its mail stays on the server and is fetched when that works again.\n"
		"\n"
		"What to do: `rejoinder accounts` shows each inbox and its last error,\n"
		"`rejoinder account test` signs in there, and `rejoinder doctor` looks for more.\n"
		"It is tried again by itself.\n"
		"\n"
		"Another mail comes when it is well, and none before.\n");
	free(mark);
	free(text);
	free(mail);

	letter.kind = LETTER_TROUBLE_ENDED;
	letter.since = NOW - 7800;
	mail = compose_at(&letter, NOW + 3600);
	text = body(mail);
	assert_well_formed(mail);
	assert_field(mail, "Subject",
	             "Rejoinder: the inbox Support is well again after 2 h 10 min");
	assert_field(mail, "Message-ID", "<rejoinder-letter-99@company.test>");
	assert_field(mail, "Date", "Sun, 22 Nov 2026 10:00:00 +0000");
	assert_string_equal(
		text,
		"The inbox Support is well again. That was seen Sun 22 Nov 2026, 10:00 UTC.\n"
		"\n"
		"It lasted 2 h 10 min, since Sun 22 Nov 2026, 07:50 UTC. What was said of it then:\n"
		"\n"
		"    cannot sign in: -ERR no .\n"
		"\n"
		"There is nothing to do.\n");
	free(text);
	free(mail);
}

static void kinds(void **state)
{
	static const struct {
		const char *sentence;
		const char *trouble;
		const char *began, *ended; /* of the subjects */
	} rows[] = {
		{"a relay", "relay Sales", "the relay of Sales has had no password since 09:29",
	         "the relay of Sales has its password again after 31 min"},
		{"the disk", "disk", "the disk of the store has been nearly full since 09:29",
	         "the disk of the store has room again after 31 min"},
		{"the backup", "backup", "the nightly backup has failed since 09:29",
	         "the nightly backup is well again after 31 min"},
		{"the check", "check", "the nightly check of the store has failed since 09:29",
	         "the nightly check of the store is well again after 31 min"},
		{"the purge", "purge", "the nightly purge of old mail has failed since 09:29",
	         "the nightly purge of old mail is well again after 31 min"},
		{"an inbox that is called as a disk", "inbox disk",
	         "the inbox disk has failed since 09:29",
	         "the inbox disk is well again after 31 min"},
		{"what a newer version knows", "weather", "weather has been in trouble since 09:29",
	         "weather is well again after 31 min"},
		{"a name with a line end", "inbox a\r\nBcc: b",
	         "the inbox a Bcc: b has failed since 09:29",
	         "the inbox a Bcc: b is well again after 31 min"},
		{"other letters", "inbox K\xc3\xb6ln",
	         "the inbox K\xc3\xb6ln has failed since 09:29",
	         "the inbox K\xc3\xb6ln is well again after 31 min"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int is_end = 0; is_end < 2; is_end++) {
			struct letter letter = letter_about(rows[i].trouble, NULL);
			const char *expected = is_end ? rows[i].ended : rows[i].began;
			char *mail, *value, *shown, *bcc, *text;

			letter.kind = is_end ? LETTER_TROUBLE_ENDED : LETTER_TROUBLE_BEGAN;
			mail = compose_at(&letter, NOW);
			value = field(mail, "Subject");
			bcc = field(mail, "Bcc");
			text = body(mail);
			shown = subject_decode(value, strlen(value), 1000);
			assert_well_formed(mail);
			if (strncmp(shown, "Rejoinder: ", 11) != 0 ||
			    strcmp(shown + 11, expected) != 0)
				fail_msg("%s: %s", rows[i].sentence, shown);
			assert_null(bcc);
			assert_non_null(strstr(text, "    (nothing more is known)\n"));
			assert_true((strstr(text, "`rejoinder doctor`") != NULL) == !is_end);
			free(shown);
			free(text);
			free(bcc);
			free(value);
			free(mail);
		}
	}
}

static void when_it_began(void **state)
{
	struct error err;
	struct zone *berlin = zone_open("Europe/Berlin", &err);
	const struct {
		const char *sentence;
		struct zone *zone;
		int64_t ago_s;
		const char *expected, *in_text;
	} rows[] = {
		{"today", NULL, 36000, "since 00:00", "Sun 22 Nov 2026, 00:00 UTC"},
		{"yesterday", NULL, 36001, "since 21 Nov 2026, 23:59",
	         "Sat 21 Nov 2026, 23:59 UTC"},
		{"yesterday here is today in Berlin", berlin, 36001, "since 00:59",
	         "Sun 22 Nov 2026, 00:59 Europe/Berlin"},
	};
	(void)state;

	assert_non_null(berlin);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct letter letter = letter_about("backup", "no room");
		char *mail, *text, *subject;

		letter.since = NOW - rows[i].ago_s;
		config.zone = rows[i].zone;
		config.zone_name = rows[i].zone != NULL ? UNOWNED("Europe/Berlin") : NULL;
		mail = compose_at(&letter, NOW);
		subject = field(mail, "Subject");
		text = body(mail);
		if (strstr(subject, rows[i].expected) == NULL)
			fail_msg("%s: %s", rows[i].sentence, subject);
		if (strstr(text, rows[i].in_text) == NULL)
			fail_msg("%s: %s", rows[i].sentence, text);
		free(text);
		free(subject);
		free(mail);
	}
	zone_free(berlin);
	config.zone = NULL;
	config.zone_name = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_beginning_and_an_end),
		cmocka_unit_test(kinds),
		cmocka_unit_test(when_it_began),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
