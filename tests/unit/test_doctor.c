#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/doctor.h"
#include "ctl/doctor_paths.h"
#include "lib/base/buffer.h"
#include "lib/base/memory.h"

/* What is found in Postfix's configuration, and what is enough. */

#define DKIM  "inet:localhost:8891"
#define DMARC "inet:localhost:8893"

/* What `rejoinder setup` writes into an empty main.cf, and its listener. */
#define MAIN                                                                                       \
	"queue_directory = /var/spool/postfix\n"                                                   \
	"inet_interfaces = all\n"                                                                  \
	"recipient_delimiter = +\n"                                                                \
	"internal_mail_filter_classes = bounce\n"                                                  \
	"rejoinder_milter = { unix:rejoinder/milter.sock, default_action=tempfail }\n"             \
	"smtpd_milters = $rejoinder_milter\n"                                                      \
	"submission_milters = $rejoinder_milter\n"                                                 \
	"non_smtpd_milters = $submission_milters\n"                                                \
	"message_size_limit = 10240000\n"                                                          \
	"cleanup_service_name = cleanup\n"                                                         \
	"local_header_rewrite_clients = permit_inet_interfaces\n"
#define SMTP       "smtp inet n - y - - smtpd\ncleanup unix n - y - 0 cleanup\n"
#define HANDOVER   "127.0.0.1:2524 inet n - y - - smtpd\n"
#define SUBMISSION "submission inet n - y - - smtpd\n"
#define HANDOVER_OPTIONS                                                                           \
	"127.0.0.1:2524/inet/smtpd_milters = $rejoinder_milter\n"                                  \
	"127.0.0.1:2524/inet/local_header_rewrite_clients = \n"                                    \
	"127.0.0.1:2524/inet/message_size_limit = 75000000\n"
#define SUBMISSION_OPTIONS "submission/inet/smtpd_milters = $submission_milters\n"

