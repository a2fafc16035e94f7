#include "lib/mail/program.h"

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

bool address_is_program(const char *address)
{
	const char *at = strrchr(address, '@');
	size_t length = at != NULL ? (size_t)(at - address) : strlen(address);

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
