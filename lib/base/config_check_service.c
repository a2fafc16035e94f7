#include "lib/base/config_read.h"

#include <string.h>
#include <strings.h>

#include "lib/base/preset.h"

/*
 * The checks of what an enabled account has to do with a service outside and with
 * answers: its inbox, its relay, their password, the limit, where answers go.
 */

/* Does the key stand in the account's own section? */
static bool has_itself(const struct account *account, const char *key)
{
	const struct option_origin *origin =
		config_origin(config_account_options(), account->origins, key);

	return origin->line > 0 && !origin->is_inherited;
}

/* It was reported where it stands. */
static bool is_wrong(const struct account *account, const char *key)
{
	return config_origin(config_account_options(), account->origins, key)->is_wrong;
}

static bool is_of_preset(const struct account *account, const char *key)
{
	return config_origin(config_account_options(), account->origins, key)->preset != NULL;
}

/* At a service outside: no domain of ours has its address. */
static bool is_foreign(const struct config *config, const struct account *account)
{
	return config->domains.count > 0 && !config_has_domain(config, account->domain);
}

/* The word that a mistake about a service begins with: what the admin wrote. */
static const char *written_as(const struct account *account, const char *key)
{
	return is_of_preset(account, key) ? "preset" : key;
}

/* Does an inbox or relay of the preset want what we cannot do? */
static bool wants_oauth2(const struct account *account)
{
	const struct preset *preset = account->preset != NULL ? preset_find(account->preset) : NULL;

	return preset != NULL && preset->sign_in == SIGN_IN_OAUTH2 &&
	       (is_of_preset(account, "pop3") || is_of_preset(account, "relay"));
}

static void check_oauth2(const struct account *account, struct mistakes *mistakes)
{
	bool has_pop3 = is_of_preset(account, "pop3"), has_relay = is_of_preset(account, "relay");

	if (wants_oauth2(account))
		mistake_add(mistakes, config_account_line(account, "preset"),
		            "preset: found \"%s\", whose service takes OAuth2 alone, which is not "
		            "spoken here, expected another, or %s%s%s in [account \"%s\"]",
		            account->preset, has_pop3 ? "pop3" : "",
		            has_pop3 && has_relay ? " and " : "", has_relay ? "relay" : "",
		            account->name);
}

/* Who signs in needs both. service: the key that says where. */
static void check_sign_in(const struct account *account, const char *service, size_t passwords,
                          struct mistakes *mistakes)
{
	int line = config_account_line(account, service);

	if (passwords == 0)
		mistake_add(mistakes, line,
		            "%s: found no password in [account \"%s\"], expected one of "
		            "password_file, password_command and password",
		            written_as(account, service), account->name);
	if (!config_account_has(account, "username"))
		mistake_add(mistakes, line,
		            "%s: found no username in [account \"%s\"], expected one",
		            written_as(account, service), account->name);
}

static void check_password(const struct account *account, struct mistakes *mistakes)
{
	static const char *const keys[] = {"password", "password_file", "password_command"};
	const char *service = account->pop3 != NULL    ? "pop3"
	                      : account->relay != NULL ? "relay"
	                                               : NULL;
	const char *found[4] = {NULL};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (config_account_has(account, keys[i]))
			found[count++] = keys[i];
	if (count > 1)
		mistake_add(mistakes, config_account_line(account, found[1]),
		            "%s: found beside %s, expected one of them", found[1], found[0]);
	if (config_account_has(account, "username") && count < 3)
		found[count] = "username";
	if (service != NULL) {
		/* A relay may do without, but not that of a service. */
		if (!wants_oauth2(account) &&
		    (account->pop3 != NULL || account->preset != NULL || found[0] != NULL))
			check_sign_in(account, service, count, mistakes);
	} else if (found[0] != NULL && account->preset == NULL && !is_wrong(account, "pop3") &&
	           !config_account_has(account, "relay")) {
		mistake_add(mistakes, config_account_line(account, found[0]),
		            "%s: found without pop3 and relay, expected it with one of them",
		            found[0]);
	}
}

static void check_inbox(const struct config *config, const struct account *account,
                        struct mistakes *mistakes)
{
	if (account->pop3 == NULL)
		return;
	if (!account->is_incoming)
		mistake_add(mistakes, config_account_line(account, "pop3"),
		            "pop3: found without an incoming side, expected incoming = yes in "
		            "[account \"%s\"]",
		            account->name);
	/* Sent out, it would come to the inbox again. */
	if (config_account_has(account, "mailbox") && account->mailbox != NULL &&
	    config->domains.count > 0 &&
	    !config_has_domain(config, strrchr(account->mailbox, '@') + 1))
		mistake_add(mistakes, config_account_line(account, "mailbox"),
		            "mailbox: found \"%s\", expected an address in one of domains",
		            account->mailbox);
}

static void check_relay(const struct account *account, struct mistakes *mistakes)
{
	if (account->relay == NULL)
		return;
	if (!account->is_outgoing)
		mistake_add(mistakes, config_account_line(account, "relay"),
		            "relay: found without an outgoing side, expected outgoing = yes in "
		            "[account \"%s\"]",
		            account->name);
	if (account->envelope_from == ENVELOPE_KEEP)
		mistake_add(mistakes, config_account_line(account, "envelope_from"),
		            "envelope_from: found \"keep\" beside a relay, expected account");
	/* Postfix divides what it is told as the password at the first. */
	if (account->username != NULL && strchr(account->username, ':') != NULL)
		mistake_add(
			mistakes, config_account_line(account, "username"),
			"username: found \"%s\" beside a relay, expected no colon, which Postfix "
			"takes for its end",
			account->username);
	if (account->address[0] == '#')
		mistake_add(mistakes, config_account_line(account, "address"),
		            "address: found \"%s\" beside a relay, expected no # at its beginning, "
		            "which makes its line of transport_map a comment",
		            account->address);
}