static const struct row {
	const char *name;
	const char *main_cf; /* after MAIN; a name that comes again has its last value */
	const char *services, *overrides;
	const char *rejoinder; /* further lines of its [rejoinder] section */
	const char *expected;  /* "check:state " of what is neither ok nor not configured */
} rows[] = {
	{"what setup writes is well", "", SMTP HANDOVER, HANDOVER_OPTIONS, "", ""},
	{"with submission too", "", SMTP HANDOVER SUBMISSION, HANDOVER_OPTIONS SUBMISSION_OPTIONS,
         "", ""},
	{"a submission service that takes over the list for port 25 is well without a signer", "",
         SMTP HANDOVER SUBMISSION, HANDOVER_OPTIONS, "", ""},
	{"and is not where a signer stands before us there",
         "smtpd_milters = " DKIM ", $rejoinder_milter\n", SMTP HANDOVER SUBMISSION,
         HANDOVER_OPTIONS, "", "lists:problem "},
	{"on port 25 that milter verifies", "smtpd_milters = " DKIM ", $rejoinder_milter\n",
         SMTP HANDOVER SUBMISSION, HANDOVER_OPTIONS SUBMISSION_OPTIONS, "", ""},
	{"one that nobody knows may stand anywhere",
         "smtpd_milters = inet:localhost:9999, $rejoinder_milter, inet:localhost:9998\n",
         SMTP HANDOVER SUBMISSION, HANDOVER_OPTIONS, "", ""},
	{"smtps by its number is submission", "smtpd_milters = " DKIM ", $rejoinder_milter\n",
         SMTP HANDOVER "465 inet n - y - - smtpd\n", HANDOVER_OPTIONS, "", "lists:problem "},
	{"port 25 where people may sign in too is port 25",
         "smtpd_milters = " DKIM ", $rejoinder_milter\nsmtpd_sasl_auth_enable = yes\n",
         SMTP HANDOVER, HANDOVER_OPTIONS, "", ""},
	{"smtpd behind postscreen is port 25", "",
         "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"
         "cleanup unix n - y - 0 cleanup\n" HANDOVER,
         HANDOVER_OPTIONS "smtpd/pass/smtpd_milters = \n", "", "lists:problem "},
	{"each of several lists without us is named", "smtpd_milters = \n",
         SMTP HANDOVER SUBMISSION, HANDOVER_OPTIONS, "", "lists:problem lists:problem "},
	{"a milter by its socket without a name is ours",
         "smtpd_milters = unix:rejoinder/milter.sock\nmilter_default_action = tempfail\n",
         SMTP HANDOVER, HANDOVER_OPTIONS, "", ""},
	{"and by the path as the chroot sees it",
         "smtpd_milters = unix:/rejoinder/milter.sock\nmilter_default_action = tempfail\n",
         SMTP HANDOVER, HANDOVER_OPTIONS, "", ""},
	{"and by TCP, which each spells in its way",
         "rejoinder_milter = { inet:localhost:8890, default_action=tempfail }\n", SMTP HANDOVER,
         HANDOVER_OPTIONS, "milter_socket = inet:8890@127.0.0.1\n", ""},
	{"a socket of another name is ours if ours is that one",
         "rejoinder_milter = { unix:filter/m.sock, default_action=tempfail }\n", SMTP HANDOVER,
         HANDOVER_OPTIONS, "milter_socket = unix:/var/spool/postfix/filter/m.sock\n", ""},
	{"also by its path in the chroot",
         "rejoinder_milter = { unix:/filter/m.sock, default_action=tempfail }\n", SMTP HANDOVER,
         HANDOVER_OPTIONS, "milter_socket = unix:/var/spool/postfix/filter/m.sock\n", ""},
	{"and another one is not",
         "rejoinder_milter = { unix:filter/n.sock, default_action=tempfail }\n", SMTP HANDOVER,
         HANDOVER_OPTIONS, "milter_socket = unix:/var/spool/postfix/filter/m.sock\n",
         "lists:problem lists:problem hand-over:problem "},
	{"another port is another milter's",
         "rejoinder_milter = { inet:localhost:8889, default_action=tempfail }\n", SMTP HANDOVER,
         HANDOVER_OPTIONS, "milter_socket = inet:8890@127.0.0.1\n",
         "lists:problem lists:problem hand-over:problem "},
	{"the default of all milters counts where ours says nothing",
         "rejoinder_milter = unix:rejoinder/milter.sock\nmilter_default_action = accept\n",
         SMTP HANDOVER, HANDOVER_OPTIONS, "", "default_action:problem "},
	{"shutdown keeps mail as tempfail does",
         "rejoinder_milter = { unix:rejoinder/milter.sock, default_action=shutdown }\n",
         SMTP HANDOVER, HANDOVER_OPTIONS, "", ""},
	{"quarantine does not",
         "rejoinder_milter = { unix:rejoinder/milter.sock, default_action=quarantine }\n",
         SMTP HANDOVER, HANDOVER_OPTIONS, "", "default_action:problem "},
	{"one of several delimiters is enough", "recipient_delimiter = -+\n", SMTP HANDOVER,
         HANDOVER_OPTIONS, "", ""},
	{"without delimiter here none is wanted there", "recipient_delimiter = \n", SMTP HANDOVER,
         HANDOVER_OPTIONS, "delimiter =\n", ""},
	{"bounce among other classes", "internal_mail_filter_classes = notify, bounce\n",
         SMTP HANDOVER, HANDOVER_OPTIONS, "", ""},
	{"a way back from a filter is told by its options",
         "content_filter = amavis:[127.0.0.1]:10024\n",
         SMTP HANDOVER "127.0.0.1:10025 inet n - y - - smtpd\n",
         HANDOVER_OPTIONS "127.0.0.1:10025/inet/receive_override_options = "
                          "no_header_body_checks\n",
         "", "twice:problem "},
	{"one with milters of its own is well", "content_filter = amavis:[127.0.0.1]:10024\n",
         SMTP HANDOVER "127.0.0.1:10025 inet n - y - - smtpd\n",
         HANDOVER_OPTIONS "127.0.0.1:10025/inet/content_filter = \n"
                          "127.0.0.1:10025/inet/smtpd_milters = " DKIM "\n",
         "", ""},
	{"a filter for port 25 alone is a program", "",
         SMTP HANDOVER "filter unix - n n - 10 pipe flags=Rq user=x argv=/bin/x\n",
         HANDOVER_OPTIONS "smtp/inet/content_filter = filter:dummy\n", "", "twice:warning "},
	{"port 25 where people may sign in verifies all the same",
         "smtpd_milters = " DKIM ", $rejoinder_milter\n", SMTP HANDOVER SUBMISSION,
         HANDOVER_OPTIONS SUBMISSION_OPTIONS "smtp/inet/smtpd_sasl_auth_enable = yes\n", "", ""},
	{"a way back in brackets is one too", "content_filter = amavis:[127.0.0.1]:10024\n",
         SMTP HANDOVER "[127.0.0.1]:10025 inet n - y - - smtpd\n",
         HANDOVER_OPTIONS "[127.0.0.1]:10025/inet/content_filter = \n", "", "twice:problem "},
	{"a map of milters may keep ours out, and the hand-over has none",
         "smtpd_milter_maps = cidr:/etc/postfix/milters\n", SMTP HANDOVER,
         HANDOVER_OPTIONS "127.0.0.1:2524/inet/smtpd_milter_maps = \n", "", "lists:warning "},
	{"a map for the hand-over too is no good",
         "smtpd_milter_maps = cidr:/etc/postfix/milters\n", SMTP HANDOVER,
         HANDOVER_OPTIONS "smtp/inet/smtpd_milter_maps = \n", "", "lists:problem "},
	{"a hand-over listener on all addresses", "", SMTP "2524 inet n - y - - smtpd\n",
         "2524/inet/smtpd_milters = $rejoinder_milter\n"
         "2524/inet/local_header_rewrite_clients = \n",
         "", "hand-over:problem "},
	{"on this host's by IPv6 it is well", "", SMTP "[::1]:2524 inet n - y - - smtpd\n",
         "[::1]:2524/inet/smtpd_milters = $rejoinder_milter\n"
         "[::1]:2524/inet/local_header_rewrite_clients = \n",
         "submit_to = [::1]:2524\n", ""},
	{"a listener of another host is its own", "", SMTP, "",
         "submit_to = mail.example.org:2524\n", ""},
	{"its cleanup service may be missing", "", SMTP HANDOVER,
         HANDOVER_OPTIONS "127.0.0.1:2524/inet/cleanup_service_name = rejoinder-cleanup\n", "",
         "hand-over:problem "},
};

