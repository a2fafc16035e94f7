#include "tests/unit/setup_fixture.h"

#include "lib/base/buffer.h"

/* The lists of milters and of recipients, by the shapes that a Postfix may have. */

#define RETURN "127.0.0.1:10025 inet n - y - - smtpd -o content_filter=\n"

#define DKIM  "inet:localhost:8891"
#define DMARC "inet:localhost:8893"

/* What every configuration gets that has nothing of ours. */
#define DELIMITER "recipient_delimiter=+\n"
#define ORIGIN    "submission/inet/milter_macro_daemon_name=ORIGINATING\n"

static const struct row {
	const char *name;
	const char *main_cf, *services, *overrides;
	const char *rejoinder; /* further lines of its [rejoinder] section */
	const char *unknown;   /* an address that Postfix does not know */
	const char *expected;  /* parameter=value of milters and recipients, or !error */
} rows[] = {
	{"a default configuration gets the list for port 25 and that of sendmail(1)", "", SMTP, "",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"},
	{"a submission service is given the other list", "", SMTP SUBMISSION,
         "submission/inet/syslog_name = postfix/submission\n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "submission/inet/smtpd_milters=$submission_milters\n" ORIGIN},
	{"signers stand behind us on submission, verifiers before us on port 25",
         "smtpd_milters = " DKIM ", " DMARC "\nnon_smtpd_milters = $smtpd_milters\n",
         SMTP SUBMISSION, "", "", NULL,
         DELIMITER "smtpd_milters=" DKIM ", " DMARC ", $rejoinder_milter\n"
                   "submission_milters=$rejoinder_milter, " DKIM ", " DMARC "\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "submission/inet/smtpd_milters=$submission_milters\n" ORIGIN},
	{"non_smtpd_milters in the same words is taken for the same list",
         "smtpd_milters = " DKIM " " DMARC "\nnon_smtpd_milters = " DKIM "," DMARC "\n", SMTP, "",
         "", NULL,
         DELIMITER "smtpd_milters=" DKIM ", " DMARC ", $rejoinder_milter\n"
                   "submission_milters=$rejoinder_milter, " DKIM ", " DMARC "\n"
                   "non_smtpd_milters=$submission_milters\n"},
	{"who signs no mail of this host goes on not to", "smtpd_milters = " DKIM "\n", SMTP, "",
         "", NULL,
         DELIMITER "smtpd_milters=" DKIM ", $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter\n"},
	{"our milter behind a signer, by the list of port 25, is no list for this host's mail",
         "rejoinder_milter = unix:rejoinder/milter.sock\n"
         "smtpd_milters = " DKIM ", $rejoinder_milter\nnon_smtpd_milters = $smtpd_milters\n",
         SMTP, "", "", NULL,
         DELIMITER "submission_milters=$rejoinder_milter, " DKIM "\n"
                   "non_smtpd_milters=$submission_milters\n"},
	{"but before it the list is left",
         "rejoinder_milter = unix:rejoinder/milter.sock\n"
         "smtpd_milters = $rejoinder_milter, " DKIM "\nnon_smtpd_milters = $smtpd_milters\n",
         SMTP, "", "", NULL, DELIMITER},
	{"other milters for this host's mail than on port 25 stay",
         "smtpd_milters = " DMARC "\nnon_smtpd_milters = $smtpd_milters, " DKIM "\n", SMTP, "", "",
         NULL,
         DELIMITER "smtpd_milters=" DMARC ", $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter, " DMARC ", " DKIM "\n"},
	{"a milter with options stays as it is written",
         "smtpd_milters = { " DKIM ", connect_timeout=5s }\n", SMTP, "", "", NULL,
         DELIMITER "smtpd_milters={ " DKIM ", connect_timeout=5s }, $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter\n"},
	{"a name for a list stays a name", "dkim = " DKIM "\nsmtpd_milters = $dkim\n", SMTP, "", "",
         NULL,
         DELIMITER "smtpd_milters=$dkim, $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter\n"},
	{"a submission service with a list of its own keeps it", "smtpd_milters = " DMARC "\n",
         SMTP SUBMISSION,
         "submission/inet/smtpd_milters = " DKIM "\n"
         "submission/inet/milter_macro_daemon_name = OUT\n",
         "", NULL,
         DELIMITER "smtpd_milters=" DMARC ", $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter\n"
                   "submission/inet/smtpd_milters=$rejoinder_milter," DKIM "\n"},
	{"a submission service with an empty list gets us alone", "", SMTP SUBMISSION,
         "submission/inet/smtpd_milters = \n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "submission/inet/smtpd_milters=$rejoinder_milter\n" ORIGIN},
	{"submission on port 465 by number is one too", "", SMTP "465 inet n - y - - smtpd\n", "",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "465/inet/smtpd_milters=$submission_milters\n"
                   "465/inet/milter_macro_daemon_name=ORIGINATING\n"},
	{"any service that lets people sign in is one", "",
         SMTP "10.0.0.1:2587 inet n - y - - smtpd\n",
         "10.0.0.1:2587/inet/smtpd_sasl_auth_enable = yes\n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "10.0.0.1:2587/inet/smtpd_milters=$submission_milters\n"
                   "10.0.0.1:2587/inet/milter_macro_daemon_name=ORIGINATING\n"},
	{"port 25 with a list of its own gets us at its end", "", SMTP,
         "smtp/inet/smtpd_milters = " DKIM "\n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "smtp/inet/smtpd_milters=" DKIM ",$rejoinder_milter\n"},
	{"smtpd behind postscreen is port 25 too", "",
         "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n",
         "smtpd/pass/smtpd_milters = " DKIM "\n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "smtpd/pass/smtpd_milters=" DKIM ",$rejoinder_milter\n"},
	{"mail that comes back from a content filter passes no milter",
         "content_filter = amavis:[127.0.0.1]:10024\n", SMTP RETURN,
         "127.0.0.1:10025/inet/content_filter = \n"
         "127.0.0.1:10025/inet/receive_override_options = no_header_body_checks\n",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "127.0.0.1:10025/inet/receive_override_options="
                   "no_header_body_checks,no_milters\n"},
	{"options of main.cf stay in force for such mail",
         "content_filter = amavis:[127.0.0.1]:10024\n"
         "receive_override_options = no_address_mappings\n",
         SMTP RETURN, "127.0.0.1:10025/inet/content_filter = \n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "127.0.0.1:10025/inet/receive_override_options="
                   "no_address_mappings,no_milters\n"},
	{"other milters go on to see what comes back",
         "content_filter = amavis:[127.0.0.1]:10024\nsmtpd_milters = " DKIM "\n", SMTP RETURN,
         "127.0.0.1:10025/inet/content_filter = \n", "", NULL,
         DELIMITER "smtpd_milters=" DKIM ", $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter\n"
                   "127.0.0.1:10025/inet/smtpd_milters=" DKIM "\n"},
	{"a way back that says no_milters is left alone",
         "content_filter = amavis:[127.0.0.1]:10024\n", SMTP RETURN,
         "127.0.0.1:10025/inet/content_filter = \n"
         "127.0.0.1:10025/inet/receive_override_options = no_milters\n",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"},
	{"a milter that was named by its socket is not named twice",
         "recipient_delimiter = +\nsmtpd_milters = unix:rejoinder/milter.sock\n"
         "non_smtpd_milters = unix:/var/spool/postfix/rejoinder/milter.sock\n",
         SMTP, "", "", NULL, ""},
	{"nor does it come into the list of submission twice",
         "recipient_delimiter = +\nsmtpd_milters = unix:rejoinder/milter.sock, " DKIM "\n"
         "non_smtpd_milters = unix:rejoinder/milter.sock\n",
         SMTP SUBMISSION, "submission/inet/milter_macro_daemon_name = ORIGINATING\n", "", NULL,
         "submission_milters=$rejoinder_milter, " DKIM "\n"
         "submission/inet/smtpd_milters=$submission_milters\n"},
	{"a socket of another host is spelt as Postfix does", "recipient_delimiter = +\n", SMTP, "",
         "milter_socket = inet:8899@10.0.0.2\n", NULL,
         "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
         "non_smtpd_milters=$submission_milters\n"},
	{"port 25 stays one where strangers come in, though people may sign in there",
         "smtpd_milters = " DKIM "\n", SMTP,
         "smtp/inet/smtpd_sasl_auth_enable = yes\n"
         "smtp/inet/milter_macro_daemon_name = ORIGINATING\n",
         "", NULL,
         DELIMITER "smtpd_milters=" DKIM ", $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter\n"},
	{"so it is by number, with a host and with a list of its own", "",
         "192.0.2.1:25 inet n - y - - smtpd\n",
         "192.0.2.1:25/inet/smtpd_sasl_auth_enable = yes\n"
         "192.0.2.1:25/inet/smtpd_milters = " DKIM "\n",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "192.0.2.1:25/inet/smtpd_milters=" DKIM ",$rejoinder_milter\n"},
	{"a webmail signs in on loopback, and is no way back of a filter",
         "content_filter = scan:dummy\n",
         SMTP "127.0.0.1:submission inet n - y - - smtpd\n"
              "127.0.0.1:2587 inet n - y - - smtpd\n",
         "127.0.0.1:submission/inet/content_filter = \n"
         "127.0.0.1:2587/inet/content_filter = \n"
         "127.0.0.1:2587/inet/smtpd_sasl_auth_enable = yes\n",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "127.0.0.1:submission/inet/smtpd_milters=$submission_milters\n"
                   "127.0.0.1:submission/inet/milter_macro_daemon_name=ORIGINATING\n"
                   "127.0.0.1:2587/inet/smtpd_milters=$submission_milters\n"
                   "127.0.0.1:2587/inet/milter_macro_daemon_name=ORIGINATING\n"},
	{"a way back may stand in brackets, and say that it is signed there",
         "content_filter = scan:dummy\n", SMTP "[127.0.0.1]:10025 inet n - y - - smtpd\n",
         "[127.0.0.1]:10025/inet/content_filter = \n"
         "[127.0.0.1]:10025/inet/milter_macro_daemon_name = ORIGINATING\n",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "[127.0.0.1]:10025/inet/receive_override_options=no_milters\n"},
	{"a way back may be at an address of this host, if it bears both signs",
         "content_filter = scan:dummy\n",
         SMTP "192.0.2.1:10025 inet n - y - - smtpd\n192.0.2.1:2526 inet n - y - - smtpd\n",
         "192.0.2.1:10025/inet/content_filter = \n"
         "192.0.2.1:10025/inet/receive_override_options = no_header_body_checks\n"
         "192.0.2.1:2526/inet/content_filter = \n",
         "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "192.0.2.1:10025/inet/receive_override_options="
                   "no_header_body_checks,no_milters\n"},
	{"a name that stands for our milter and others is opened, so that the others stay",
         "recipient_delimiter = +\nmine = " DKIM ", unix:rejoinder/milter.sock\n"
         "smtpd_milters = " DMARC ", $mine\nnon_smtpd_milters = $rejoinder_milter\n",
         SMTP SUBMISSION, "submission/inet/milter_macro_daemon_name = ORIGINATING\n", "", NULL,
         "submission_milters=$rejoinder_milter, " DMARC ", " DKIM "\n"
         "submission/inet/smtpd_milters=$submission_milters\n"},
	{"several delimiters, ours among them, are kept", "recipient_delimiter = -+\n", SMTP, "",
         "", NULL,
         "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
         "non_smtpd_milters=$submission_milters\n"},
	{"another delimiter is kept when rejoinder.conf has the same", "recipient_delimiter = -\n",
         SMTP, "", "delimiter = -\n", NULL,
         "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
         "non_smtpd_milters=$submission_milters\n"},
	{"without tokens in addresses no delimiter is asked for", "", SMTP, "", "delimiter =\n",
         NULL,
         "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
         "non_smtpd_milters=$submission_milters\n"},
	{"an unknown address for replies becomes an alias, behind those that are there",
         "recipient_delimiter = +\nvirtual_alias_maps = hash:/etc/postfix/virtual\n", SMTP, "", "",
         "replies@company.test",
         "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
         "non_smtpd_milters=$submission_milters\n"
         "virtual_alias_maps=hash:/etc/postfix/virtual, "
         "texthash:/etc/postfix/rejoinder_replies\n"},
	{"aliases that stand under an older name go on to be read",
         "recipient_delimiter = +\nvirtual_maps = hash:/etc/postfix/virtual\n", SMTP, "", "",
         "replies@company.test",
         "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
         "non_smtpd_milters=$submission_milters\n"
         "virtual_alias_maps=$virtual_maps, texthash:/etc/postfix/rejoinder_replies\n"},
	{"two delimiters that differ are for the admin to decide on", "recipient_delimiter = -\n",
         SMTP, "", "", NULL, "!set delimiter = - there"},
	{"what is no milter is not touched", "smtpd_milters = hash:/etc/postfix/milters\n", SMTP,
         "", "", NULL, "!smtpd_milters: found \"hash:/etc/postfix/milters\""},
	{"brackets that do not match are not touched", "smtpd_milters = { " DKIM "\n", SMTP, "", "",
         NULL, "!{ and } do not match"},
	{"a list of a service keeps its milters with options", "", SMTP SUBMISSION,
         "submission/inet/smtpd_milters = { " DKIM ", connect_timeout=5s }\n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "submission/inet/smtpd_milters=$rejoinder_milter,{ " DKIM
                   ", connect_timeout=5s }\n" ORIGIN},
	{"what postscreen hands on to is port 25, also if one may sign in there",
         "smtpd_milters = " DKIM "\n", SMTP "mx pass - - y - - smtpd\n",
         "mx/pass/smtpd_sasl_auth_enable = yes\n", "", NULL,
         DELIMITER "smtpd_milters=" DKIM ", $rejoinder_milter\n"
                   "non_smtpd_milters=$rejoinder_milter\n"},
	{"and its own list gets our milter", "", SMTP "mx pass - - y - - smtpd\n",
         "mx/pass/smtpd_milters = " DKIM "\n", "", NULL,
         DELIMITER "smtpd_milters=$rejoinder_milter\nsubmission_milters=$rejoinder_milter\n"
                   "non_smtpd_milters=$submission_milters\n"
                   "mx/pass/smtpd_milters=" DKIM ",$rejoinder_milter\n"},
	{"a filter before the queue lets no milter change mail",
         "smtpd_proxy_filter = 127.0.0.1:10024\n", SMTP, "", "", NULL, "!smtpd_proxy_filter"},
	{"no_milters on submission would keep us out", "", SMTP SUBMISSION,
         "submission/inet/receive_override_options = no_address_mappings, no_milters\n", "", NULL,
         "!service submission has no_milters in receive_override_options"},
	{"no_milters on port 25 too", "", SMTP, "smtp/inet/receive_override_options = no_milters\n",
         "", NULL, "!service smtp has no_milters"},
	{"a listener of IPv4 cannot be where Postfix speaks IPv6 only", "inet_protocols = ipv6\n",
         SMTP, "", "", NULL, "!set submit_to = [::1]:2524 there"},
	{"nor one of IPv6 where it speaks IPv4 only", "inet_protocols = ipv4\n", SMTP, "",
         "submit_to = [::1]:2524\n", NULL, "!set submit_to = 127.0.0.1:2524 there"},
	{"the port of the hand-over may be another program's by master.cf", "",
         SMTP "2524 inet n n n - 0 spawn\n", "", "", NULL,
         "!the service 2524 of master.cf has the port"},
	{"no_milters everywhere would keep us out", "receive_override_options = no_milters\n", SMTP,
         "", "", NULL, "!says no_milters"},
	{"a socket outside the chroot cannot be reached", "", SMTP, "",
         "milter_socket = unix:/run/rejoinder/milter.sock\n", NULL, "!out of reach"},
};

static bool is_of_interest(const struct setup_edit *edit)
{
	static const char *const parameters[] = {"recipient_delimiter", "smtpd_milters",
	                                         "submission_milters", "non_smtpd_milters",
	                                         "virtual_alias_maps"};

	if (edit->kind == SETUP_OPTION)
		return true;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (edit->kind == SETUP_MAIN && strcmp(edit->target, parameters[i]) == 0)
			return true;
	return false;
}

/* The edits of interest as text. */
static char *edits_text(const struct setup_plan *plan)
{
	struct buffer text;

	buffer_init(&text, 65536);
	for (size_t i = 0; i < plan->count; i++)
		if (is_of_interest(&plan->edits[i]))
			buffer_printf(&text, "%s=%s\n", plan->edits[i].target,
			              plan->edits[i].after);
	return buffer_take(&text);
}

static void check_row(const struct row *row)
{
	struct config *config = make_config(row->rejoinder, "");
	struct postconf *postconf = make_postconf(row->main_cf, row->services, row->overrides);
	struct setup_facts facts = {.replies_map_path = xstrdup("/etc/postfix/rejoinder_replies"),
	                            .has_transport_map = true};
	struct setup_plan plan;
	struct error err = {0};
	bool is_error = row->expected[0] == '!';
	char *text;
	int rc;

	if (row->unknown != NULL)
		string_list_add(&facts.unknown, row->unknown);
	rc = setup_plan_make(postconf, config, &facts, &plan, &err);
	text = rc == 0 ? edits_text(&plan) : xstrdup(err.text);
	if (rc != (is_error ? -1 : 0) ||
	    (is_error ? strstr(text, row->expected + 1) == NULL : strcmp(text, row->expected) != 0))
		fail_msg("%s:\nfound:\n%s\nexpected:\n%s", row->name, text, row->expected);
	free(text);
	setup_plan_release(&plan);
	setup_facts_release(&facts);
	postconf_free(postconf);
	config_free(config);
}

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
