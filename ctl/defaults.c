#include "ctl/defaults.h"

#include <stddef.h>

const char *defaults_missing_incoming(const struct config *config, const char *domain)
{
	if (config_default_incoming(config, domain) != NULL)
		return NULL;
	return "without a default incoming account, mail sent by accounts here that are not "
	       "incoming themselves gets no Reply-To of ours";
}

const char *defaults_missing_outgoing(const struct config *config, const char *domain)
{
	if (config_default_outgoing(config, domain) != NULL)
		return NULL;
	return "without a default outgoing account, mail from senders here whom no account names "
	       "is left as it is";
}

bool defaults_lack_reply_to(const struct config *config, const struct account *account)
{
	return account->is_enabled && account->is_outgoing && !account->is_incoming &&
	       account->reply_to != REPLY_TO_KEEP && account->reply_to_address == NULL &&
	       config_default_incoming(config, account->domain) == NULL;
}
