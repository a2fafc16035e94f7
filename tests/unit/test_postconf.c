#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/postconf.h"
#include "ctl/postconf_expand.h"

#define SMTP       "smtp inet n - y - - smtpd\n"
#define SUBMISSION "submission inet n - y - - smtpd -o syslog_name=postfix/submission\n"

static struct postconf *make_postconf(const char *main_cf, const char *services,
                                      const char *overrides)
{
	return postconf_parse("/etc/postfix",
	                      &(struct postconf_text){.main_cf = main_cf,
	                                              .raw = "mail_name = Postfix\n",
	                                              .services = services,
	                                              .overrides = overrides});
}

static void test_milters(void **state)
{
	static const struct {
		const char *value, *endpoint, *action, *program;
	} milters[] = {
		{"inet:localhost:8891", "inet:localhost:8891", "tempfail", "opendkim"},
		{"{ inet:127.0.0.1:11332, default_action=accept }", "inet:127.0.0.1:11332",
	         "accept", "rspamd"},
		{"{unix:opendmarc/opendmarc.sock, { default_action = quarantine }}",
	         "unix:opendmarc/opendmarc.sock", "quarantine", "opendmarc"},
		{"$ours", "unix:rejoinder/milter.sock", "tempfail", "rejoinder"},
		{"${ours}", "unix:rejoinder/milter.sock", "tempfail", "rejoinder"},
		{"inet:localhost:18891", "inet:localhost:18891", "tempfail", NULL},
	};
	struct postconf *postconf = make_postconf("ours = unix:rejoinder/milter.sock\n"
	                                          "milter_default_action = tempfail\n",
	                                          SMTP, "");
	struct postconf_milters found;

	(void)state;
	for (size_t i = 0; i < sizeof(milters) / sizeof(milters[0]); i++) {
		const char *program;

		postconf_milters_read(postconf, milters[i].value, &found);
		assert_int_equal(found.count, 1);
		assert_string_equal(found.items[0].endpoint, milters[i].endpoint);
		assert_string_equal(found.items[0].default_action, milters[i].action);
		program = postconf_milter_program(found.items[0].endpoint);
		assert_string_equal(program != NULL ? program : "-",
		                    milters[i].program != NULL ? milters[i].program : "-");
		postconf_milters_release(&found);
	}
	postconf_free(postconf);
}

static void test_names(void **state)
{
	static const struct {
		const char *text, *expected;
	} texts[] = {
		{"a $b c", "a 1 c"},
		{"${b}x$(b)", "1x1"},
		{"${b?yes}${b:no}", "yes"},
		{"${e?yes}${e:no}", "no"},
		{"${b?{y}:{n}}${e?{y}:{n}}", "yn"},
		{"$$b", "$b"},
		{"$unknown.", "."},
		{"${{1} == {2} ? {x} : {y}}", "${{1} == {2} ? {x} : {y}}"},
		{"$twice", "1 1"},
		{"${b", "${b"},
	};
	struct postconf *postconf =
		make_postconf("b = 1\ne =\ntwice = $b\n# a remark\n  # another\n  ${b}\n"
	                      "loop = $loop\n",
	                      SMTP, "");

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *expanded = postconf_expand(postconf, texts[i].text);

		assert_string_equal(expanded, texts[i].expected);
		free(expanded);
	}
	assert_string_equal(postconf_own_value(postconf, "twice"), "$b ${b}");
	/* A name that names itself ends somewhere. */
	assert_non_null(postconf_value(postconf, "loop"));
	postconf_free(postconf);
}

/* A service sees its own values, also through the names of main.cf. */
static void test_service_values(void **state)
{
	struct postconf *postconf =
		make_postconf("smtpd_milters = $mine\nmine = unix:/of-main\nother = 1\n",
	                      SMTP SUBMISSION, "submission/inet/mine = unix:/of-service\n");

	(void)state;
	assert_string_equal(postconf_service_value(postconf, 0, "smtpd_milters"), "unix:/of-main");
	assert_string_equal(postconf_service_value(postconf, 1, "smtpd_milters"),
	                    "unix:/of-service");
	assert_string_equal(postconf_service_value(postconf, 1, "other"), "1");
	assert_string_equal(postconf_service_value(postconf, 1, "unknown"), "");
	assert_null(postconf_service_own_value(postconf, 0, "mine"));
	assert_true(postconf_service(postconf, 1)->is_chrooted);
	postconf_free(postconf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_milters),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_service_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
