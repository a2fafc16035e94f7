#include "lib/base/config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/config_read.h"
#include "lib/base/directories.h"
#include "lib/base/memory.h"
#include "lib/base/pattern.h"

#define PRINTED_VALUE_MAX   1000000
#define PRINTED_LIST_COLUMN 72

/* In the order of the enums they fill. */
static const char *const log_targets[] = {"stderr", "syslog", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const from_policies[] = {"keep", "account", "name", NULL};
static const char *const envelope_policies[] = {"keep", "account", NULL};
static const char *const reply_to_policies[] = {"token", "plain", "keep", NULL};
static const char *const on_unparsable_policies[] = {"pass", "tempfail", NULL};
static const char *const on_limit_policies[] = {"queue", "tempfail", "pass", NULL};
static const char *const deliver_policies[] = {"owner", "mailbox", "both", "none", NULL};

/* Stored as 0 and -1. */
static const char *const leave_words[] = {"no", "forever", NULL};
static const char *const first_fetch_words[] = {"none", "all", NULL};
static const char *const reopen_words[] = {"never", "always", NULL};
static const char *const retention_words[] = {"forever", NULL};

#define DAY_S ((int64_t)24 * 60 * 60)

#define MEMBER(name) .offset = offsetof(struct config, name)

static const struct option options[] = {
	{"domains", OPTION_DOMAINS, MEMBER(domains),
         .help = "The domains whose mail is inside; at least one."},
	{"internal_hosts", OPTION_HOSTS, MEMBER(internal_hosts), .fallback = "127.0.0.1, ::1",
         .help = "Clients whose mail counts as ours without authentication."},
	{"senders", OPTION_PATTERNS, MEMBER(senders),
         .help = "Whose mail may be rewritten under a default account."},
	{"staff", OPTION_PATTERNS, MEMBER(staff),
         .help = "Who works here: the people who may own a conversation."},
	{"staff_file", OPTION_PATH, MEMBER(staff_file),
         .help = "A file with more patterns for staff, one a line."},
	{"exclude_senders", OPTION_PATTERNS, MEMBER(exclude_senders),
         .help = "Whose mail is never rewritten."},
	{"exclude_recipients", OPTION_PATTERNS, MEMBER(exclude_recipients),
         .help = "Mail to whom is never rewritten."},
	{"authserv_id", OPTION_TEXT, MEMBER(authserv_id),
         .help = "The name in the Authentication-Results fields that are believed."},
	{"on_unparsable", OPTION_CHOICE, MEMBER(on_unparsable), .choices = on_unparsable_policies,
         .fallback = "pass", .help = "What becomes of outgoing mail whose From cannot be read."},
	{"delimiter", OPTION_DELIMITER, MEMBER(delimiter), .fallback = "+",
         .help = "What stands before a token in an address; empty: no tokens in addresses."},
	{"token_lifetime", OPTION_DURATION, MEMBER(token_lifetime_s), .unit = UNIT_SECONDS,
         .fallback = "400d", .min = DAY_S, .max = 3650 * DAY_S,
         .help = "How long a token is believed."},
	{"milter_socket", OPTION_SOCKET, MEMBER(milter_socket),
         .fallback = "unix:" REJOINDER_SOCKETDIR "/milter.sock",
         .help = "Where the milter listens for Postfix."},
	{"store", OPTION_PATH, MEMBER(store), .fallback = STATE_DIRECTORY "/rejoinder.db",
         .help = "The database."},
	{"keys", OPTION_PATH, MEMBER(keys), .fallback = STATE_DIRECTORY "/keys",
         .help = "The file of the keys that sign tokens."},
	{"commit_timeout", OPTION_DURATION, MEMBER(commit_timeout_ms), .unit = UNIT_MILLISECONDS,
         .fallback = "10s", .min = 100, .max = 120000,
         .help = "How long a message may wait to be recorded before it gets a 451."},
	{"submit_to", OPTION_HOST_PORT, MEMBER(submit_to), .fallback = "127.0.0.1:2524",
         .help = "Postfix's listener for mail of our own programs."},
	{"ca_file", OPTION_PATH, MEMBER(ca_file),
         .help = "The certificates that POP3 servers are verified with; default: the system's."},
	{"fetch_workers", OPTION_NUMBER, MEMBER(fetch_workers), .fallback = "4", .min = 1,
         .max = 32, .help = "How many inboxes are polled at once."},
	{"operator", OPTION_ADDRESS, MEMBER(operator_address),
         .help = "Who is told of what an operator must know; default: postmaster at the first "
                 "of domains."},
	{"transport_map", OPTION_PATH, MEMBER(transport_map),
         .fallback = "/etc/postfix/rejoinder_transport",
         .help = "The file that `rejoinder postfix maps` writes for Postfix."},
	{"password_socket", OPTION_PATH, MEMBER(password_socket),
         .fallback = REJOINDER_SOCKETDIR "/password.sock",
         .help = "Where Postfix asks for the passwords of relays."},
	{"postfix_user", OPTION_TEXT, MEMBER(postfix_user), .fallback = "postfix",
         .help = "The user who may ask for them."},
	{"alert_from", OPTION_ADDRESS, MEMBER(alert_from),
         .help = "Who alerts come from; default: postmaster at the first of domains."},
	{"zone", OPTION_TEXT, MEMBER(zone_name), .fallback = ZONE_LOCAL,
         .help = "The time zone of accounts without a calendar; localtime: the machine's."},
	{"backup_directory", OPTION_PATH, MEMBER(backup_directory),
         .fallback = STATE_DIRECTORY "/backup",
         .help = "Where the nightly backups of store and keys stand."},
	{"backups", OPTION_NUMBER, MEMBER(backups), .fallback = "2", .min = 0, .max = 31,
         .help = "How many nightly backups are kept; 0: none is made."},
	{"retention", OPTION_DURATION, MEMBER(retention_s), .unit = UNIT_SECONDS,
         .fallback = "forever", .min = DAY_S, .max = 3650 * DAY_S, .choices = retention_words,
         .help = "How long conversations in which nobody writes any more are kept."},
	{"log", OPTION_CHOICE, MEMBER(log), .choices = log_targets, .fallback = "syslog",
         .help = "Where the log goes."},
	{"log_level", OPTION_CHOICE, MEMBER(log_level), .choices = log_levels, .fallback = "info",
         .help = "The least important lines that are logged."},
	{NULL},
};

#undef MEMBER
#define MEMBER(name) .offset = offsetof(struct account, name)

static const struct option account_options[] = {
	{"inherit", OPTION_TEXT, MEMBER(inherit),
         .help = "The [common] section whose keys the account takes where it has none."},
	{"preset", OPTION_TEXT, MEMBER(preset),
         .help = "The service whose servers and limits it takes; see rejoinder presets."},
	{"enabled", OPTION_YES_NO, MEMBER(is_enabled), .fallback = "yes",
         .help = "Whether the account takes part in anything."},
	{"address", OPTION_ADDRESS, MEMBER(address), .help = "The address of the account."},
	{"display_name", OPTION_TEXT, MEMBER(display_name),
         .help = "The name beside the address; default: the name of the section."},
	{"incoming", OPTION_YES_NO, MEMBER(is_incoming), .fallback = "no",
         .help = "Whether mail to the address is tagged."},
	{"outgoing", OPTION_YES_NO, MEMBER(is_outgoing), .fallback = "no",
         .help = "Whether mail can go out under the account."},
	{"default_incoming", OPTION_YES_NO, MEMBER(is_default_incoming), .fallback = "no",
         .help = "Whether replies to accounts without an incoming side come here."},
	{"default_outgoing", OPTION_YES_NO, MEMBER(is_default_outgoing), .fallback = "no",
         .help = "Whether named senders whom no account names go out under it."},
	{"default_for", OPTION_DOMAINS, MEMBER(default_for),
         .help = "The domains that it is a default for; default: its own."},
	{"senders", OPTION_PATTERNS, MEMBER(senders), .help = "Whose mail goes out under it."},
	{"exclude_senders", OPTION_PATTERNS, MEMBER(exclude_senders),
         .help = "Whose mail never goes out under it."},
	{"exclude_recipients", OPTION_PATTERNS, MEMBER(exclude_recipients),
         .help = "Mail to whom never goes out under it."},
	{"from", OPTION_CHOICE, MEMBER(from), .choices = from_policies, .fallback = "keep",
         .help = "What From becomes."},
	{"envelope_from", OPTION_CHOICE, MEMBER(envelope_from), .choices = envelope_policies,
         .help = "What the envelope sender becomes; default: keep where from is keep, or account."},
	{"reply_to", OPTION_CHOICE, MEMBER(reply_to), .choices = reply_to_policies,
         .fallback = "token", .help = "What Reply-To becomes."},
	{"token_domain", OPTION_DOMAIN, MEMBER(token_domain),
         .help = "A domain all of whose addresses come to this account: Reply-To becomes "
                 "<token>@it."},
	{"reply_to_address", OPTION_ADDRESS, MEMBER(reply_to_address),
         .help = "Where answers go; default: the incoming account's address."},
	{"replies_always", OPTION_YES_NO, MEMBER(replies_always), .fallback = "no",
         .help = "Whether a Reply-To that the message has is replaced, wherever it leads."},
	{"no_reply_to_for", OPTION_PATTERNS, MEMBER(no_reply_to_for),
         .help = "Recipients who refuse a Reply-To that differs from From."},
	{"bcc", OPTION_ADDRESSES, MEMBER(bcc), .help = "Who gets a copy of what goes out."},
	{"daily_limit", OPTION_NUMBER, MEMBER(daily_limit), .fallback = "0", .min = 0,
         .max = 1000000000,
         .help = "To how many recipients outside mail may go a day (UTC); 0: no limit."},
	{"daily_limit_warn", OPTION_NUMBER, MEMBER(daily_limit_warn), .fallback = "80", .min = 1,
         .max = 99, .help = "The percent of daily_limit at which the operator is told."},
	{"on_limit", OPTION_CHOICE, MEMBER(on_limit), .choices = on_limit_policies,
         .fallback = "queue", .help = "What becomes of mail over daily_limit."},
	{"relay", OPTION_RELAY_URL, MEMBER(relay), .help = "The service that mail goes out by."},
	{"open_new", OPTION_YES_NO, MEMBER(opens_new), .fallback = "yes",
         .help = "Whether mail that answers nothing opens a conversation."},
	{"reference_type", OPTION_TEXT, MEMBER(reference_type),
         .help = "What the business calls such a conversation."},
	{"acknowledge", OPTION_PATH, MEMBER(acknowledge),
         .help = "A file: what is answered to the first message of a conversation."},
	{"deliver", OPTION_CHOICE, MEMBER(deliver), .choices = deliver_policies,
         .fallback = "owner", .help = "Who gets what comes in."},
	{"reopen", OPTION_DURATION, MEMBER(reopen_s), .unit = UNIT_SECONDS, .fallback = "always",
         .min = 1, .max = 3650 * DAY_S, .choices = reopen_words,
         .help = "How long a customer's mail opens a closed conversation again; later, and with "
                 "never, it begins a new one."},
	{"internal_customers", OPTION_YES_NO, MEMBER(has_internal_customers), .fallback = "no",
         .help = "Whether a colleague who writes to this account waits as a customer does."},
	{"keep_text", OPTION_YES_NO, MEMBER(keep_text), .fallback = "no",
         .help = "Whether the first 1 KiB of new text is kept."},
	{"pop3", OPTION_POP3_URL, MEMBER(pop3), .help = "The external inbox that is fetched."},
	{"username", OPTION_TEXT, MEMBER(username),
         .help = "The user name at the inbox and the relay."},
	{"password", OPTION_SECRET, MEMBER(password), .help = "The password of that user."},
	{"password_file", OPTION_PATH, MEMBER(password_file),
         .help = "A file that holds the password."},
	{"password_command", OPTION_TEXT, MEMBER(password_command),
         .help = "A command that prints the password."},
	{"mailbox", OPTION_ADDRESS, MEMBER(mailbox),
         .help = "The local address that fetched mail goes to; default: address."},
	{"leave", OPTION_DURATION, MEMBER(leave_s), .unit = UNIT_SECONDS, .fallback = "14d",
         .min = 1, .max = 3650 * DAY_S, .choices = leave_words,
         .help = "How long fetched mail stays in the inbox."},
	{"first_fetch", OPTION_DURATION, MEMBER(first_fetch_s), .unit = UNIT_SECONDS,
         .fallback = "7d", .min = 1, .max = 3650 * DAY_S, .choices = first_fetch_words,
         .help = "How old mail the first poll of an inbox fetches."},
	{"max_message_size", OPTION_SIZE, MEMBER(max_message_bytes), .fallback = "50M", .min = 1024,
         .max = 1024 * 1024 * 1024, .help = "The largest message that is fetched."},
	{"poll", OPTION_DURATION, MEMBER(poll_s), .unit = UNIT_SECONDS, .fallback = "5m", .min = 10,
         .max = DAY_S, .help = "How often the inbox is looked into."},
	{"alert", OPTION_ALERTS, MEMBER(alerts), .unit = UNIT_SECONDS, .min = 1, .max = 365 * DAY_S,
         .help = "Who is told when somebody has waited how long."},
	{"calendar", OPTION_TEXT, MEMBER(calendar_name),
         .help = "The [calendar] section that says when business time passes."},
	{"warn", OPTION_WARNING, MEMBER(warn_s), .unit = UNIT_SECONDS, .min = 1, .max = 365 * DAY_S,
         .help = "How long before the first level the owner is told."},
	{"repeat", OPTION_REPEAT, MEMBER(repeat), .unit = UNIT_SECONDS, .min = 1,
         .max = 365 * DAY_S, .help = "How often the last level is told again."},
	{"quiet", OPTION_INTERVALS, MEMBER(quiet),
         .help = "When alerts that are not urgent are held back."},
	{"digest", OPTION_DIGEST, MEMBER(digest),
         .help = "When and to whom all are listed that wait, once a day."},
	{NULL},
};

#undef MEMBER
#define MEMBER(name) .offset = offsetof(struct named_calendar, name)
#define WEEKDAY(number)                                                                            \
	.type = OPTION_INTERVALS, MEMBER(hours.days[number]),                                      \
	.help = "The working time that begins on this day."

static const struct option calendar_options[] = {
	{"zone", OPTION_TEXT, MEMBER(zone_name),
         .help = "The time zone; default: zone of [rejoinder]."},
	{"monday", WEEKDAY(0)},
	{"tuesday", WEEKDAY(1)},
	{"wednesday", WEEKDAY(2)},
	{"thursday", WEEKDAY(3)},
	{"friday", WEEKDAY(4)},
	{"saturday", WEEKDAY(5)},
	{"sunday", WEEKDAY(6)},
	{"holidays", OPTION_HOLIDAYS, MEMBER(hours),
         .help = "Days whose working time is none: 2026-12-24, or 12-25 for every year."},
	{NULL},
};

const struct option *config_options(void)
{
	return options;
}

const struct option *config_account_options(void)
{
	return account_options;
}

const struct option *config_calendar_options(void)
{
	return calendar_options;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	config_release_accounts(config->accounts, config->account_count);
	config_release_calendars(config->calendars, config->calendar_count);
	zone_free(config->zone);
	option_release_all(options, config);
	string_list_release(&config->troubles);
	free(config->origins);
	free(config->path);
	free(config);
}

/* A long list goes on in indented lines, as it would be written. */
static void print_list(const char *name, const char *value, const char *origin, FILE *stream)
{
	fprintf(stream, "%s =  # %s\n", name, origin);
	while (*value != '\0') {
		size_t line = 0, item;

		while (value[line] != '\0') {
			item = strcspn(value + line, " ");
			if (line > 0 && line + item > PRINTED_LIST_COLUMN)
				break;
			line += item + (value[line + item] == ' ');
		}
		fprintf(stream, "\t%.*s\n", (int)line, value);
		value += line;
	}
}

static void print_alerts(const char *name, const char *value, const struct alert_levels *alerts,
                         const char *path, FILE *stream)
{
	for (size_t i = 0; i < alerts->count; i++) {
		size_t length = strcspn(value, "\n");

		fprintf(stream, "%s = %.*s  # %s:%d\n", name, (int)length, value, path,
		        alerts->items[i].line);
		value += length + (value[length] == '\n');
	}
}

static void print_options(const struct config *config, const struct option *table, const void *base,
                          const struct option_origin *origins, FILE *stream)
{
	struct buffer value, origin;

	buffer_init(&value, PRINTED_VALUE_MAX);
	buffer_init(&origin, PRINTED_VALUE_MAX);
	for (size_t i = 0; table[i].name != NULL; i++) {
		buffer_clear(&value);
		buffer_clear(&origin);
		option_format(&table[i], base, &value);
		if (origins[i].line > 0)
			buffer_printf(&origin, "%s:%d", config->path, origins[i].line);
		else if (origins[i].preset != NULL)
			buffer_printf(&origin, "preset %s", origins[i].preset);
		else
			buffer_append_text(&origin, "default");
		if (strcmp(table[i].name, "staff_file") == 0 && config->staff_file != NULL)
			buffer_printf(&origin, ", %zu patterns",
			              config->staff.count - config->staff_own_count);
		if (table[i].type == OPTION_ALERTS && value.length > 0)
			print_alerts(table[i].name, value.data,
			             &((const struct account *)base)->alerts, config->path, stream);
		else if (option_is_list(&table[i]) && value.length > PRINTED_LIST_COLUMN)
			print_list(table[i].name, value.data, origin.data, stream);
		else
			fprintf(stream, "%s =%s%s  # %s\n", table[i].name,
			        value.length > 0 ? " " : "", value.data, origin.data);
	}
	buffer_release(&value);
	buffer_release(&origin);
}

void config_print(const struct config *config, FILE *stream)
{
	/* The patterns of staff_file stand in that file. */
	struct config own = *config;

	own.staff.count = config->staff_own_count;
	fprintf(stream, "[rejoinder]\n");
	print_options(config, options, &own, config->origins, stream);
	for (size_t i = 0; i < config->calendar_count; i++) {
		const struct named_calendar *calendar = &config->calendars[i];

		fprintf(stream, "\n[calendar \"%s\"]\n", calendar->name);
		print_options(config, calendar_options, calendar, calendar->origins, stream);
	}
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		fprintf(stream, "\n[account \"%s\"]\n", account->name);
		print_options(config, account_options, account, account->origins, stream);
	}
}