/* What is told of the limit would wait behind the limit. */
static void check_told(const struct config *config, const struct account *account, const char *key,
                       const char *address, struct mistakes *mistakes)
{
	int line = config_origin(config_options(), config->origins, key)->line;

	if (address == NULL || strcasecmp(address, account->address) != 0 ||
	    account->relay == NULL || account->daily_limit == 0 ||
	    account->on_limit != ON_LIMIT_QUEUE)
		return;
	mistake_add(mistakes, line > 0 ? line : config_account_line(account, "address"),
	            "%s: found \"%s\", whose mail waits when [account \"%s\"] is over its "
	            "daily_limit, expected another address",
	            key, address, account->name);
}

static void check_limit(const struct account *account, struct mistakes *mistakes)
{
	static const char *const keys[] = {"daily_limit_warn", "on_limit"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (has_itself(account, keys[i]) && !config_account_has(account, "daily_limit"))
			mistake_add(mistakes, config_account_line(account, keys[i]),
			            "%s: found without daily_limit, expected it with one", keys[i]);
	if (account->daily_limit == 0 || account->on_limit != ON_LIMIT_QUEUE ||
	    (account->relay != NULL && account->username != NULL))
		return;
	/* What is missing, or wrong, was said. */
	if ((account->relay != NULL && account->preset != NULL) || is_wrong(account, "on_limit") ||
	    is_wrong(account, "relay") || is_wrong(account, "username"))
		return;
	if (has_itself(account, "on_limit"))
		mistake_add(mistakes, config_account_line(account, "on_limit"),
		            "on_limit: found \"queue\" without a relay with a username, expected "
		            "one, or tempfail or pass");
	else
		mistake_add(mistakes, config_account_line(account, "daily_limit"),
		            "daily_limit: found it without a relay with a username, expected one, "
		            "or on_limit = tempfail or pass");
}

/* Copies that come back as mail of customers. */
static void check_bcc(const struct config *config, const struct account *account,
                      struct mistakes *mistakes)
{
	for (size_t i = 0; i < account->bcc.count; i++) {
		const char *detail;
		size_t detail_length;
		const struct account *incoming = config_incoming_for_rcpt(
			config, account->bcc.items[i], &detail, &detail_length);

		if (incoming != NULL)
			mistake_add(mistakes, config_account_line(account, "bcc"),
			            "bcc: found \"%s\", which comes in by [account \"%s\"], "
			            "expected an address of no incoming account",
			            account->bcc.items[i], incoming->name);
	}
}

static void check_replies(const struct config *config, const struct account *account,
                          struct mistakes *mistakes)
{
	const char *address = account->reply_to_address;

	if (account->replies_always && account->reply_to == REPLY_TO_KEEP)
		mistake_add(mistakes, config_account_line(account, "replies_always"),
		            "replies_always: found \"yes\" beside reply_to = keep, expected "
		            "token or plain");
	if (address != NULL && account->reply_to == REPLY_TO_KEEP)
		mistake_add(mistakes, config_account_line(account, "reply_to_address"),
		            "reply_to_address: found \"%s\" beside reply_to = keep, expected "
		            "token or plain",
		            address);
	if (address != NULL && config->domains.count > 0 && !config_is_inside(config, address))
		mistake_add(mistakes, config_account_line(account, "reply_to_address"),
		            "reply_to_address: found \"%s\", expected an address in one of "
		            "domains",
		            address);
	/* With the null sender it cannot go by the service, and DMARC refuses it elsewhere. */
	if (account->acknowledge != NULL && is_foreign(config, account))
		mistake_add(
			mistakes, config_account_line(account, "acknowledge"),
			"acknowledge: found it with the address \"%s\", expected it in an account "
			"with an address in one of domains",
			account->address);
	if (account->acknowledge != NULL && !account->is_incoming)
		mistake_add(mistakes, config_account_line(account, "acknowledge"),
		            "acknowledge: found without an incoming side, expected incoming = yes "
		            "in [account \"%s\"]",
		            account->name);
}

/* By default it would be the default for a domain that is not ours. */
static void check_default_for(const struct config *config, const struct account *account,
                              struct mistakes *mistakes)
{
	const char *key = account->is_default_outgoing ? "default_outgoing" : "default_incoming";

	if ((account->is_default_outgoing || account->is_default_incoming) &&
	    is_foreign(config, account) && !config_account_has(account, "default_for"))
		mistake_add(
			mistakes, config_account_line(account, key),
			"%s: found \"yes\" with the address \"%s\", expected default_for beside "
			"it, with one of domains",
			key, account->address);
}

void config_check_service(const struct config *config, const struct account *account,
                          struct mistakes *mistakes)
{
	check_oauth2(account, mistakes);
	check_password(account, mistakes);
	check_inbox(config, account, mistakes);
	check_relay(account, mistakes);
	check_limit(account, mistakes);
	check_told(config, account, "alert_from", config->alert_from, mistakes);
	check_told(config, account, "operator", config->operator_address, mistakes);
	check_default_for(config, account, mistakes);
	check_bcc(config, account, mistakes);
	check_replies(config, account, mistakes);
}
