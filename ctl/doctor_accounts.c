#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/defaults.h"
#include "ctl/doctor.h"
#include "ctl/fetcher.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/store/inbox.h"

/* The accounts, and how it goes with the servers that they name. */

#define POLL_LATE_S       3600
#define POLL_LATE_IN_ROWS 3

static void check_defaults(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	size_t bad = 0;

	for (size_t i = 0; i < config->domains.count; i++) {
		const char *domain = config->domains.items[i];
		const char *sentences[] = {defaults_missing_incoming(config, domain),
		                           defaults_missing_outgoing(config, domain)};

		for (size_t j = 0; j < 2; j++) {
			if (sentences[j] == NULL)
				continue;
			bad++;
			doctor_warn(doctor,
			            j == 0 ? "Say default_incoming = yes in one of its accounts"
			                   : "Say default_outgoing = yes in one of its accounts",
			            "%s: %s", domain, sentences[j]);
		}
	}
	for (size_t i = 0; i < config->account_count; i++) {
		if (!defaults_lack_reply_to(config, &config->accounts[i]))
			continue;
		bad++;
		doctor_fail(doctor,
		            "Say default_incoming = yes in an account of its domain, or "
		            "reply_to_address in this one",
		            "mail of account %s gets no Reply-To: no account of %s is the default "
		            "incoming one",
		            config->accounts[i].name, config->accounts[i].domain);
	}
	if (bad == 0)
		doctor_ok(doctor, "each domain has its default accounts");
}

/* How the last poll of an inbox went. False: badly. */
static bool check_inbox(struct doctor *doctor, const struct account *account,
                        const struct inbox_row *row)
{
	char ago[OUTPUT_TIME_SIZE];
	char *cure;

	if (row == NULL || row->polled_at == 0) {
		doctor_warn(doctor, "See whether rejoinder-fetcher runs",
		            "the inbox of account %s was never looked into", account->name);
		return false;
	}
	if (row->error != NULL) {
		cure = xasprintf("Run: rejoinder account test \"%s\"", account->name);
		doctor_fail(doctor, cure,
		            "the inbox of account %s fails (%" PRId64 " in a row): %s",
		            account->name, row->failure_count, row->error);
		free(cure);
		return false;
	}
	if (row->polled_at < doctor->now - POLL_LATE_S - POLL_LATE_IN_ROWS * account->poll_s) {
		doctor_fail(doctor, "See whether rejoinder-fetcher runs",
		            "the inbox of account %s was looked into %s", account->name,
		            output_ago(ago, row->polled_at, doctor->now));
		return false;
	}
	return true;
}

static const struct inbox_row *find_row(const struct inbox_row *rows, size_t count,
                                        const char *account)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].account, account) == 0)
			return &rows[i];
	return NULL;
}

static void check_inboxes(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	struct inbox_row *rows = NULL;
	size_t count = 0, inboxes = 0, good = 0;
	struct error err;

	if (doctor->store != NULL && store_list_inboxes(doctor->store, &rows, &count, &err) < 0) {
		doctor_fail(doctor, "Look in the log of rejoinder-milter", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (!account->is_enabled || account->pop3 == NULL)
			continue;
		inboxes++;
		good += check_inbox(doctor, account, find_row(rows, count, account->name));
	}
	if (inboxes == 0)
		doctor_none(doctor, "no account has an external inbox");
	else if (good > 0)
		doctor_ok(doctor, "the last poll of %zu inbox%s went well", good,
		          good == 1 ? "" : "es");
	inbox_rows_free(rows, count);
}

/* What becomes of the findings of a test of one account. */
struct trial {
	struct doctor *doctor;
	const char *account;
	size_t failures;
};

static void take(void *context, const struct finding *finding)
{
	struct trial *trial = context;

	if (finding->state == FINDING_WARNING)
		doctor_warn(trial->doctor, finding->advice, "account %s, %s: %s", trial->account,
		            finding->check, finding->text);
	if (finding->state != FINDING_FAILED)
		return;
	trial->failures++;
	doctor_fail(trial->doctor, finding->advice, "account %s, %s: %s", trial->account,
	            finding->check, finding->text);
}

static void check_servers(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	size_t servers = 0, good = 0;

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		struct trial trial = {.doctor = doctor, .account = account->name};

		if (!account->is_enabled || (account->pop3 == NULL && account->relay == NULL))
			continue;
		servers++;
		if (!doctor->is_online)
			continue;
		if (fetcher_test(doctor->config_path, account->name, take, &trial) != 0)
			doctor_fail(doctor, "Run: rejoinder account test",
			            "account %s could not be tested", account->name);
		else
			good += trial.failures == 0;
	}
	if (servers == 0)
		doctor_none(doctor, "no account signs in anywhere");
	else if (!doctor->is_online)
		doctor_skip(doctor, "--online signs in to those of %zu account%s", servers,
		            servers == 1 ? "" : "s");
	else if (good > 0)
		doctor_ok(doctor, "%zu account%s can sign in", good, good == 1 ? "" : "s");
}

const struct doctor_check *doctor_accounts_checks(void)
{
	static const struct doctor_check checks[] = {
		{"defaults", check_defaults},

		{"inboxes", check_inboxes},
		{"servers", check_servers},
		{NULL, NULL},
	};

	return checks;
}
