#include <string.h>
#include <strings.h>

#include "ctl/care.h"
#include "lib/mail/address.h"

static int assign(struct store *store, int64_t conversation, const void *owner, int64_t now,
                  int64_t deadline_ms, struct error *err)
{
	return store_assign(store, conversation, owner, now, deadline_ms, err);
}

/* Mail to an owner goes to him instead of the account: he must be a person of the company. */
static bool may_own(const struct invocation *invocation, const struct config *config,
                    const char *address)
{
	const struct account *account = config_account_by_address(config, address);

	if (strlen(address) > ADDRESS_MAX_BYTES || !config_is_staff(config, address)) {
		command_usage_error(invocation, "%s is not staff, as the configuration says",
		                    address);
		return false;
	}
	if (account != NULL) {
		command_usage_error(invocation, "%s is the address of account \"%s\", not a person",
		                    address, account->name);
		return false;
	}
	return true;
}

int command_assign(struct invocation *invocation)
{
	struct conversation_row row = {0};
	struct config *config;
	const char *owner;
	int status;

	if (!command_arguments(invocation, NULL, 2, 2, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	owner = strcasecmp(invocation->argv[1], "none") == 0 ? NULL : invocation->argv[1];
	if (owner != NULL && !may_own(invocation, config, owner))
		status = EX_USAGE;
	else
		status = care_find(invocation, config, &row);
	if (status == 0)
		status = care_make(config, row.id, assign, owner);
	if (status == 0 && owner != NULL)
		care_say(&row, "is now %s's", owner);
	else if (status == 0)
		care_say(&row, "is now whose answers it next");
	conversation_row_release(&row);
	config_free(config);
	return status;
}