bool config_has_domain(const struct config *config, const char *domain)
{
	return string_list_has_nocase(&config->domains, domain);
}

bool config_is_inside(const struct config *config, const char *address)
{
	const char *at = address != NULL ? strrchr(address, '@') : NULL;

	return at != NULL && (config_has_domain(config, at + 1) ||
	                      config_account_by_address(config, address) != NULL);
}

const char *config_id_domain(const struct config *config, const struct account *account)
{
	return config_has_domain(config, account->domain) ? account->domain
	                                                  : config->domains.items[0];
}

bool config_is_staff(const struct config *config, const char *address)
{
	return pattern_list_matches(&config->staff, address);
}

const struct account *config_account_by_address(const struct config *config, const char *address)
{
	if (address == NULL)
		return NULL;
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && strcasecmp(account->address, address) == 0)
			return account;
	}
	return NULL;
}

const struct account *config_account_by_name(const struct config *config, const char *name)
{
	for (size_t i = 0; name != NULL && i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && strcasecmp(account->name, name) == 0)
			return account;
	}
	return NULL;
}

const struct account *config_default_incoming(const struct config *config, const char *domain)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->is_incoming && account->is_default_incoming &&
		    string_list_has_nocase(&account->default_for, domain))
			return account;
	}
	return NULL;
}

