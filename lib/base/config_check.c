#include "lib/base/config_read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "lib/base/memory.h"
#include "lib/base/preset.h"

#define LOCAL_PART_MAX 64 /* RFC 5321 4.5.3.1.1 */
#define TOKEN_CHARS    34 /* key id 1, conversation 13, day 4, mac 16 */

static int line_of(const struct config *config, const char *key)
{
	return config_origin(config_options(), config->origins, key)->line;
}

static void check_token_room(const struct config *config, const struct account *account,
                             struct mistakes *mistakes)
{
	size_t local_length = strcspn(account->address, "@");
	size_t room = LOCAL_PART_MAX - 1 - TOKEN_CHARS; /* a delimiter is one character */

	/* A token at a domain of its own is the whole local part. */
	if (!account->is_incoming || account->reply_to != REPLY_TO_TOKEN ||
	    account->token_domain != NULL || config->delimiter == NULL ||
	    config->delimiter[0] == '\0' || local_length <= room)
		return;
	mistake_add(mistakes, config_account_line(account, "address"),
	            "address: found \"%s\", expected at most %zu bytes before the @, so that a "
	            "token has room within %d (or reply_to = plain)",
	            account->address, room, LOCAL_PART_MAX);
}

/* Of such a domain every address that looks like a token is the account's. */
static void check_token_domain(const struct config *config, const struct account *account,
                               struct mistakes *mistakes)
{
	int line = config_account_line(account, "token_domain");

	if (account->token_domain == NULL)
		return;
	if (!account->is_incoming)
		mistake_add(mistakes, line,
		            "token_domain: found \"%s\" without an incoming side, expected "
		            "incoming = yes in [account \"%s\"]",
		            account->token_domain, account->name);
	if (config->domains.count > 0 && !config_has_domain(config, account->token_domain))
		mistake_add(mistakes, line, "token_domain: found \"%s\", expected one of domains",
		            account->token_domain);
}

static void check_token_domain_of_pair(const struct account *account, const struct account *other,
                                       bool is_second, struct mistakes *mistakes)
{
	if (account->token_domain == NULL || !account->is_enabled || !other->is_enabled)
		return;
	if (is_second && other->token_domain != NULL &&
	    strcasecmp(account->token_domain, other->token_domain) == 0)
		mistake_add(mistakes, config_account_line(account, "token_domain"),
		            "token_domain: found \"%s\" in two enabled accounts, expected it in "
		            "one (the other is [account \"%s\"])",
		            account->token_domain, other->name);
	else if (other->address != NULL && strcasecmp(account->token_domain, other->domain) == 0)
		mistake_add(mistakes, config_account_line(account, "token_domain"),
		            "token_domain: found \"%s\", the domain of [account \"%s\"], "
		            "expected one where no other account has its address",
		            account->token_domain, other->name);
}

static void check_side(const struct account *account, bool is_yes, bool has_side, const char *key,
                       const char *side_key, struct mistakes *mistakes)
{
	if (is_yes && !has_side)
		mistake_add(mistakes, config_account_line(account, key),
		            "%s: found \"yes\", expected no, or %s = yes in [account \"%s\"]", key,
		            side_key, account->name);
}

static void check_preset(const struct account *account, struct mistakes *mistakes)
{
	const struct preset *preset = account->preset != NULL ? preset_find(account->preset) : NULL;

	if (preset == NULL || account->is_outgoing ||
	    (account->is_incoming && preset_has_incoming(preset)))
		return;
	mistake_add(mistakes, config_account_line(account, "preset"),
	            "preset: found \"%s\" without %s, expected %soutgoing = yes in "
	            "[account \"%s\"]",
	            account->preset, preset_has_incoming(preset) ? "any side" : "an outgoing side",
	            preset_has_incoming(preset) ? "incoming = yes or " : "", account->name);
}

/* An address at a service: then all that it sends and gets must go by that service. */
static void check_foreign_address(const struct account *account, struct mistakes *mistakes)
{
	int line = config_account_line(account, "address");

	if (account->pop3 == NULL && account->relay == NULL)
		mistake_add(mistakes, line,
		            "address: found \"%s\", expected an address in one of domains",
		            account->address);
	else if (account->is_incoming && account->pop3 == NULL)
		mistake_add(mistakes, line,
		            "address: found \"%s\", expected an address in one of domains, or pop3 "
		            "that its mail is fetched from",
		            account->address);
	else if (account->is_outgoing && account->relay == NULL)
		mistake_add(
			mistakes, line,
			"address: found \"%s\", expected an address in one of domains, or a relay "
			"that sends its mail",
			account->address);
	else if (account->is_incoming && !config_account_has(account, "mailbox"))
		mistake_add(
			mistakes, line,
			"mailbox: found none in [account \"%s\"], expected the address in one of "
			"domains that its mail goes to",
			account->name);
}

