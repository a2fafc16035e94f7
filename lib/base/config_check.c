#include "lib/base/config_read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"

#define LOCAL_PART_MAX 64 /* RFC 5321 4.5.3.1.1 */
#define TOKEN_CHARS    34 /* key id 1, conversation 13, day 4, mac 16 */

static bool has_key(const struct account *account, const char *key)
{
	return config_key_line(config_account_options(), account->origins, key) > 0;
}

/* Where the key stands, or the title of its section if it is a default. */
static int account_line(const struct account *account, const char *key)
{
	int line = config_key_line(config_account_options(), account->origins, key);

	return line > 0 ? line : account->line;
}

static void check_token_room(const struct config *config, const struct account *account,
                             struct mistakes *mistakes)
{
	size_t local_length = strcspn(account->address, "@");
	size_t room = LOCAL_PART_MAX - 1 - TOKEN_CHARS; /* a delimiter is one character */

	if (!account->is_incoming || account->reply_to != REPLY_TO_TOKEN ||
	    config->delimiter == NULL || config->delimiter[0] == '\0' || local_length <= room)
		return;
	mistake_add(mistakes, account_line(account, "address"),
	            "address: found \"%s\", expected at most %zu bytes before the @, so that a "
	            "token has room within %d (or reply_to = plain)",
	            account->address, room, LOCAL_PART_MAX);
}

static void check_side(const struct account *account, bool is_default, bool has_side,
                       const char *default_key, const char *side_key, struct mistakes *mistakes)
{
	if (is_default && !has_side)
		mistake_add(mistakes, account_line(account, default_key),
		            "%s: found \"yes\", expected no, or %s = yes in [account \"%s\"]",
		            default_key, side_key, account->name);
}

static void check_password(const struct account *account, struct mistakes *mistakes)
{
	static const char *const keys[] = {"password", "password_file", "password_command"};
	const char *found[4] = {NULL};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (has_key(account, keys[i]))
			found[count++] = keys[i];
	if (account->pop3 == NULL) {
		/* A wrong URL was reported where it stands. */
		if (count > 0 && !has_key(account, "pop3"))
			mistake_add(mistakes, account_line(account, found[0]),
			            "%s: found without pop3, expected it with pop3", found[0]);
		return;
	}
	if (count == 0)
		mistake_add(mistakes, account_line(account, "pop3"),
		            "pop3: found no password in [account \"%s\"], expected one of "
		            "password_file, password_command and password",
		            account->name);
	else if (count > 1)
		mistake_add(mistakes, account_line(account, found[1]),
		            "%s: found beside %s, expected one of them", found[1], found[0]);
}

static void check_inbox(const struct account *account, struct mistakes *mistakes)
{
	check_password(account, mistakes);
	if (account->pop3 == NULL)
		return;
	if (!has_key(account, "username"))
		mistake_add(mistakes, account_line(account, "pop3"),
		            "pop3: found no username in [account \"%s\"], expected one",
		            account->name);
	if (!account->is_incoming)
		mistake_add(mistakes, account_line(account, "pop3"),
		            "pop3: found without an incoming side, expected incoming = yes in "
		            "[account \"%s\"]",
		            account->name);
}

static void check_account(const struct config *config, const struct account *account,
                          struct mistakes *mistakes)
{
	if (account->address == NULL) {
		/* A wrong address was reported where it stands. */
		if (!has_key(account, "address"))
			mistake_add(mistakes, account->line,
			            "address: found none in [account \"%s\"], expected one",
			            account->name);
		return;
	}
	if (!account->is_enabled)
		return;
	if (config->domains.count > 0 && !config_has_domain(config, account->domain))
		mistake_add(mistakes, account_line(account, "address"),
		            "address: found \"%s\", expected an address in one of domains",
		            account->address);
	if (has_key(account, "default_for")) {
		for (size_t i = 0; i < account->default_for.count; i++)
			if (!config_has_domain(config, account->default_for.items[i]))
				mistake_add(mistakes, account_line(account, "default_for"),
				            "default_for: found \"%s\", expected one of domains",
				            account->default_for.items[i]);
	}
	check_side(account, account->is_default_incoming, account->is_incoming, "default_incoming",
	           "incoming", mistakes);
	check_side(account, account->is_default_outgoing, account->is_outgoing, "default_outgoing",
	           "outgoing", mistakes);
	check_token_room(config, account, mistakes);
	check_inbox(account, mistakes);
}

static void check_pair(const struct account *first, const struct account *second,
                       struct mistakes *mistakes)
{
	if (strcasecmp(first->name, second->name) == 0)
		mistake_add(mistakes, second->line,
		            "[account \"%s\"]: found twice, expected once (first on line %d)",
		            second->name, first->line);
	if (first->is_enabled && second->is_enabled && first->address != NULL &&
	    second->address != NULL && strcmp(first->address, second->address) == 0)
		mistake_add(mistakes, account_line(second, "address"),
		            "address: found \"%s\" in two enabled accounts, expected it in one "
		            "(first on line %d)",
		            second->address, account_line(first, "address"));
}

/* A default account's domain; sorted, two accounts that claim one stand together. */
struct claim {
	const char *domain;
	size_t account;
	int line;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *left = a, *right = b;
	int order = strcasecmp(left->domain, right->domain);

	if (order != 0)
		return order;
	return left->account < right->account ? -1 : left->account > right->account;
}

static void check_defaults(const struct config *config, bool is_incoming, struct mistakes *mistakes)
{
	const char *key = is_incoming ? "default_incoming" : "default_outgoing";
	struct claim *claims = NULL;
	size_t count = 0;

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (!account->is_enabled ||
		    !(is_incoming ? account->is_default_incoming : account->is_default_outgoing))
			continue;
		claims = xreallocarray(claims, count + account->default_for.count, sizeof(*claims));
		for (size_t j = 0; j < account->default_for.count; j++)
			claims[count++] = (struct claim){.domain = account->default_for.items[j],
			                                 .account = i,
			                                 .line = account_line(account, key)};
	}
	if (count > 1)
		qsort(claims, count, sizeof(*claims), compare_claims);
	for (size_t i = 1; i < count; i++) {
		if (claims[i - 1].account == claims[i].account ||
		    strcasecmp(claims[i - 1].domain, claims[i].domain) != 0)
			continue;
		mistake_add(
			mistakes, claims[i].line,
			"%s: found two enabled accounts for domain %s, expected one (the other on "
			"line %d)",
			key, claims[i].domain, claims[i - 1].line);
	}
	free(claims);
}

void config_check(const struct config *config, int title_line, struct mistakes *mistakes)
{
	int domains_line = config_key_line(config_options(), config->origins, "domains");

	/* Wrong domains were reported where they stand. */
	if (title_line == 0)
		mistake_add(mistakes, 0, "[rejoinder]: found no such section, expected one");
	else if (config->domains.count == 0 && (domains_line == 0 || mistakes->list->count == 0))
		mistake_add(mistakes, domains_line > 0 ? domains_line : title_line,
		            "domains: found none, expected at least one");
	for (size_t i = 0; i < config->account_count; i++) {
		check_account(config, &config->accounts[i], mistakes);
		for (size_t j = 0; j < i; j++)
			check_pair(&config->accounts[j], &config->accounts[i], mistakes);
	}
	check_defaults(config, true, mistakes);
	check_defaults(config, false, mistakes);
}
