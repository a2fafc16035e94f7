#include "tests/unit/plan_fixture.h"

#include "milter/limit.h"

/* Whom a message counts for against the daily limit, and what is said of one over it. */

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"senders = jane@company.test\n"
	"[account \"Strict 100% \xc3\xbc\"]\n"
	"address = strict@company.test\n"
	"outgoing = yes\n"
	"daily_limit = 3\ndaily_limit_warn = 50\non_limit = tempfail\n"
	"bcc = archive@example.net, log@company.test\n"
	"[account \"Pass\"]\n"
	"address = pass@company.test\n"
	"outgoing = yes\n"
	"daily_limit = 3\non_limit = pass\n"
	"[account \"Free\"]\n"
	"address = free@company.test\n"
	"outgoing = yes\n";

static int set_up(void **state)
{
	(void)state;
	if (load_policy(configuration) < 0)
		return -1;
	/* What a whole configuration does not say like this: no relay, no limit. */
	policy.config->accounts[0].daily_limit = 2;
	policy.config->accounts[0].on_limit = ON_LIMIT_QUEUE;
	policy.config->accounts[3].on_limit = ON_LIMIT_TEMPFAIL;
	return 0;
}

#define STRICT "From: strict@company.test\n" HUMAN
#define PASS   "From: pass@company.test\n" HUMAN
#define FREE   "From: free@company.test\n" HUMAN

static const struct counting_row {
	const char *sentence;
	enum who who;
	const char *rcpts, *header;
	const char *counted; /* sorted, a blank behind each */
	bool stops, is_hopeless;
} rows[] = {
	{"one recipient and the copy outside", STAFF, "a@example.org", STRICT,
         "a@example.org archive@example.net ", true, false},
	{"each once, in whatever case", STAFF, "b@example.org A@example.org a@EXAMPLE.org", STRICT,
         "A@example.org archive@example.net b@example.org ", true, false},
	{"not those inside", STAFF, "jane@company.test a@example.org bob@Company.test", STRICT,
         "a@example.org archive@example.net ", true, false},
	{"who is written to and gets a copy counts once", STAFF, "Archive@example.net", STRICT,
         "Archive@example.net ", true, false},
	{"what is no address does not count", STAFF, "a@example.org @ x", STRICT,
         "a@example.org archive@example.net ", true, false},
	{"sendmail(1) is never stopped", LOCAL, "a@example.org", STRICT,
         "a@example.org archive@example.net ", false, false},
	{"nor is an internal host", INTERNAL, "a@example.org", STRICT,
         "a@example.org archive@example.net ", false, false},
	{"as many as the limit fit", STAFF, "a@example.org b@example.org", STRICT,
         "a@example.org archive@example.net b@example.org ", true, false},
	{"one more never does", STAFF, "a@example.org b@example.org c@example.org", STRICT,
         "a@example.org archive@example.net b@example.org c@example.org ", true, true},
	{"not from sendmail(1) either", LOCAL, "a@example.org b@example.org c@example.org", STRICT,
         "a@example.org archive@example.net b@example.org c@example.org ", false, true},
	{"on_limit = pass lets everything through", STAFF,
         "a@example.org b@example.org c@example.org d@example.org", PASS,
         "a@example.org b@example.org c@example.org d@example.org ", false, false},
	{"on_limit = queue stops nobody", STAFF, "a@example.org b@example.org", JANE,
         "a@example.org b@example.org ", false, false},
	{"but what never fits would wait for ever", STAFF,
         "a@example.org b@example.org c@example.org", JANE,
         "a@example.org b@example.org c@example.org ", false, true},
	{"without a limit it is counted all the same", STAFF, "a@example.org", FREE,
         "a@example.org ", false, false},
	{"tracked mail leaves under no account", STAFF, "a@example.org replies+@T@@company.test",
         "From: eve@company.test\n" HUMAN, "", false, false},
	{"mail that comes in counts for nobody", OUTSIDE, "replies@company.test a@example.org",
         CUSTOMER, "", false, false},
	{"an invitation is not touched", STAFF, "a@example.org",
         STRICT "Content-Type: text/calendar; method=REQUEST\n", "", false, false},
};

static struct mail *plan_counting_row(const struct counting_row *row, struct plan *plan)
{
	struct row full = {row->sentence, row->who,    "jane@company.test",
	                   row->rcpts,    row->header, "BEGIN:VCALENDAR\n",
	                   ROUTE_PASS,    NULL,        NULL};

	return plan_row(&full, plan);
}

