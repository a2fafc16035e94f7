#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/doctor.h"
#include "ctl/doctor_recipients.h"
#include "lib/base/command.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/store/health.h"

/* Does Postfix take mail for everybody whom Rejoinder would give mail to? */

#define ASK_MS         20000
#define LOOK_UP_MS     10000
#define LOOK_UP_BYTES  65536
#define RECIPIENTS_MAX 500
#define OWNERS_MAX     200

/* Of the length and the characters of a token, and signed by nobody. */
static const char token_like[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
_Static_assert(sizeof token_like == TOKEN_SIZE, "as long as a token");

enum purpose { PURPOSE_REPLIES, PURPOSE_TOKEN, PURPOSE_OWNER, PURPOSE_ALERT, PURPOSE_OPERATOR };

static const struct {
	const char *words, *cure;
} purposes[] = {
	[PURPOSE_REPLIES] = {"answers come to",
                             "Make it a mailbox or an alias, or run: rejoinder setup"},
	[PURPOSE_TOKEN] = {"answers come to an address with a token, such as",
                           "Set recipient_delimiter, or for token_domain an alias for all its "
                           "addresses"},
	[PURPOSE_OWNER] =
		{"answers are delivered to a member of staff,",
                 "Take him out of staff, and give his conversations to somebody: rejoinder "
                 "assign"},
	[PURPOSE_ALERT] = {"alerts go to",
                           "Name somebody else in alert or digest of rejoinder.conf"},
	[PURPOSE_OPERATOR] = {"what an operator must know goes to",
                              "Make it an alias, or set operator of rejoinder.conf"},
};

struct known {
	struct doctor *doctor;
	struct recipient items[RECIPIENTS_MAX];
	enum purpose purposes[RECIPIENTS_MAX];
	size_t count, left_out;
};

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

/* Is the domain in a table of Postfix? */
static enum answer look_up(const struct postconf *postconf, const char *table, const char *domain)
{
	/* The tables of proxymap(8) are asked directly. */
	const char *bare = strncmp(table, "proxy:", 6) == 0 ? table + 6 : table;
	const char *argv[] = {"postmap", "-c", postconf_directory(postconf), "-q", domain,
	                      bare,      NULL};
	enum answer answer = ANSWER_YES;
	struct error err;
	char *output;
	size_t length;

	if (command_output_argv(argv, COMMAND_STDERR_WITH_OUTPUT, LOOK_UP_MS, LOOK_UP_BYTES,
	                        &output, &length, &err) < 0)
		answer = output != NULL && length == 0 ? ANSWER_NO : ANSWER_UNKNOWN;
	free(output);
	return answer;
}

/* Is Postfix the server of a domain: does it know where its mail goes, here or further? */
static enum answer serves(const struct postconf *postconf, const char *domain)
{
	static const char *const parameters[] = {"mydestination", "virtual_mailbox_domains",
	                                         "virtual_alias_domains", "relay_domains"};
	enum answer answer = ANSWER_NO;

	for (size_t p = 0; p < sizeof parameters / sizeof parameters[0]; p++) {
		struct string_list list = {0};

		postconf_list_split(postconf_value(postconf, parameters[p]), &list);
		for (size_t i = 0; i < list.count && answer != ANSWER_YES; i++) {
			const char *element = list.items[i];
			enum answer found = ANSWER_NO;

			if (strcasecmp(element, domain) == 0)
				found = ANSWER_YES;
			else if (*element == '/')
				found = ANSWER_UNKNOWN;
			else if (strchr(element, ':') != NULL && *element != '[')
				found = look_up(postconf, element, domain);
			answer = found != ANSWER_NO ? found : answer;
		}
		string_list_release(&list);
	}
	return answer;
}

/* Does answering depend on it: do answers come to an address in it, by Postfix? */
static bool is_needed(const struct config *config, const char *domain)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->is_incoming &&
		    ((account->pop3 == NULL && strcmp(account->domain, domain) == 0) ||
		     (account->token_domain != NULL && strcmp(account->token_domain, domain) == 0)))
			return true;
	}
	return false;
}

/* The listener for our own programs lets mail go anywhere: it would take any domain's. */
static void check_domains(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	size_t bad = 0;

	if (doctor->postconf == NULL)
		return;
	for (size_t i = 0; i < config->domains.count; i++) {
		static const char cure[] = "Name it in mydestination, virtual_alias_domains, "
					   "virtual_mailbox_domains or relay_domains of main.cf";
		enum answer answer = serves(doctor->postconf, config->domains.items[i]);

		if (answer == ANSWER_UNKNOWN)
			doctor_skip(doctor, "whether Postfix is the server of %s",
			            config->domains.items[i]);
		else if (answer == ANSWER_NO && is_needed(config, config->domains.items[i]))
			doctor_fail(doctor, cure,
			            "Postfix is not the server of %s, where answers come to",
			            config->domains.items[i]);
		else if (answer == ANSWER_NO)
			doctor_warn(doctor, cure, "Postfix is not the server of %s",
			            config->domains.items[i]);
		bad += answer != ANSWER_YES;
	}
	if (bad == 0)
		doctor_ok(doctor, "Postfix is the server of all %zu", config->domains.count);
}

