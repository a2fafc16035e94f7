#ifndef REJOINDER_TESTS_SETUP_FIXTURE_H
#define REJOINDER_TESTS_SETUP_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/setup.h"
#include "lib/base/memory.h"

/* A Postfix and a configuration of Rejoinder's, of text: what `rejoinder setup` plans from. */

#define SMTP       "smtp inet n - y - - smtpd\n"
#define SUBMISSION "submission inet n - y - - smtpd -o syslog_name=postfix/submission\n"
static const char rejoinder_conf[] = "[rejoinder]\n"
				     "domains = company.test, r.company.test\n"
				     "%s"
				     "[account \"Replies\"]\n"
				     "address = replies@company.test\n"
				     "incoming = yes\n"
				     "%s";

static inline struct config *make_config(const char *general, const char *account)
{
	char path[] = "/tmp/rejoinder-setup-XXXXXX";
	int fd = mkstemp(path);
	struct string_list mistakes = {0};
	struct config *config;

	assert_true(fd >= 0);
	dprintf(fd, rejoinder_conf, general, account);
	close(fd);
	if (config_load(path, &config, &mistakes) < 0)
		fail_msg("%s", mistakes.items[0]);
	unlink(path);
	string_list_release(&mistakes);
	return config;
}

static inline struct postconf *make_postconf(const char *main_cf, const char *services,
                                             const char *overrides)
{
	return postconf_parse(
		"/etc/postfix",
		&(struct postconf_text){.main_cf = main_cf,
	                                .raw = "queue_directory = /var/spool/postfix\n"
	                                       "compatibility_level = 3.6\n"
	                                       "virtual_alias_maps = $virtual_maps\n",
	                                .services = services,
	                                .overrides = overrides});
}

#endif
