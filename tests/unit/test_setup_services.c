#include "tests/unit/setup_fixture.h"

#include "ctl/setup_lists.h"

/* What is planned besides the lists: services of our own, maps, times, and what is said. */

static bool has(const struct setup_plan *plan, const char *target)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->edits[i].target, target) == 0)
			return true;
	return false;
}

static const struct setup_edit *find(const struct setup_plan *plan, const char *target)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->edits[i].target, target) == 0)
			return &plan->edits[i];
	fail_msg("there is no edit of %s", target);
	return NULL;
}

static void make_plan_over(const char *main_cf, const char *services, const char *overrides,
                           const char *general, const char *account, struct setup_plan *out)
{
	struct config *config = make_config(general, account);
	struct postconf *postconf = make_postconf(main_cf, services, overrides);
	struct setup_facts facts = {.replies_map_path = xstrdup("/etc/postfix/rejoinder_replies")};
	struct error err = {0};

	if (setup_plan_make(postconf, config, &facts, out, &err) < 0)
		fail_msg("%s", err.text);
	setup_facts_release(&facts);
	postconf_free(postconf);
	config_free(config);
}

static void make_plan(const char *main_cf, const char *services, const char *general,
                      const char *account, struct setup_plan *out)
{
	make_plan_over(main_cf, services, "", general, account, out);
}

/* New services run in the chroot if the ones that are there do. */
static void test_chroot(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("", "smtp inet n - n - - smtpd\n", "", "", &plan);
	assert_non_null(
		strstr(find(&plan, "127.0.0.1:2524/inet")->after, " inet n - n - - smtpd "));
	setup_plan_release(&plan);
	make_plan("", SMTP, "", "", &plan);
	assert_non_null(
		strstr(find(&plan, "127.0.0.1:2524/inet")->after, " inet n - y - - smtpd "));
	setup_plan_release(&plan);
}

/* The listener takes what an inbox may hold, and stands where submit_to says. */
static void test_handover(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("", SMTP, "submit_to = [::1]:2600\n",
	          "pop3 = pop3s://pop.example.org\nusername = a\npassword = b\n"
	          "max_message_size = 100M\n",
	          &plan);
	assert_non_null(
		strstr(find(&plan, "[::1]:2600/inet")->after, "-o message_size_limit=150000000 "));
	assert_non_null(strstr(find(&plan, "rejoinder-cleanup/unix")->after,
	                       "-o message_size_limit=150000000"));
	setup_plan_release(&plan);
}

#define INBOX "pop3 = pop3s://pop.example.org\nusername = a\npassword = b\n"
#define LISTENER                                                                                   \
	SMTP "127.0.0.1:2524 inet n - y - - smtpd\nrejoinder-cleanup unix n - y - 0 cleanup\n"
#define LISTENS                                                                                    \
	"127.0.0.1:2524/inet/smtpd_milters = $rejoinder_milter\n"                                  \
	"127.0.0.1:2524/inet/cleanup_service_name = rejoinder-cleanup\n"                           \
	"127.0.0.1:2524/inet/message_size_limit = 75000000\n"                                      \
	"rejoinder-cleanup/unix/message_size_limit = 75000000\n"

static size_t count_kind(const struct setup_plan *plan, enum setup_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		count += plan->edits[i].kind == kind;
	return count;
}

/* A listener of an earlier setup is brought up to what is asked of it now, and no further. */
static void test_handover_again(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan_over("", LISTENER, LISTENS, "", INBOX, &plan);
	assert_int_equal(count_kind(&plan, SETUP_OPTION) + count_kind(&plan, SETUP_SERVICE), 0);
	setup_plan_release(&plan);
	make_plan_over("smtpd_milter_maps = cidr:/etc/postfix/milters\n", LISTENER, LISTENS, "",
	               INBOX "max_message_size = 100M\n", &plan);
	assert_string_equal(find(&plan, "127.0.0.1:2524/inet/message_size_limit")->after,
	                    "150000000");
	assert_string_equal(find(&plan, "rejoinder-cleanup/unix/message_size_limit")->after,
	                    "150000000");
	assert_string_equal(find(&plan, "127.0.0.1:2524/inet/smtpd_milter_maps")->after, "");
	setup_plan_release(&plan);
}