static void whom_a_message_counts_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct counting_row *row = &rows[i];
		struct plan plan;
		struct mail *mail = plan_counting_row(row, &plan);
		struct buffer counted;

		buffer_init(&counted, 1000);
		buffer_append_text(&counted, "");
		for (size_t j = 0; j < plan.record.counted_count; j++)
			buffer_printf(&counted, "%s ", plan.record.counted[j]);
		if (strcmp(counted.data, row->counted) != 0 ||
		    plan.record.stops_at_limit != row->stops ||
		    limit_is_hopeless(&plan) != row->is_hopeless)
			fail_msg("%s: counted %sstops=%d hopeless=%d", row->sentence, counted.data,
			         plan.record.stops_at_limit, limit_is_hopeless(&plan));
		buffer_release(&counted);
		plan_release(&plan);
		mail_free(mail);
	}
}

static void the_limit_goes_with_the_record(void **state)
{
	struct plan plan;
	struct mail *mail = plan_counting_row(&rows[0], &plan);
	(void)state;

	assert_int_equal(plan.record.daily_limit, 3);
	/* 50 percent of 3, in whole recipients. */
	assert_int_equal(plan.record.daily_limit_warn, 2);
	plan_release(&plan);
	mail_free(mail);
}

/* What would be told as near and as reached at once. */
static void near_is_below_the_limit_or_not_told(void **state)
{
	static const struct {
		int64_t limit, percent, near;
	} cases[] = {{3, 70, 0}, {1, 1, 0}, {1, 99, 0}, {2, 50, 1}, {2, 51, 0}, {100, 99, 99}};
	struct account *account = &policy.config->accounts[1];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plan plan;
		struct mail *mail;

		account->daily_limit = cases[i].limit;
		account->daily_limit_warn = cases[i].percent;
		mail = plan_counting_row(&rows[0], &plan);
		assert_int_equal(plan.record.daily_limit_warn, cases[i].near);
		plan_release(&plan);
		mail_free(mail);
	}
	account->daily_limit = 3;
	account->daily_limit_warn = 50;
}

static void recipients_beyond_those_looked_at_count_as_outside(void **state)
{
	struct plan plan;
	struct mail *mail = plan_counting_row(&rows[0], &plan);
	char text[LIMIT_TEXT_SIZE];
	(void)state;

	assert_false(limit_is_hopeless(&plan));
	plan_release(&plan);
	/* Beside one recipient and a copy. */
	mail->rcpts_ignored = 2;
	plan_route(&plan, mail);
	mail_read_body(mail);
	plan_record(&plan, mail);
	assert_int_equal(plan.record.counted_further, 2);
	assert_true(limit_is_hopeless(&plan));
	limit_explain(&plan, text);
	assert_non_null(strstr(text, "is 3 recipients, the message has 4"));
	plan_release(&plan);
	mail_free(mail);
}

static void explain(size_t row, int64_t received_at, const char *expected)
{
	struct plan plan;
	struct mail *mail = plan_counting_row(&rows[row], &plan);
	char text[LIMIT_TEXT_SIZE];

	plan.record.received_at = received_at;
	limit_explain(&plan, text);
	assert_string_equal(text, expected);
	plan_release(&plan);
	mail_free(mail);
}

static void what_is_said_of_it(void **state)
{
	(void)state;
	explain(0, NOW,
	        "daily limit of account \"Strict 100? ??\" is reached: 3 recipients until "
	        "2027-01-16T00:00:00Z");
	/* The last second of a day, and the first of the next. */
	explain(0, 1800057599,
	        "daily limit of account \"Strict 100? ??\" is reached: 3 recipients until "
	        "2027-01-16T00:00:00Z");
	explain(0, 1800057600,
	        "daily limit of account \"Strict 100? ??\" is reached: 3 recipients until "
	        "2027-01-17T00:00:00Z");
	explain(8, NOW,
	        "daily limit of account \"Strict 100? ??\" is 3 recipients, the message has 4");
}

static void the_longest_name_leaves_room_for_the_time(void **state)
{
	struct account *account = &policy.config->accounts[1];
	char *name = account->name, longest[191], text[LIMIT_TEXT_SIZE];
	struct plan plan;
	struct mail *mail = plan_counting_row(&rows[0], &plan);
	(void)state;

	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	account->name = longest;
	account->daily_limit = 1000000000;
	limit_explain(&plan, text);
	account->name = name;
	account->daily_limit = 3;
	assert_non_null(strstr(text, "nnn\" is reached: 1000000000 recipients until "));
	assert_non_null(strstr(text, "2027-01-16T00:00:00Z"));
	plan_release(&plan);
	mail_free(mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whom_a_message_counts_for),
		cmocka_unit_test(the_limit_goes_with_the_record),
		cmocka_unit_test(near_is_below_the_limit_or_not_told),
		cmocka_unit_test(recipients_beyond_those_looked_at_count_as_outside),
		cmocka_unit_test(what_is_said_of_it),
		cmocka_unit_test(the_longest_name_leaves_room_for_the_time),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
