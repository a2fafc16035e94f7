#include "tests/unit/plan_fixture.h"

#include "lib/conversation/action.h"

/* Links of alerts among the recipients: which mail is one, and which is refused. */

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test\n"
	"staff = @company.test\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"[account \"Support\"]\n"
	"address = support@company.test\n"
	"incoming = yes\n";

#define NOTICE  INT64_C(77)
#define SENT    "Message-ID: <1@company.test>\nSubject: Close\n"
#define BY_JANE "From: jane@company.test\n" SENT
#define STAFF_  "Only staff can use this link"
#define ANSWER                                                                                     \
	"This address takes the links of alerts and no answers: write to the customer's address"
#define INVALID  "This link is no longer valid"
#define SEVERAL  "Several links in one mail: send one to each"
#define ACCOUNT_ "An account cannot take it over: send this from your own address"

static int set_up(void **state)
{
	(void)state;
	return load_policy(configuration);
}

/*
 * In recipients: close, snooze, take-over are links of NOTICE; other-close is one of another notice,
 * forged one with a wrong mac, foreign one that another key signed.
 */
static char *rcpt_named(const char *name)
{
	static const struct keyring other_keys = {
		.keys = {{.id = 'z',
	                  .made_on = "2026-01-01",
	                  .bytes = "another key of thirty-two bytes."}},
		.count = 1};
	bool is_foreign = strcmp(name, "foreign") == 0;
	enum action action = strcmp(name, "snooze") == 0      ? ACTION_SNOOZE
	                     : strcmp(name, "take-over") == 0 ? ACTION_TAKE_OVER
	                                                      : ACTION_CLOSE;
	char text[ACTION_SIZE];

	if (strchr(name, '@') != NULL)
		return xstrdup(name);
	action_make(text, is_foreign ? &other_keys : &policy.keys, action,
	            strcmp(name, "other-close") == 0 ? NOTICE + 1 : NOTICE, "company.test");
	if (strcmp(name, "forged") == 0)
		text[ACTION_LENGTH - 1] = text[ACTION_LENGTH - 1] == 'a' ? 'b' : 'a';
	return xasprintf("replies+%s@company.test", text);
}

static char *rcpts_named(const char *names)
{
	char *copy = xstrdup(names), *rest = copy, *name, *all = xstrdup("");

	while ((name = strsep(&rest, " ")) != NULL) {
		char *rcpt = rcpt_named(name);
		char *longer = xasprintf("%s%s%s", all, all[0] != '\0' ? " " : "", rcpt);

		free(rcpt);
		free(all);
		all = longer;
	}
	free(copy);
	return all;
}

static const struct {
	const char *sentence;
	enum who who;
	const char *rcpts, *header;
	bool is_there;
	const char *refusal;
	enum action action; /* where nothing is refused */
} rows[] = {
	{"a link to close", STAFF, "close", BY_JANE, true, NULL, ACTION_CLOSE},
	{"to snooze", STAFF, "snooze", BY_JANE, true, NULL, ACTION_SNOOZE},
	{"to take over", STAFF, "take-over", BY_JANE, true, NULL, ACTION_TAKE_OVER},
	{"from an internal host", INTERNAL, "close", BY_JANE, true, NULL, ACTION_CLOSE},
	{"by sendmail(1)", LOCAL, "close", BY_JANE, true, NULL, ACTION_CLOSE},
	{"the same twice", STAFF, "close close", BY_JANE, true, NULL, ACTION_CLOSE},
	{"two actions", STAFF, "close snooze", BY_JANE, true, SEVERAL, 0},
	{"two notices", STAFF, "close other-close", BY_JANE, true, SEVERAL, 0},
	{"beside a person: no link at all", STAFF, "close bob@company.test", BY_JANE, false, NULL,
         0},
	{"behind one", STAFF, "bob@company.test close", BY_JANE, false, NULL, 0},
	{"beside the account's own address", STAFF, "close replies@company.test", BY_JANE, false,
         NULL, 0},
	{"no link", STAFF, "replies@company.test", BY_JANE, false, NULL, 0},
	{"one with a wrong mac", STAFF, "forged", BY_JANE, true, INVALID, 0},
	{"one that a key signed which is gone", STAFF, "foreign", BY_JANE, true, INVALID, 0},
	{"a good one beside a forged one", STAFF, "close forged", BY_JANE, true, INVALID, 0},
	{"an answer, by In-Reply-To", STAFF, "close", "In-Reply-To: <a@x>\n" BY_JANE, true, ANSWER,
         0},
	{"an answer, by References", STAFF, "close", "References: <a@x> <b@x>\n" BY_JANE, true,
         ANSWER, 0},
	{"fields of answers without an id", STAFF, "close", "In-Reply-To: your mail\n" BY_JANE,
         true, NULL, ACTION_CLOSE},
	{"an untrusted client, whoever it says it is", OUTSIDE, "close", BY_JANE, true, STAFF_, 0},
	{"who is not staff", STAFF, "close", "From: customer@example.org\n" SENT, true, STAFF_, 0},
	{"who hides behind somebody", STAFF, "close",
         "From: jane@company.test, customer@example.org\n" SENT, true, STAFF_, 0},
	{"nobody", STAFF, "close", SENT, true, STAFF_, 0},
	{"a stranger hears no more of a forged one", OUTSIDE, "forged", BY_JANE, true, STAFF_, 0},
	{"nor of an answer", OUTSIDE, "close", "In-Reply-To: <a@x>\n" BY_JANE, true, STAFF_, 0},
	{"an account cannot be an owner", STAFF, "take-over", "From: support@company.test\n" SENT,
         true, ACCOUNT_, 0},
	{"but may close", STAFF, "close", "From: support@company.test\n" SENT, true, NULL,
         ACTION_CLOSE},
};

static void which_mail_is_a_link(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *rcpts = rcpts_named(rows[i].rcpts);
		struct row row = {.sentence = rows[i].sentence,
		                  .who = rows[i].who,
		                  .sender = "jane@company.test",
		                  .rcpts = rcpts,
		                  .header = rows[i].header};
		struct mail *mail = mail_of_row(&row);
		struct action_request request;

		mail_read_header(mail);
		action_read(&request, mail);
		if (request.is_there != rows[i].is_there ||
		    (request.refusal == NULL) != (rows[i].refusal == NULL) ||
		    (request.refusal != NULL && strcmp(request.refusal, rows[i].refusal) != 0))
			fail_msg("%s: there=%d refusal=%s", rows[i].sentence, request.is_there,
			         request.refusal != NULL ? request.refusal : "-");
		if (rows[i].is_there && rows[i].refusal == NULL &&
		    (request.action != rows[i].action || request.notice != NOTICE))
			fail_msg("%s: %s of notice %lld", rows[i].sentence,
			         action_name(request.action), (long long)request.notice);
		mail_free(mail);
		free(rcpts);
	}
}