static const char configuration[] = "[rejoinder]\n"
				    "domains = company.test\n"
				    "staff = @company.test\n"
				    "%s%s"
				    "[account \"Replies\"]\n"
				    "address = replies@company.test\n"
				    "incoming = yes\n"
				    "outgoing = yes\n"
				    "default_incoming = yes\n"
				    "default_outgoing = yes\n";

static struct config *read_configuration(const char *general)
{
	static const char path_line[] =
		"milter_socket = unix:/var/spool/postfix/rejoinder/milter.sock\n";
	char path[] = "/tmp/rejoinder-test-XXXXXX";
	char *text = xasprintf(configuration,
	                       strstr(general, "milter_socket") != NULL ? "" : path_line, general);
	struct string_list mistakes = {0};
	struct config *config = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	if (config_load(path, &config, &mistakes) < 0)
		fail_msg("%s", mistakes.items[0]);
	unlink(path);
	string_list_release(&mistakes);
	free(text);
	return config;
}

static void note(struct doctor *doctor, const struct finding *finding)
{
	struct buffer *seen = doctor->context;

	if (finding->state == FINDING_OK || finding->state == FINDING_NONE)
		return;
	assert_string_not_equal(finding->advice, "");
	buffer_printf(seen, "%s:%s ", finding->check,
	              finding->state == FINDING_PROBLEM ? "problem" : "warning");
}

