#include "milter/acknowledge.h"

#include <string.h>
#include <strings.h>

#include "lib/mail/program.h"

/*
 * Can mail be sent to it, and does it end there?  A literal may be a host of our own
 * network, and what is between ! or % a way to somebody else.
 */
static bool is_plain(const char *address)
{
	const char *domain = address_domain(address);
	size_t length = strlen(address), local_length = (size_t)(domain - address) - 1;

	if (length > ADDRESS_MAX_BYTES || local_length == 0 || *domain == '\0' || *domain == '[' ||
	    strcspn(address, "!%@\"\\") != local_length)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)address[i] <= ' ' || strchr("<>\x7f", address[i]) != NULL)
			return false;
	return true;
}

const char *acknowledge_recipient(const struct plan *plan, const struct mail *mail)
{
	const struct config *config = mail->policy->config;
	bool is_colleague = plan->route == ROUTE_INTERNAL;

	if ((plan->route != ROUTE_INBOUND && !is_colleague) || plan->account == NULL ||
	    plan->account->acknowledge_text == NULL || !class_is_human(plan->record.class) ||
	    (is_colleague && !plan->account->has_internal_customers))
		return NULL;
	/* Whoever it claims to be from would get it. */
	if (plan->record.auth != NULL && strcmp(plan->record.auth, "fail") == 0)
		return NULL;
	/* Also what is no address, which stands there as "?". */
	if (strchr(mail->sender, '@') == NULL || !is_plain(mail->sender) ||
	    address_is_program(mail->sender) ||
	    (!is_colleague && (config_is_inside(config, mail->sender) || mail->is_from_inside)) ||
	    config_account_by_address(config, mail->sender) != NULL ||
	    config_account_by_address(config, mail_from(mail)) != NULL)
		return NULL;
	if (mail->fetched_for != plan->account && !mail_is_addressed_to(mail, plan->account))
		return NULL;
	return mail->sender;
}
