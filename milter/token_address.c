#include "milter/token_address.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/base/digest.h"

#define DELIMITERS "+-=_.~#" /* of mail servers, and what some make of a + */

static bool is_token_text(const char *text)
{
	for (size_t i = 0; i < TOKEN_LENGTH; i++)
		if (base32_value(text[i]) < 0)
			return false;
	return true;
}

static void verify(struct token_address *out, const struct policy *policy,
                   const struct account *account, const char *domain, const char *text,
                   size_t length, int64_t now)
{
	out->verdict = token_verify(&policy->keys, text, length, domain, now,
	                            policy->config->token_lifetime_s, &out->conversation);
	/* Any other detail of an address is the admin's own use of it. */
	if (out->verdict == TOKEN_MALFORMED && length != TOKEN_LENGTH)
		return;
	out->account = account;
	out->text = text;
	out->length = length;
}

/* An account's address, another delimiter, and as many characters as a token has. */
static void read_behind_any_delimiter(struct token_address *out, const struct policy *policy,
                                      const char *address, size_t local_length, const char *domain,
                                      int64_t now)
{
	const struct config *config = policy->config;
	const char *token;
	size_t base_length;

	if (local_length < TOKEN_LENGTH + 2)
		return;
	base_length = local_length - TOKEN_LENGTH - 1;
	token = address + base_length + 1;
	if (strchr(DELIMITERS, token[-1]) == NULL || !is_token_text(token))
		return;
	for (size_t i = 0; i < config->account_count && out->account == NULL; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->is_incoming &&
		    strcspn(account->address, "@") == base_length &&
		    strncasecmp(account->address, address, base_length) == 0 &&
		    strcasecmp(account->domain, domain) == 0)
			verify(out, policy, account, account->domain, token, TOKEN_LENGTH, now);
	}
}

/* Of other mail to such a domain nothing says that it is for the account. */
static void read_at_token_domain(struct token_address *out, const struct policy *policy,
                                 const char *address, size_t local_length, const char *domain,
                                 int64_t now)
{
	const struct config *config = policy->config;

	if (local_length == TOKEN_LENGTH && !is_token_text(address))
		return;
	for (size_t i = 0; i < config->account_count && out->account == NULL; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->is_incoming && account->token_domain != NULL &&
		    strcasecmp(account->token_domain, domain) == 0)
			verify(out, policy, account, account->token_domain, address, local_length,
			       now);
	}
}

void token_address_read(struct token_address *out, const struct policy *policy, const char *address,
                        int64_t now)
{
	const char *at = strrchr(address, '@');
	const char *detail;
	size_t detail_length;

	*out = (struct token_address){.verdict = TOKEN_MALFORMED};
	if (at == NULL)
		return;
	out->account = config_incoming_for_rcpt(policy->config, address, &detail, &detail_length);
	if (out->account != NULL && detail != NULL)
		verify(out, policy, out->account, out->account->domain, detail, detail_length, now);
	if (out->account == NULL)
		read_behind_any_delimiter(out, policy, address, (size_t)(at - address), at + 1,
		                          now);
	if (out->account == NULL)
		read_at_token_domain(out, policy, address, (size_t)(at - address), at + 1, now);
}