static void mistakes_of_the_wiring_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		char *text = xasprintf("%s%s", MAIN, row->main_cf);
		struct config *config = read_configuration(row->rejoinder);
		struct postconf *postconf = postconf_parse(
			"/etc/postfix", &(struct postconf_text){.main_cf = text,
		                                                .raw = text,
		                                                .services = row->services,
		                                                .overrides = row->overrides});
		struct buffer seen;
		struct doctor doctor = {
			.config = config, .postconf = postconf, .take = note, .context = &seen};

		buffer_init(&seen, 1000);
		doctor_run(&doctor, "", doctor_wiring_checks());
		if (strcmp(seen.data, row->expected) != 0)
			fail_msg("%s: found \"%s\", expected \"%s\"", row->name, seen.data,
			         row->expected);
		buffer_release(&seen);
		postconf_free(postconf);
		config_free(config);
		free(text);
	}
}

/* Where who is in no chroot finds the milter that a service looks for. */
static const struct {
	const char *name, *endpoint, *service, *expected;
} places[] = {
	{"a path in the queue directory, from a chroot", "unix:rejoinder/milter.sock", SMTP,
         "unix:/var/spool/postfix/rejoinder/milter.sock"},
	{"and without one", "unix:rejoinder/milter.sock", "smtp inet n - n - - smtpd\n",
         "unix:/var/spool/postfix/rejoinder/milter.sock"},
	{"an absolute path begins at the chroot", "unix:/run/rejoinder/milter.sock", SMTP,
         "unix:/var/spool/postfix/run/rejoinder/milter.sock"},
	{"or at the root", "unix:/run/rejoinder/milter.sock", "smtp inet n - n - - smtpd\n",
         "unix:/run/rejoinder/milter.sock"},
	{"local is another word for unix", "local:rejoinder/milter.sock", SMTP,
         "unix:/var/spool/postfix/rejoinder/milter.sock"},
	{"a port stands first here", "inet:rejoinder.company.test:8890", SMTP,
         "inet:8890@rejoinder.company.test"},
};

static void a_milter_is_looked_for_where_postfix_sees_it(void **state)
{
	struct config *config = read_configuration("");

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *text = xasprintf("%ssmtpd_milters = %s\n", MAIN, places[i].endpoint);
		struct postconf *postconf = postconf_parse(
			"/etc/postfix", &(struct postconf_text){.main_cf = text,
		                                                .raw = text,
		                                                .services = places[i].service});
		struct paths paths;

		paths_find(postconf, config, &paths);
		assert_int_equal(paths.count, 2);
		if (!path_is_ours(&paths.items[0]) ||
		    strcmp(paths.items[0].seen_at, places[i].expected) != 0)
			fail_msg("%s: %s", places[i].name,
			         paths.items[0].seen_at != NULL ? paths.items[0].seen_at
			                                        : "nowhere");
		paths_release(&paths);
		postconf_free(postconf);
		free(text);
	}
	config_free(config);
}

static void space_is_enough_or_low_or_too_little(void **state)
{
	static const struct {
		const char *name;
		uint64_t free_mb, total_mb;
		enum finding_state expected;
	} spaces[] = {
		{"half of a disk", 50000, 100000, FINDING_OK},
		{"five per cent", 5000, 100000, FINDING_OK},
		{"under five per cent", 4999, 100000, FINDING_WARNING},
		{"200 MB of a small disk", 200, 1000, FINDING_OK},
		{"under 200 MB of it", 199, 1000, FINDING_PROBLEM},
		{"nothing", 0, 100000, FINDING_PROBLEM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (doctor_judge_space(spaces[i].free_mb << 20, spaces[i].total_mb << 20) !=
		    spaces[i].expected)
			fail_msg("%s", spaces[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_of_the_wiring_are_found),
		cmocka_unit_test(a_milter_is_looked_for_where_postfix_sees_it),
		cmocka_unit_test(space_is_enough_or_low_or_too_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