const struct account *config_default_outgoing(const struct config *config, const char *domain)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->is_outgoing && account->is_default_outgoing &&
		    string_list_has_nocase(&account->default_for, domain))
			return account;
	}
	return NULL;
}

/*
 * How many bytes of the recipient's local part are the account's (its own and
 * the delimiter), or 0 if the recipient is not the account's.
 */
static size_t rcpt_base_length(const struct config *config, const struct account *account,
                               const char *rcpt, size_t local_length)
{
	size_t own_length = strcspn(account->address, "@");
	size_t delimiter_length = strlen(config->delimiter);

	if (local_length < own_length || strncasecmp(rcpt, account->address, own_length) != 0)
		return 0;
	if (local_length == own_length)
		return own_length;
	if (delimiter_length == 0 || local_length < own_length + delimiter_length ||
	    memcmp(rcpt + own_length, config->delimiter, delimiter_length) != 0)
		return 0;
	return own_length + delimiter_length;
}

const struct account *config_incoming_for_rcpt(const struct config *config, const char *rcpt,
                                               const char **detail_out, size_t *detail_length_out)
{
	const char *at = rcpt != NULL ? strrchr(rcpt, '@') : NULL;
	const struct account *best = NULL;
	size_t best_length = 0, local_length;

	*detail_out = NULL;
	*detail_length_out = 0;
	if (at == NULL)
		return NULL;
	local_length = (size_t)(at - rcpt);
	/* The longest base wins; where two are as long, one of them is the address itself. */
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		size_t length;

		if (!account->is_enabled || !account->is_incoming ||
		    strcasecmp(account->domain, at + 1) != 0)
			continue;
		length = rcpt_base_length(config, account, rcpt, local_length);
		if (length > best_length || (length > 0 && account->address[local_length] == '@')) {
			best = account;
			best_length = length;
		}
	}
	if (best != NULL && best_length < local_length) {
		*detail_out = rcpt + best_length;
		*detail_length_out = local_length - best_length;
	}
	return best;
}
