#include "tests/unit/composed_fixture.h"

#include <time.h>

#include "lib/conversation/mark.h"
#include "lib/mail/subject.h"
#include "scheduler/compose_letter.h"

#define LETTER INT64_C(99)
#define DAY    (NOW / 86400)

static const struct account support = {
	.name = UNOWNED("Support"),
	.is_enabled = true,
	.address = UNOWNED("support@company.test"),
	.domain = UNOWNED("company.test"),
	.display_name = UNOWNED("Company Support"),
	.daily_limit = 100,
};
static const struct config config = {
	.alert_from = UNOWNED("postmaster@company.test"),
	.operator_address = UNOWNED("operator@company.test"),
};

static struct letter limit_letter(enum letter_kind kind)
{
	return (struct letter){.id = LETTER,
	                       .kind = kind,
	                       .account = UNOWNED("Support"),
	                       .created_at = NOW - 5,
	                       .count = kind == LETTER_LIMIT_NEAR ? 80 : 100,
	                       .day = DAY};
}

/* The mail about a letter, a heap string. */
static char *compose_at(const struct letter *letter, const struct account *account, int64_t now)
{
	const struct compose_context context = {&config, &keys, now};
	struct buffer out;

	buffer_init(&out, COMPOSED_MAX_BYTES);
	buffer_append_text(&out, "what it held");
	compose_limit(&out, letter, account, &context);
	assert_false(out.is_full);
	return buffer_take(&out);
}

static char *compose(const struct letter *letter, const struct account *account)
{
	return compose_at(letter, account, NOW);
}

static void limits(void **state)
{
	static const struct {
		const char *sentence;
		enum letter_kind kind;
		int on_limit;
		const char *expected[3];
	} rows[] = {
		{"near, and it will be queued",
	         LETTER_LIMIT_NEAR,
	         ON_LIMIT_QUEUE,
	         {"has sent to 80 of the 100 recipients", "At the limit, what it sends",
	          "leaves by itself after 00:00 UTC"}},
		{"reached, and it is queued",
	         LETTER_LIMIT_REACHED,
	         ON_LIMIT_QUEUE,
	         {"has sent to 100 of the 100 recipients", "From now on what it sends",
	          "waits in the queue"}},
		{"reached, and clients must come again",
	         LETTER_LIMIT_REACHED,
	         ON_LIMIT_TEMPFAIL,
	         {"From now on mail clients", "after\n00:00 UTC (450)", "what others send"}},
		{"reached, and nothing happens",
	         LETTER_LIMIT_REACHED,
	         ON_LIMIT_PASS,
	         {"From now on its mail still leaves", "the service may refuse it", "What to do:"}},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct letter letter = limit_letter(rows[i].kind);
		struct account account = support;
		char *mail, *text, *mark, detail[MARK_DETAIL_BYTES + 1];
		enum mark_kind kind;

		account.on_limit = rows[i].on_limit;
		mail = compose(&letter, &account);
		text = body(mail);
		mark = field(mail, "Rejoinder-Mark");
		assert_well_formed(mail);
		assert_field(mail, "From", "Rejoinder <postmaster@company.test>");
		assert_field(mail, "To", "operator@company.test");
		assert_field(mail, "Auto-Submitted", "auto-generated");
		assert_field(mail, "Message-ID", "<rejoinder-letter-99@company.test>");
		assert_field(mail, "Reply-To", NULL);
		assert_field(mail, "References", NULL);
		assert_int_equal(mark_verify(&keys, mark, NOW, &kind, detail), 1);
		for (size_t j = 0; j < 3; j++) {
			if (strstr(text, rows[i].expected[j]) == NULL)
				fail_msg("%s: no \"%s\" in\n%s", rows[i].sentence,
				         rows[i].expected[j], text);
		}
		assert_non_null(strstr(text, "On 2026-11-22 (UTC) the account Support, "
		                             "support@company.test,"));
		assert_non_null(strstr(text, "00:00 UTC, which is 2026-11-23 00:00 +0000."));
		free(mark);
		free(text);
		free(mail);
	}
}

static void the_subject_of_a_limit_names_the_day(void **state)
{
	struct letter letter = limit_letter(LETTER_LIMIT_NEAR);
	struct account account = support;
	char *mail = compose(&letter, &account), *value, *shown;
	(void)state;

	assert_field(mail, "Subject", "Account Support has sent to 80 of 100 recipients today");
	free(mail);
	mail = compose_at(&letter, &account, NOW + 86400);
	assert_field(mail, "Subject",
	             "Account Support has sent to 80 of 100 recipients on 2026-11-22");
	free(mail);

	account.name = UNOWNED("K\xc3\xb6ln");
	mail = compose(&letter, &account);
	assert_well_formed(mail);
	value = field(mail, "Subject");
	shown = subject_decode(value, strlen(value), 500);
	assert_string_equal(shown, "Account K\xc3\xb6ln has sent to 80 of 100 recipients today");
	free(shown);
	free(value);
	free(mail);
}

static void a_sender_past_a_cap(void **state)
{
	static const struct {
		const char *sentence;
		int64_t cap;
		const char *expected;
	} rows[] = {
		{"in a conversation", 10,
	         "has sent more than 10 messages within 10 min in one conversation."},
		{"for hours", 100,
	         "has sent more than 100 messages within 10 h in one conversation."},
		{"everywhere", 60, "has sent more than 60 messages within 10 min."},
		{"everywhere, for hours", 600, "has sent more than 600 messages within 10 h."},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct letter letter = {.id = LETTER,
		                              .kind = LETTER_SENDER_CAPPED,
		                              .sender = UNOWNED("customer@example.org"),
		                              .subject = UNOWNED("Where\r\nBcc: x@example.org"),
		                              .conversation = 42,
		                              .count = rows[i].cap,
		                              .created_at = NOW - 5,
		                              .day = DAY};
		const struct compose_context context = {&config, &keys, NOW};
		struct buffer out;
		char *mail, *text;

		buffer_init(&out, COMPOSED_MAX_BYTES);
		buffer_append_text(&out, "what it held");
		compose_capped(&out, &letter, &context);
		mail = buffer_take(&out);
		text = body(mail);
		assert_well_formed(mail);
		assert_field(mail, "To", "operator@company.test");
		assert_field(mail, "Auto-Submitted", "auto-generated");
		assert_field(mail, "Message-ID", "<rejoinder-letter-99@company.test>");
		assert_field(mail, "Subject", "customer@example.org writes faster than people do");
		assert_field(mail, "Bcc", NULL);
		if (strstr(text, rows[i].expected) == NULL)
			fail_msg("%s: %s", rows[i].sentence, text);
		assert_non_null(strstr(text, "Subject:       Where Bcc: x@example.org\n"));
		assert_non_null(strstr(text, "`rejoinder show aaaaaaaaaaabk`"));
		free(text);
		free(mail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits),
		cmocka_unit_test(the_subject_of_a_limit_names_the_day),
		cmocka_unit_test(a_sender_past_a_cap),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