/* Takes the address. Those of other companies are not asked for. */
static void add(struct known *known, char *address, enum purpose purpose)
{
	const struct config *config = known->doctor->config;
	const char *at = strrchr(address, '@');

	if (at == NULL || (purpose != PURPOSE_TOKEN && !config_has_domain(config, at + 1))) {
		free(address);
		return;
	}
	for (size_t i = 0; i < known->count; i++) {
		if (strcasecmp(known->items[i].address, address) == 0) {
			free(address);
			return;
		}
	}
	if (known->count == RECIPIENTS_MAX) {
		known->left_out++;
		free(address);
		return;
	}
	known->purposes[known->count] = purpose;
	known->items[known->count++].address = address;
}

static void add_account(struct known *known, const struct account *account)
{
	const char *address = account->pop3 != NULL ? account->mailbox : account->address;
	const char *delimiter = known->doctor->config->delimiter;
	const char *domain = strrchr(account->address, '@') + 1;

	add(known, xstrdup(address), PURPOSE_REPLIES);
	if (account->reply_to != REPLY_TO_TOKEN)
		return;
	if (account->token_domain != NULL)
		add(known, xasprintf("%s@%s", token_like, account->token_domain), PURPOSE_TOKEN);
	else if (*delimiter != '\0' && account->pop3 == NULL &&
	         config_has_domain(known->doctor->config, domain))
		add(known,
		    xasprintf("%.*s%s%s@%s", (int)(domain - 1 - account->address), account->address,
		              delimiter, token_like, domain),
		    PURPOSE_TOKEN);
}

static void add_list(struct known *known, const struct string_list *list, enum purpose purpose)
{
	for (size_t i = 0; i < list->count; i++)
		add(known, xstrdup(list->items[i]), purpose);
}

static void add_owners(struct known *known)
{
	const struct config *config = known->doctor->config;
	struct string_list owners = {0};
	struct error err;

	/* What the store says of itself is another check's. */
	if (known->doctor->store != NULL &&
	    store_list_owners(known->doctor->store, OWNERS_MAX, &owners, &err) == 0)
		for (size_t i = 0; i < owners.count; i++)
			if (config_is_staff(config, owners.items[i]))
				add(known, xstrdup(owners.items[i]), PURPOSE_OWNER);
	string_list_release(&owners);
	for (size_t i = 0; i < config->staff.count; i++) {
		const char *pattern = config->staff.items[i];

		if (pattern[0] != '@' && strpbrk(pattern, "*?") == NULL)
			add(known, xstrdup(pattern), PURPOSE_OWNER);
	}
}

static void gather(struct known *known)
{
	const struct config *config = known->doctor->config;

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->is_incoming)
			add_account(known, account);
		for (size_t level = 0; account->is_enabled && level < account->alerts.count;
		     level++)
			add_list(known, &account->alerts.items[level].recipients, PURPOSE_ALERT);
		if (account->is_enabled)
			add_list(known, &account->digest.recipients, PURPOSE_ALERT);
	}
	add(known, xstrdup(config->operator_address), PURPOSE_OPERATOR);
	add_owners(known);
}

/* Is it refused because the address without its token is too? Then that is said already. */
static bool is_said(const struct known *known, size_t i)
{
	const char *address = known->items[i].address, *token = strstr(address, token_like);

	if (known->purposes[i] != PURPOSE_TOKEN || token == NULL || token == address)
		return false;
	for (size_t j = 0; j < known->count; j++) {
		const char *other = known->items[j].address;
		size_t local = strcspn(other, "@");

		if (known->purposes[j] == PURPOSE_REPLIES && known->items[j].code / 100 == 5 &&
		    local == (size_t)(token - address) - 1 && strncmp(other, address, local) == 0 &&
		    strcmp(other + local, token + TOKEN_LENGTH) == 0)
			return true;
	}
	return false;
}

static void judge(struct known *known)
{
	struct doctor *doctor = known->doctor;
	size_t taken = 0, bad = 0;

	for (size_t i = 0; i < known->count; i++) {
		const struct recipient *recipient = &known->items[i];
		const char *words = purposes[known->purposes[i]].words;

		taken += recipient->code / 100 == 2;
		bad += recipient->code / 100 > 3;
		if (recipient->code / 100 == 5 && !is_said(known, i))
			doctor_fail(doctor, purposes[known->purposes[i]].cure,
			            "%s %s, and Postfix says: %s", words, recipient->address,
			            recipient->reply);
		else if (recipient->code / 100 == 4)
			doctor_warn(doctor, "Look in the log of Postfix",
			            "whether Postfix takes mail for %s is not known now: %s",
			            recipient->address, recipient->reply);
	}
	if (bad == 0)
		doctor_ok(doctor, "Postfix takes mail for all %zu addresses it may be given to",
		          taken);
	if (known->left_out > 0)
		doctor_skip(doctor, "%zu more addresses were not asked for", known->left_out);
}

static void check_recipients(struct doctor *doctor)
{
	struct known *known = xzalloc(sizeof(*known));
	const char *server = doctor->config->submit_to;
	struct error err = {0};

	known->doctor = doctor;
	gather(known);
	if (recipients_ask(server, known->items, known->count, store_clock_ms() + ASK_MS, &err) < 0)
		doctor_fail(doctor, "Start Postfix; if it runs, look in its log",
		            "Postfix could not be asked on %s whom it knows: %s", server, err.text);
	else
		judge(known);
	for (size_t i = 0; i < known->count; i++)
		free(known->items[i].address);
	free(known);
}

const struct doctor_check *doctor_known_checks(void)
{
	static const struct doctor_check checks[] = {
		{"domains", check_domains},
		{"recipients", check_recipients},
		{NULL, NULL},
	};

	return checks;
}