/* A name of the host is its address in the protocol that Postfix speaks. */
static void test_handover_by_name(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("", SMTP, "submit_to = localhost:2524\n", "", &plan);
	find(&plan, "127.0.0.1:2524/inet");
	setup_plan_release(&plan);
	make_plan("inet_protocols = ipv6\n", SMTP, "submit_to = localhost:2524\n", "", &plan);
	find(&plan, "[::1]:2524/inet");
	setup_plan_release(&plan);
}

/* Lines are added behind what stands in the map, each on its own. */
static void test_replies_map(void **state)
{
	struct config *config = make_config("", "");
	struct postconf *postconf = make_postconf("", SMTP, "");
	struct setup_facts facts = {.replies_map_path = xstrdup("/etc/postfix/rejoinder_replies"),
	                            .replies_map = xstrdup("a@company.test b@company.test")};
	struct setup_plan plan;
	struct error err = {0};

	(void)state;
	string_list_add(&facts.unknown, "replies@company.test");
	if (setup_plan_make(postconf, config, &facts, &plan, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(find(&plan, "/etc/postfix/rejoinder_replies")->after,
	                    "a@company.test b@company.test\n"
	                    "replies@company.test postmaster@company.test\n");
	setup_plan_release(&plan);
	setup_facts_release(&facts);
	postconf_free(postconf);
	config_free(config);
}

/* Relays are wired only where an account has one, and the map is made first. */
static void test_relays(void **state)
{
	struct setup_plan plan;
	const struct setup_edit *edit;

	(void)state;
	make_plan("", SMTP, "", "", &plan);
	for (size_t i = 0; i < plan.count; i++)
		assert_null(strstr(plan.edits[i].target, "relay"));
	setup_plan_release(&plan);

	make_plan("sender_dependent_default_transport_maps = hash:/etc/postfix/by_sender\n", SMTP,
	          "",
	          "outgoing = yes\nrelay = smtps://mail.example.org\nusername = a\npassword = b\n",
	          &plan);
	edit = find(&plan, "sender_dependent_default_transport_maps");
	assert_string_equal(edit->after, "texthash:/etc/postfix/rejoinder_transport, "
	                                 "hash:/etc/postfix/by_sender");
	assert_string_equal(edit->element, "texthash:/etc/postfix/rejoinder_transport");
	assert_int_equal(find(&plan, "/etc/postfix/rejoinder_transport")->kind, SETUP_FILE);
	find(&plan, "rejoinder-relay/unix");
	find(&plan, "rejoinder-relays/unix");
	setup_plan_release(&plan);
}

/* The milter must be given more time than it gives itself. */
static void test_time(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("", SMTP, "", "", &plan);
	assert_string_equal(find(&plan, "rejoinder_milter")->after,
	                    "{ unix:rejoinder/milter.sock, default_action=tempfail, "
	                    "connect_timeout=5s, command_timeout=15s, content_timeout=60s }");
	setup_plan_release(&plan);
	make_plan("", SMTP, "commit_timeout = 50s\n", "", &plan);
	assert_non_null(strstr(find(&plan, "rejoinder_milter")->after, "content_timeout=80s"));
	setup_plan_release(&plan);
	make_plan("rejoinder_milter = { unix:rejoinder/milter.sock, content_timeout = 1m, "
	          "command_timeout=15s }\n",
	          SMTP, "commit_timeout = 50s\n", "", &plan);
	assert_string_equal(find(&plan, "rejoinder_milter")->after,
	                    "{ unix:rejoinder/milter.sock, content_timeout = 80s, "
	                    "command_timeout=15s }");
	setup_plan_release(&plan);
	/* What is enough stays, and so does what is not said. */
	make_plan("rejoinder_milter = { unix:rejoinder/milter.sock, content_timeout=2m }\n", SMTP,
	          "commit_timeout = 50s\n", "", &plan);
	assert_false(has(&plan, "rejoinder_milter"));
	setup_plan_release(&plan);
	make_plan("rejoinder_milter = unix:rejoinder/milter.sock\n", SMTP, "commit_timeout = 50s\n",
	          "", &plan);
	assert_false(has(&plan, "rejoinder_milter"));
	setup_plan_release(&plan);
}

/* Only what mail under way depends on stays. */
static void test_stays(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("", SMTP, "", "", &plan);
	for (size_t i = 0; i < plan.count; i++)
		assert_int_equal(plan.edits[i].stays,
		                 strcmp(plan.edits[i].target, "recipient_delimiter") == 0);
	setup_plan_release(&plan);
}

/* What a program does not do for the admin is said. */
static void test_notes(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("content_filter = scan:dummy\n", SMTP, "", "", &plan);
	assert_int_equal(plan.notes.count, 2);
	assert_non_null(strstr(plan.notes.items[0], "no submission service"));
	assert_non_null(strstr(plan.notes.items[1], "no listener is seen"));
	setup_plan_release(&plan);
	make_plan_over("", SMTP SUBMISSION, "smtp/inet/content_filter = scan:dummy\n", "", "",
	               &plan);
	assert_int_equal(plan.notes.count, 1);
	assert_non_null(
		strstr(plan.notes.items[0], "content_filter of service smtp is scan:dummy"));
	setup_plan_release(&plan);
	make_plan_over("content_filter = scan:dummy\n",
	               SMTP SUBMISSION "192.0.2.1:10025 inet n - y - - smtpd\n",
	               "192.0.2.1:10025/inet/content_filter = \n", "", "", &plan);
	assert_int_equal(plan.notes.count, 1);
	assert_non_null(
		strstr(plan.notes.items[0], "service 192.0.2.1:10025 has an empty content"));
	setup_plan_release(&plan);
	make_plan("smtpd_milter_maps = cidr:/etc/postfix/milters\n", SMTP SUBMISSION, "", "",
	          &plan);
	assert_int_equal(plan.notes.count, 1);
	assert_non_null(strstr(plan.notes.items[0], "smtpd_milter_maps of service smtp is cidr:"));
	assert_non_null(
		strstr(find(&plan, "127.0.0.1:2524/inet")->after, " -o smtpd_milter_maps= "));
	setup_plan_release(&plan);
	make_plan("", SMTP SUBMISSION, "", "token_domain = r.company.test\n", &plan);
	assert_int_equal(plan.notes.count, 1);
	assert_non_null(strstr(plan.notes.items[0], "every address of r.company.test"));
	setup_plan_release(&plan);
	make_plan("", SMTP SUBMISSION "127.0.0.1:2524 inet n - y - - smtpd\n", "", "", &plan);
	assert_int_equal(plan.notes.count, 1);
	assert_non_null(strstr(plan.notes.items[0], "127.0.0.1:2524 is another one's"));
	setup_plan_release(&plan);
}

static void test_an_older_listener_is_noted(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan_over("", SMTP SUBMISSION "127.0.0.1:2525 inet n - y - - smtpd\n",
	               "127.0.0.1:2525/inet/syslog_name = postfix/rejoinder\n"
	               "127.0.0.1:2525/inet/smtpd_milters = $rejoinder_milter\n",
	               "", "", &plan);
	assert_true(has(&plan, "127.0.0.1:2524/inet"));
	assert_int_equal(plan.notes.count, 1);
	assert_non_null(strstr(plan.notes.items[0], "postconf -MX 127.0.0.1:2525/inet"));
	setup_plan_release(&plan);
}

static void test_ipv6(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("", SMTP SUBMISSION, "milter_socket = inet6:8899@::1\n", "", &plan);
	assert_non_null(strstr(find(&plan, "rejoinder_milter")->after, "inet:[::1]:8899"));
	setup_plan_release(&plan);
}

/* virtual(8) and local(8) panic over what is larger than their mailboxes take. */
static void test_no_more_than_mailboxes_take(void **state)
{
	static const char virtual
		[] = "virtual_mailbox_domains = company.test\nvirtual_transport = virtual\n"
		     "virtual_mailbox_limit = 51200000\n";
	static const char inbox[] = "pop3 = pop3s://pop.example.org\nusername = a\npassword = b\n"
				    "mailbox = replies@company.test\n";
	struct setup_plan plan;

	(void)state;
	make_plan(virtual, SMTP SUBMISSION, "", "", &plan);
	assert_non_null(strstr(find(&plan, "127.0.0.1:2524/inet")->after,
	                       " -o message_size_limit=51000000 "));
	assert_non_null(strstr(find(&plan, "rejoinder-cleanup/unix")->after,
	                       " -o message_size_limit=51000000"));
	assert_int_equal(plan.notes.count, 0);
	setup_plan_release(&plan);
	make_plan(virtual, SMTP SUBMISSION, "", inbox, &plan);
	assert_int_equal(plan.notes.count, 1);
	assert_non_null(strstr(plan.notes.items[0], "virtual_mailbox_limit is 51200000"));
	setup_plan_release(&plan);
	/* One that was made before. */
	make_plan_over(virtual,
	               SMTP SUBMISSION "127.0.0.1:2524 inet n - y - - smtpd\n"
	                               "rejoinder-cleanup unix n - y - 0 cleanup\n",
	               "127.0.0.1:2524/inet/smtpd_milters = $rejoinder_milter\n"
	               "127.0.0.1:2524/inet/cleanup_service_name = rejoinder-cleanup\n"
	               "127.0.0.1:2524/inet/message_size_limit = 75000000\n"
	               "rejoinder-cleanup/unix/message_size_limit = 75000000\n",
	               "", "", &plan);
	assert_string_equal(find(&plan, "127.0.0.1:2524/inet/message_size_limit")->after,
	                    "51000000");
	assert_string_equal(find(&plan, "rejoinder-cleanup/unix/message_size_limit")->after,
	                    "51000000");
	setup_plan_release(&plan);
	/* Others deliver. */
	make_plan("virtual_mailbox_domains = company.test\nvirtual_mailbox_limit = 51200000\n"
	          "virtual_transport = lmtp:unix:private/dovecot-lmtp\n",
	          SMTP SUBMISSION, "", "", &plan);
	assert_non_null(strstr(find(&plan, "127.0.0.1:2524/inet")->after,
	                       " -o message_size_limit=75000000 "));
	setup_plan_release(&plan);
}

static void test_the_last_relay_goes(void **state)
{
	struct setup_plan plan;

	(void)state;
	make_plan("sender_dependent_default_transport_maps ="
	          " texthash:/etc/postfix/rejoinder_transport\n",
	          SMTP SUBMISSION, "", "", &plan);
	assert_null(strstr(find(&plan, "/etc/postfix/rejoinder_transport")->after, ":["));
	assert_false(has(&plan, "rejoinder_passwords"));
	setup_plan_release(&plan);
}

/* A line of master.cf with one option set. */
static void test_line_with_option(void **state)
{
	static const struct {
		const char *name, *line, *expected;
	} rows[] = {
		{"it comes to the end", "smtp inet n - y - - smtpd\n",
	         "smtp inet n - y - - smtpd -o {p=a, b}"},
		{"in the place of the one before", "smtp inet n - y - - smtpd -o p=x -o q=y\n",
	         "smtp inet n - y - - smtpd -o {p=a, b} -o q=y"},
		{"which may stand in braces",
	         "smtp inet n - y - - smtpd -o { p = { x, y=z }, v } -o q=y",
	         "smtp inet n - y - - smtpd -o {p=a, b} -o q=y"},
		{"another whose name begins so stays", "smtp inet n - y - - smtpd -o {pp=a b}",
	         "smtp inet n - y - - smtpd -o {pp=a b} -o {p=a, b}"},
		{"and its own name as a value", "smtp inet n - y - - smtpd -o q=p=1 -v p=2",
	         "smtp inet n - y - - smtpd -o q=p=1 -v p=2 -o {p=a, b}"},
		{"an -o without anything stays", "smtp inet n - y - - smtpd -o",
	         "smtp inet n - y - - smtpd -o -o {p=a, b}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *line = setup_line_set_option(rows[i].line, "p", "a, b");

		if (strcmp(line, rows[i].expected) != 0)
			fail_msg("%s: found \"%s\"", rows[i].name, line);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chroot),
		cmocka_unit_test(test_handover),
		cmocka_unit_test(test_handover_again),
		cmocka_unit_test(test_handover_by_name),
		cmocka_unit_test(test_replies_map),
		cmocka_unit_test(test_relays),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_an_older_listener_is_noted),
		cmocka_unit_test(test_line_with_option),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_no_more_than_mailboxes_take),
		cmocka_unit_test(test_the_last_relay_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