static void one_recipient_too_many_to_be_looked_at_is_a_person(void **state)
{
	char *link = rcpt_named("close");
	struct row row = {
		.who = STAFF, .sender = "jane@company.test", .rcpts = link, .header = BY_JANE};
	struct mail *mail = mail_of_row(&row);
	struct action_request request;
	(void)state;

	mail->rcpts_ignored = 1;
	mail_read_header(mail);
	action_read(&request, mail);
	assert_false(request.is_there);
	mail_free(mail);
	free(link);
}

static void it_is_a_route_of_its_own(void **state)
{
	char *link = rcpt_named("snooze");
	struct row row = {.who = STAFF,
	                  .sender = "jane@company.test",
	                  .rcpts = link,
	                  .header = "Date: today\n" BY_JANE};
	struct record again;
	struct plan plan;
	struct mail *mail = plan_row(&row, &plan);
	(void)state;

	assert_int_equal(plan.route, ROUTE_ACTION);
	assert_true(plan.record.is_action && plan.record.notice == NOTICE);
	assert_int_equal(plan.record.action, ACTION_SNOOZE);
	assert_string_equal(plan.record.from, "jane@company.test");
	/* Closing ends waits, whose length the calendars of accounts say. */
	assert_ptr_equal(plan.record.config, policy.config);
	action_record(&plan.action, mail, &again);
	assert_memory_equal(again.key, plan.record.key, DIGEST_BYTES);
	assert_true(again.has_copy_keys);
	plan_release(&plan);
	mail_free(mail);
	free(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_mail_is_a_link),
		cmocka_unit_test(one_recipient_too_many_to_be_looked_at_is_a_person),
		cmocka_unit_test(it_is_a_route_of_its_own),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