static void check_account(const struct config *config, const struct account *account,
                          struct mistakes *mistakes)
{
	if (account->address == NULL) {
		/* A wrong address was reported where it stands. */
		if (!config_account_has(account, "address"))
			mistake_add(mistakes, account->line,
			            "address: found none in [account \"%s\"], expected one",
			            account->name);
		return;
	}
	if (!account->is_enabled)
		return;
	if (config->domains.count > 0 && !config_has_domain(config, account->domain))
		check_foreign_address(account, mistakes);
	if (config_account_has(account, "default_for")) {
		for (size_t i = 0; i < account->default_for.count; i++)
			if (!config_has_domain(config, account->default_for.items[i]))
				mistake_add(mistakes, config_account_line(account, "default_for"),
				            "default_for: found \"%s\", expected one of domains",
				            account->default_for.items[i]);
	}
	check_side(account, account->is_default_incoming, account->is_incoming, "default_incoming",
	           "incoming", mistakes);
	check_side(account, account->is_default_outgoing, account->is_outgoing, "default_outgoing",
	           "outgoing", mistakes);
	check_side(account, account->has_internal_customers, account->is_incoming,
	           "internal_customers", "incoming", mistakes);
	check_token_room(config, account, mistakes);
	check_token_domain(config, account, mistakes);
	check_preset(account, mistakes);
	config_check_service(config, account, mistakes);
}

/* The ports of POP3 with and without TLS lead to the same inboxes. */
static uint16_t service_port(uint16_t port)
{
	return port == 995 ? 110 : port;
}

/* Each message of it would be fetched twice. */
static bool is_same_inbox(const struct account *first, const struct account *second)
{
	char first_host[ENDPOINT_HOST_SIZE], second_host[ENDPOINT_HOST_SIZE];
	uint16_t first_port, second_port;
	enum pop3_scheme scheme;

	return config_pop3(first, &scheme, first_host, &first_port) == 1 &&
	       config_pop3(second, &scheme, second_host, &second_port) == 1 &&
	       strcasecmp(first_host, second_host) == 0 &&
	       service_port(first_port) == service_port(second_port) && first->username != NULL &&
	       second->username != NULL && strcmp(first->username, second->username) == 0;
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
		mistake_add(mistakes, config_account_line(second, "address"),
		            "address: found \"%s\" in two enabled accounts, expected it in one "
		            "(first on line %d)",
		            second->address, config_account_line(first, "address"));
	check_token_domain_of_pair(first, second, false, mistakes);
	check_token_domain_of_pair(second, first, true, mistakes);
	if (first->is_enabled && second->is_enabled && is_same_inbox(first, second))
		mistake_add(mistakes, config_account_line(second, "pop3"),
		            "pop3: found the inbox of \"%s\" in two enabled accounts, expected "
		            "it in one (the other is [account \"%s\"])",
		            second->username, first->name);
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
			                                 .line = config_account_line(account, key)};
	}
	if (count > 1)
		qsort(claims, count, sizeof(*claims), compare_claims);
	for (size_t i = 1; i < count; i++) {
		if (claims[i - 1].account == claims[i].account ||
		    strcasecmp(claims[i - 1].domain, claims[i].domain) != 0)
			continue;
		mistake_add(
			mistakes, claims[i].line,
			"%s: found two enabled accounts for domain %s, expected one (the other is "
			"[account \"%s\"])",
			key, claims[i].domain, config->accounts[claims[i - 1].account].name);
	}
	free(claims);
}

/* One would destroy the other, or be taken for it. */
static void check_paths(const struct config *config, struct mistakes *mistakes)
{
	const struct {
		const char *key, *path;
	} paths[] = {
		{"store", config->store},
		{"keys", config->keys},
		{"transport_map", config->transport_map},
		{"password_socket", config->password_socket},
	};
	struct sockaddr_un address;
	size_t count = sizeof(paths) / sizeof(paths[0]);

	for (size_t i = 0; i < count; i++) {
		const char *other = NULL;

		if (paths[i].path == NULL)
			continue;
		if (strcmp(paths[i].path, config->path) == 0)
			other = "this file";
		for (size_t j = 0; j < i && other == NULL; j++)
			if (paths[j].path != NULL && strcmp(paths[i].path, paths[j].path) == 0)
				other = paths[j].key;
		if (other != NULL)
			mistake_add(mistakes, line_of(config, paths[i].key),
			            "%s: found \"%s\", which is %s too, expected another path",
			            paths[i].key, paths[i].path, other);
	}
	if (config->password_socket != NULL &&
	    strlen(config->password_socket) >= sizeof(address.sun_path))
		mistake_add(mistakes, line_of(config, "password_socket"),
		            "password_socket: found a path of %zu bytes, expected at most %zu",
		            strlen(config->password_socket), sizeof(address.sun_path) - 1);
}

void config_check(const struct config *config, int title_line, struct mistakes *mistakes)
{
	int domains_line = line_of(config, "domains");

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
	check_paths(config, mistakes);
	check_defaults(config, true, mistakes);
	check_defaults(config, false, mistakes);
}
