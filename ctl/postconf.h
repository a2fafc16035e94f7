#ifndef REJOINDER_CTL_POSTCONF_H
#define REJOINDER_CTL_POSTCONF_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"
#include "lib/base/list.h"

/*
 * What Postfix's configuration says, read once through postconf(1): main.cf with
 * all defaults, and the services of master.cf with their -o overrides.
 */

struct postconf;

/* A line of master.cf. Strings borrowed from the struct postconf. */
struct postconf_service {
	const char *name;    /* smtp, submission, 127.0.0.1:2524, cleanup, ... */
	const char *type;    /* inet, unix, pass, fifo */
	const char *command; /* smtpd, cleanup, ...: the program without arguments */
	bool is_chrooted;
	const char *line; /* all of it as `postconf -M` prints it */
};

/*
 * directory: of main.cf and master.cf, NULL for Postfix's own.  NULL with *err: there is no
 * Postfix (ERROR_CONFIG), postconf fails or says too much (ERROR_TEMPORARY).
 */
struct postconf *postconf_read(const char *directory, struct error *err) MUST_CHECK;
void postconf_free(struct postconf *postconf);

/* What postconf_read() reads, as text. */
struct postconf_text {
	const char *main_cf;   /* the file */
	const char *raw;       /* postconf */
	const char *expanded;  /* postconf -x */
	const char *services;  /* postconf -M */
	const char *overrides; /* postconf -P */
};

/* The same from text that was read already. */
struct postconf *postconf_parse(const char *directory, const struct postconf_text *text) MUST_CHECK;

/* Its directory, absolute: where main.cf stands. */
const char *postconf_directory(const struct postconf *postconf);

/* A parameter's value, $names expanded, "" if it is empty or not known. Borrowed. */
const char *postconf_value(const struct postconf *postconf, const char *parameter);
/* As it stands in main.cf, $names as written; NULL if it does not stand there. Borrowed. */
const char *postconf_own_value(const struct postconf *postconf, const char *parameter);
/* The same, or its default if it does not stand there; NULL if Postfix knows no such name. */
const char *postconf_raw_value(const struct postconf *postconf, const char *parameter);
bool postconf_is_yes(const struct postconf *postconf, const char *parameter);

/* The services in the order of master.cf. */
size_t postconf_service_count(const struct postconf *postconf);
const struct postconf_service *postconf_service(const struct postconf *postconf, size_t i);
/* A parameter as the service sees it: its -o override, else that of main.cf; $names expanded. */
const char *postconf_service_value(const struct postconf *postconf, size_t i,
                                   const char *parameter);
/* Its -o override, $names as written; NULL if there is none. Borrowed. */
const char *postconf_service_own_value(const struct postconf *postconf, size_t i,
                                       const char *parameter);

/* The elements of a list: separated by commas and blanks, but not within { }. */
void postconf_list_split(const char *value, struct string_list *out);

/* One milter of a list such as smtpd_milters: $names are expanded, { } taken off. */
struct postconf_milter {
	char *endpoint;       /* unix:rejoinder/milter.sock, inet:127.0.0.1:8891 */
	char *default_action; /* of this milter, or milter_default_action */
};

struct postconf_milters {
	struct postconf_milter *items;
	size_t count;
};

/* Read such a list. Release *out. */
void postconf_milters_read(const struct postconf *postconf, const char *value,
                           struct postconf_milters *out);
void postconf_milters_release(struct postconf_milters *milters);

/*
 * What stands behind an endpoint, as far as name, port or path tell: "opendkim",
 * "rspamd", "opendmarc", "amavis", "rejoinder", or NULL.
 */
const char *postconf_milter_program(const char *endpoint);

#endif
