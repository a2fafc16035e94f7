#include "milter/acknowledge.h"

#include <string.h>
#include <strings.h>

/* Local parts of which no person reads the mail (RFC 3834 2, RFC 2142, and what is seen). */
static const char *const programs[] = {
	"bounce",     "bounces",  "daemon",   "do-not-reply",  "do.not.reply",  "do_not_reply",
	"donotreply", "listserv", "mailer",   "mailer-daemon", "majordomo",     "no-reply",
	"no.reply",   "no_reply", "nobody",   "noreply",       "notifications", "postmaster",
	"root",       "uucp",     "www-data",
};
static const char *const program_beginnings[] = {
	"bounce+",   "bounce-",   "bounces+", "bounces-", "do-not-reply-", "donotreply-",
	"no-reply+", "no-reply-", "noreply+", "noreply-", "owner-",
};
static const char *const program_ends[] = {
	"-bounce", "-bounces", "-donotreply", "-no-reply", "-noreply",
	"-owner",  "-relay",   "-request",    ".noreply",  "_noreply",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool is_program(const char *address)
{
	size_t length = (size_t)(address_domain(address) - address) - 1;

	for (size_t i = 0; i < COUNT(programs); i++)
		if (strlen(programs[i]) == length && strncasecmp(address, programs[i], length) == 0)
			return true;
	for (size_t i = 0; i < COUNT(program_beginnings); i++)
		if (strncasecmp(address, program_beginnings[i], strlen(program_beginnings[i])) == 0)
			return true;
	for (size_t i = 0; i < COUNT(program_ends); i++) {
		size_t end = strlen(program_ends[i]);
		/* A VERP address has the reader's behind it: list-bounces+reader=example.org. */
		size_t local = strcspn(address, "+@");

		if (length >= end && strncasecmp(address + length - end, program_ends[i], end) == 0)
			return true;
		if (local >= end && strncasecmp(address + local - end, program_ends[i], end) == 0)
			return true;
	}
	return false;
}

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

	if (plan->route != ROUTE_INBOUND || plan->account == NULL ||
	    plan->account->acknowledge_text == NULL || !class_is_human(plan->record.class))
		return NULL;
	/* Whoever it claims to be from would get it. */
	if (plan->record.auth != NULL && strcmp(plan->record.auth, "fail") == 0)
		return NULL;
	/* Also what is no address, which stands there as "?". */
	if (strchr(mail->sender, '@') == NULL || !is_plain(mail->sender) ||
	    is_program(mail->sender) || config_is_inside(config, mail->sender) ||
	    mail->is_from_inside || config_account_by_address(config, mail->sender) != NULL ||
	    config_account_by_address(config, mail_from(mail)) != NULL)
		return NULL;
	if (mail->fetched_for != plan->account && !mail_is_addressed_to(mail, plan->account))
		return NULL;
	return mail->sender;
}
