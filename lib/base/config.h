#ifndef REJOINDER_BASE_CONFIG_H
#define REJOINDER_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/alert_level.h"
#include "lib/base/calendar.h"
#include "lib/base/endpoint.h"
#include "lib/base/error.h"
#include "lib/base/list.h"
#include "lib/base/option.h"
#include "lib/base/version.h"

/*
 * What rejoinder.conf says: [rejoinder], one [account "Name"] an account and one
 * [calendar "Name"] a calendar, as the option tables in config.c list them.  What an account has not itself comes
 * from the [common "name"] sections that it inherits, then from its preset, then
 * from the table: here all are in place.  Read once, then passed down as
 * const; a reload reads another and swaps.  All mistakes are found before any
 * is reported.
 */

#define CONFIG_ACCOUNTS_MAX  500
#define CONFIG_CALENDARS_MAX 100

enum from_policy { FROM_KEEP, FROM_ACCOUNT, FROM_NAME };
enum envelope_policy { ENVELOPE_KEEP, ENVELOPE_ACCOUNT };
enum reply_to_policy { REPLY_TO_TOKEN, REPLY_TO_PLAIN, REPLY_TO_KEEP };
enum on_unparsable_policy { ON_UNPARSABLE_PASS, ON_UNPARSABLE_TEMPFAIL };
enum on_limit_policy { ON_LIMIT_QUEUE, ON_LIMIT_TEMPFAIL, ON_LIMIT_PASS };
enum deliver_policy { DELIVER_OWNER, DELIVER_MAILBOX, DELIVER_BOTH, DELIVER_NONE };

struct named_calendar {
	char *name;      /* from the section title; unique whatever its case */
	int line;        /* of the section title */
	char *zone_name; /* never NULL: default is zone of [rejoinder] */
	struct calendar hours;
	struct option_origin *origins; /* one per option of config_calendar_options() */
};

struct account {
	char *name;    /* from the section title; unique whatever its case */
	int line;      /* of the section title */
	char *inherit; /* the [common "..."] whose keys it takes where it has none, or NULL */
	char *preset;  /* the service whose values it takes where neither has one, or NULL */
	bool is_enabled;
	char *address;      /* lower case */
	char *domain;       /* of address; points into address, after the @ */
	char *display_name; /* never NULL: default is name */
	bool is_incoming;
	bool is_outgoing;
	bool is_default_incoming;
	bool is_default_outgoing;
	struct string_list default_for; /* domains, lower case; default: its own domain */
	struct string_list senders;     /* address patterns */
	struct string_list exclude_senders;
	struct string_list exclude_recipients;
	int from;          /* enum from_policy */
	int envelope_from; /* enum envelope_policy; account if from is not keep, or beside a relay */
	int reply_to;      /* enum reply_to_policy */
	int deliver;       /* enum deliver_policy */
	bool keep_text;
	int64_t reopen_s; /* since it was closed: 0 never, -1 always */
	bool has_internal_customers;

	char *token_domain; /* of which all addresses come here: tokens are <token>@it; or NULL */
	char *reply_to_address; /* where answers go, instead of an incoming account, or NULL */
	bool replies_always;    /* also where the message has a Reply-To of its own */
	struct string_list no_reply_to_for; /* recipient patterns that keep Reply-To out */
	struct string_list bcc;             /* addresses that get a copy of what goes out */
	int64_t daily_limit;                /* recipients outside a day (UTC); 0: none */
	int64_t daily_limit_warn;           /* percent of it at which the operator is told */
	int on_limit;                       /* enum on_limit_policy */
	char *relay; /* URL of the service that mail goes out by, or NULL; config_relay() */

	bool opens_new;       /* mail that answers nothing opens a conversation */
	char *reference_type; /* what the business calls such a conversation, or NULL */
	char *acknowledge;    /* file of the answer to its first message, or NULL */
	char *acknowledge_subject, *acknowledge_text; /* what it says; the subject may be NULL, the
	                                                 text too if the file has troubles */

	char *pop3; /* URL of the external inbox, or NULL; see config_pop3() */
	char *username;
	char *password, *password_file,
		*password_command; /* at most one of them; see config_password() */
	int64_t leave_s;           /* copies on the server: 0 no, -1 forever */
	int64_t first_fetch_s;     /* age of what the first poll fetches: 0 nothing, -1 all */
	int64_t max_message_bytes;
	int64_t poll_s;
	char *mailbox;       /* local address that fetched mail goes to; default: address */
	char *calendar_name; /* or NULL */
	const struct named_calendar *calendar; /* of that name, or NULL */
	struct alert_levels alerts;
	int64_t warn_s; /* before the first level the owner is told; 0: not */
	struct alert_repeat repeat;
	struct calendar_day quiet; /* of each day */
	struct alert_digest digest;
	struct option_origin *origins; /* one per option of config_account_options() */
};

struct config {
	char *path;
	struct string_list domains;        /* lower case */
	struct string_list internal_hosts; /* host patterns */
	struct string_list senders;        /* address patterns */
	struct string_list staff;          /* address patterns, those of staff_file included */
	size_t staff_own_count;            /* how many of staff stand before those of staff_file */
	char *staff_file;                  /* or NULL; one pattern a line, # comments */
	struct string_list exclude_senders;
	struct string_list exclude_recipients;
	char *authserv_id; /* or NULL */
	int on_unparsable; /* enum on_unparsable_policy: outgoing mail whose From cannot be read */
	char *delimiter;   /* "+" or another single character, or "" */
	int64_t token_lifetime_s;
	char *milter_socket; /* libmilter's spelling: unix:/path, inet:port@host */
	char *store;         /* path of the database */
	char *keys;          /* path of the key file */
	int64_t commit_timeout_ms;
	char *submit_to; /* host:port of the listener for mail of our own programs */
	char *ca_file;   /* of POP3 servers, or NULL: the system's */
	char *alert_from; /* From and envelope sender of alerts; default: postmaster@ the first domain */
	char *operator_address; /* who is told what the company must know; default: postmaster@ the first domain */
	char *transport_map;   /* file that `rejoinder postfix maps` writes */
	char *password_socket; /* where Postfix asks for the passwords of relays */
	char *postfix_user;    /* and who may */
	int64_t fetch_workers;
	char *backup_directory;
	int64_t backups;                  /* nightly ones that are kept; 0: none is made */
	int64_t retention_s;              /* of a conversation since its last message; 0: forever */
	char *zone_name;                  /* of accounts without a calendar */
	struct zone *zone;                /* NULL is UTC */
	struct named_calendar *calendars; /* in the order of the file */
	size_t calendar_count;
	int log;                  /* enum log_target */
	int log_level;            /* enum log_level */
	struct account *accounts; /* in the order of the file, disabled ones too */
	size_t account_count;
	struct string_list troubles;   /* as mistakes, of files that it names; see config_load() */
	struct option_origin *origins; /* one per option of config_options() */
};

/*
 * Read and check a configuration file.
 *
 * Returns 0 and *config_out (the caller's: config_free()), or -1 when anything
 * is wrong: then every mistake stands in *mistakes, one string each,
 * "path:line: key: found "x", expected y".  Checked beyond each value: a
 * section title of no known kind, an unknown key (with the nearest known one),
 * a key twice, a value over its limits, no domains, an account without address,
 * two accounts of one name or (among the enabled) one address, two enabled
 * default incoming (or outgoing) accounts for one domain, a replies address
 * whose local part leaves no room for a token within 64 octets (RFC 5321
 * 4.5.3.1.1), an inbox or a relay without its side, user name or password, a
 * password in a file that others can read, an unknown preset or [common] section
 * or a loop of them, a limit that nothing can keep, an unknown zone or calendar, a
 * calendar without working time, quiet hours without an end, a level, warning or
 * repetition that cannot be, a line over 199 bytes
 * (libinih's limit).  A mistake that several accounts inherit stands there once.
 *
 * A secret that is missing must not stop the mail of all others: what is wrong
 * with the files that enabled accounts name (`password_file` absent or readable by
 * others, `acknowledge` no text) is no mistake but stands in config->troubles, in
 * the same form.  That one thing does not work, and an account whose answer cannot
 * be read has no acknowledge_text.  When there are mistakes, troubles follow them
 * in *mistakes.
 */
int config_load(const char *path, struct config **config_out,
                struct string_list *mistakes) MUST_CHECK;
void config_free(struct config *config);

/* Print what is in force, each value with where it comes from (file:line or default). */
void config_print(const struct config *config, FILE *stream);

/* The option tables, each ended by an entry without a name. */
const struct option *config_options(void);
const struct option *config_account_options(void);
const struct option *config_calendar_options(void);

/* The zone of an account's people, NULL is UTC; and its name, ZONE_LOCAL for the machine's. */
const struct zone *config_zone(const struct config *config, const struct account *account);
const char *config_zone_name(const struct config *config, const struct account *account);

/* Is the domain (any case) one of `domains`? */
bool config_has_domain(const struct config *config, const char *domain);
/* Is the address (any case) in one of `domains`, or that of an enabled account? */
bool config_is_inside(const struct config *config, const char *address);
/*
 * The domain of the message ids that are made under an account: its own, or the
 * first of `domains` for an account whose address is at a service's domain.
 */
const char *config_id_domain(const struct config *config, const struct account *account);
bool config_is_staff(const struct config *config, const char *address);

/*
 * Enabled accounts only, NULL if there is none.  By address: the address itself
 * (any case, no detail).  By name: in any case; NULL is nobody's.  Default: the one default incoming (outgoing) account
 * that serves the domain.
 */
const struct account *config_account_by_address(const struct config *config, const char *address);
const struct account *config_account_by_name(const struct config *config, const char *name);
const struct account *config_default_incoming(const struct config *config, const char *domain);
const struct account *config_default_outgoing(const struct config *config, const char *domain);

/* Read the URL of an account's inbox. 1 and its parts, 0 if it has none. */
int config_pop3(const struct account *account, enum pop3_scheme *scheme_out,
                char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out);

/* Read the URL of an account's relay. 1 and its parts, 0 if it has none. */
int config_relay(const struct account *account, enum relay_scheme *scheme_out,
                 char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out);

/*
 * Get an account's password from where the configuration says (a command is run
 * without a shell, 10 s, 64 KiB).  0 and *out (secret_free() with *length_out), or -1 with *err
 * (ERROR_CONFIG; ERROR_TEMPORARY if the command failed).
 */
int config_password(const struct account *account, char **out, size_t *length_out,
                    struct error *err) MUST_CHECK;

/*
 * The enabled incoming account that an envelope recipient belongs to, with or
 * without +detail and in any case.  *detail_out points into rcpt at the detail
 * (length in *detail_length_out), or is NULL when there is none.
 */
const struct account *config_incoming_for_rcpt(const struct config *config, const char *rcpt,
                                               const char **detail_out, size_t *detail_length_out);

#endif
