#include "fetcher/probe.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "fetcher/advice.h"
#include "fetcher/inbox_lock.h"
#include "fetcher/relay_secret.h"
#include "lib/base/config.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"
#include "lib/net/pop3.h"
#include "lib/net/smtp.h"

/* Somebody looks on: shorter than what the service allows. */
#define CONNECT_TIMEOUT_MS 20000
#define IDLE_TIMEOUT_MS    20000
#define TOTAL_TIMEOUT_MS   60000

enum state { STATE_OK, STATE_FAILED, STATE_NONE, STATE_WARNING };

#define CERTIFICATE_SOON_S (14 * 86400)

struct trial {
	const struct config *config;
	const struct account *account;
	char *password; /* NULL: there is none, or it could not be had */
	size_t password_length;
	size_t failures;
};

/* One field of a line: what could end it becomes a blank. */
static void print_field(const char *text, char end)
{
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
	putchar(end);
}

static void say(struct trial *trial, enum state state, const char *check, const char *advice,
                const char *format, ...) PRINTF_LIKE(5, 6);
static void say(struct trial *trial, enum state state, const char *check, const char *advice,
                const char *format, ...)
{
	static const char *const names[] = {"ok", "failed", "none", "warning"};
	va_list args;
	char *text;

	trial->failures += state == STATE_FAILED;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	print_field(names[state], '\t');
	print_field(check, '\t');
	print_field(text, '\t');
	print_field(advice, '\n');
	fflush(stdout);
	free(text);
}

static void check_account(struct trial *trial)
{
	const struct account *account = trial->account;

	if (!account->is_enabled)
		say(trial, STATE_NONE, "account", "Say enabled = yes when all else works.",
		    "disabled: nothing of it is in force");
	else if (!account->is_incoming && !account->is_outgoing)
		say(trial, STATE_NONE, "account", "Say incoming = yes, outgoing = yes or both.",
		    "it has no side: no mail comes in or goes out by it");
	else
		say(trial, STATE_OK, "account", "", "enabled, %s",
		    !account->is_outgoing   ? "incoming"
		    : !account->is_incoming ? "outgoing"
		                            : "incoming and outgoing");
}

/* The user whom the store's directory belongs to: the services run as that one. */
static struct passwd *find_service_user(const struct config *config)
{
	char *copy = xstrdup(config->store);
	struct stat status;
	int rc = stat(dirname(copy), &status);

	free(copy);
	return rc == 0 ? getpwuid(status.st_uid) : NULL;
}

/* Can this user read it, its directories included? 0, or the errno. Root only. */
static int try_reading_as(const struct passwd *user, const char *path)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
		    setuid(user->pw_uid) != 0)
			_exit(0);
		_exit(access(path, R_OK) == 0 ? 0 : errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 0;
	return WEXITSTATUS(status);
}

static bool check_reader(struct trial *trial, const char *path)
{
	const struct passwd *user = geteuid() == 0 ? find_service_user(trial->config) : NULL;
	char *advice;
	int error;

	if (user == NULL || user->pw_uid == 0)
		return true;
	error = try_reading_as(user, path);
	if (error == 0)
		return true;
	advice = xasprintf("chown root:%s %s; chmod 0640 %s", user->pw_name, path, path);
	say(trial, STATE_FAILED, "password", advice,
	    "password_file %s: user %s, whose services need it, cannot read it: %s", path,
	    user->pw_name, strerror(error));
	free(advice);
	return false;
}

static void check_password(struct trial *trial)
{
	const struct account *account = trial->account;
	bool has_any = account->password != NULL || account->password_file != NULL ||
	               account->password_command != NULL;
	const char *advice = "Put it into a file of mode 0640 and name that in password_file.";
	struct error err;

	if (account->username == NULL && !has_any) {
		say(trial, STATE_NONE, "password", "", "nobody signs in anywhere");
		return;
	}
	if (has_any && account->password == NULL)
		advice = account->password_file != NULL
		                 ? "The file holds the password in one line; its mode is 0640, "
		                   "its group the one of the services."
		                 : "Run the command by hand, as the user of the services: it must "
		                   "print the password within 10 seconds and end with 0.";
	if (config_password(account, &trial->password, &trial->password_length, &err) != 0) {
		trial->password = NULL;
		say(trial, STATE_FAILED, "password", advice, "%s", err.text);
		return;
	}
	if (account->password_file != NULL) {
		if (check_reader(trial, account->password_file))
			say(trial, STATE_OK, "password", "",
			    "password_file %s: readable, and not by others",
			    account->password_file);
	} else {
		say(trial, STATE_OK, "password", "",
		    account->password_command != NULL ? "password_command printed one"
		                                      : "it stands in the configuration");
	}
}

static const struct preset *preset_of(const struct trial *trial)
{
	return trial->account->preset != NULL ? preset_find(trial->account->preset) : NULL;
}

static struct server server_of(const struct trial *trial)
{
	return (struct server){.username = trial->account->username,
	                       .password = trial->password,
	                       .ca_file = trial->config->ca_file,
	                       .connect_timeout_ms = CONNECT_TIMEOUT_MS,
	                       .idle_timeout_ms = IDLE_TIMEOUT_MS,
	                       .total_timeout_ms = TOTAL_TIMEOUT_MS};
}

static void check_listing(struct trial *trial, struct pop3 *pop3)
{
	const struct advice_case about = {.protocol = ADVICE_POP3};
	struct pop3_listing listing = {0};
	struct error err;
	int64_t delay_s = pop3_login_delay_s(pop3);
	char delay[80] = "";

	if (pop3_list(pop3, &listing, &err) != 0) {
		say(trial, STATE_FAILED, "inbox", advice_for(&about, err.text), "%s", err.text);
		pop3_close(pop3);
		return;
	}
	if (delay_s > 0)
		snprintf(delay, sizeof(delay), "; %lld s between sign-ins", (long long)delay_s);
	say(trial, STATE_OK, "inbox", "",
	    "%zu message%s; UIDL yes, PIPELINING %s, TOP %s%s; nothing was retrieved or deleted",
	    listing.count, listing.count == 1 ? "" : "s", pop3_can_pipeline(pop3) ? "yes" : "no",
	    pop3_has_top(pop3) ? "yes" : "no", delay);
	if (listing.unusable_count > 0)
		say(trial, STATE_WARNING, "inbox",
		    "These stay in the inbox until the server gives each a UIDL of its own.",
		    "%zu of the messages cannot be told from others: %s", listing.unusable_count,
		    listing.unusable);
	pop3_listing_release(&listing);
	if (pop3_quit(pop3, &err) != 0)
		say(trial, STATE_FAILED, "inbox", "Copies would not be deleted there by `leave`.",
		    "%s", err.text);
}

/* An expired one was refused before this. */
static void check_certificate(struct trial *trial, const struct server *server, int64_t ends_at)
{
	int64_t left_s = ends_at - time(NULL);

	if (ends_at != 0 && left_s < CERTIFICATE_SOON_S)
		say(trial, STATE_WARNING, "certificate",
		    "Tell those who run it: nothing will work with an expired one.",
		    "that of %s:%u expires in %lld days", server->host, (unsigned)server->port,
		    (long long)left_s / 86400);
}

static void sign_in_pop3(struct trial *trial, enum pop3_scheme scheme, struct server *server)
{
	static const enum security securities[] = {[POP3_SCHEME_TLS] = SECURITY_TLS,
	                                           [POP3_SCHEME_STLS] = SECURITY_STARTTLS,
	                                           [POP3_SCHEME_PLAIN] = SECURITY_NONE};
	static const char *const words[] = {[POP3_SCHEME_TLS] = "over TLS",
	                                    [POP3_SCHEME_STLS] = "over TLS (STLS)",
	                                    [POP3_SCHEME_PLAIN] = "IN CLEAR, without TLS"};
	struct advice_case about = {.protocol = ADVICE_POP3,
	                            .is_tls = scheme == POP3_SCHEME_TLS,
	                            .preset = preset_of(trial)};
	int64_t ends_at = 0;
	struct error err;
	struct pop3 *pop3;

	server->security = securities[scheme];
	server->certificate_ends_at_out = &ends_at;
	pop3 = pop3_open(server, &err);
	if (pop3 == NULL) {
		say(trial, STATE_FAILED, "pop3", advice_for(&about, err.text), "%s", err.text);
		return;
	}
	say(trial, STATE_OK, "pop3", "", "signed in at %s:%u as %s %s", server->host,
	    (unsigned)server->port, server->username, words[scheme]);
	check_certificate(trial, server, ends_at);
	check_listing(trial, pop3);
}

static void check_pop3(struct trial *trial)
{
	struct server server = server_of(trial);
	char host[ENDPOINT_HOST_SIZE];
	enum pop3_scheme scheme;
	int lock = -1, got = -1;

	server.host = host;
	if (config_pop3(trial->account, &scheme, host, &server.port) != 1) {
		say(trial, STATE_NONE, "pop3", "", "the account has no external inbox (pop3)");
		return;
	}
	if (trial->password == NULL || server.username == NULL) {
		say(trial, STATE_FAILED, "pop3", "", "not tried without username and password");
		return;
	}
	/* Many services take one session a mailbox: a poll must not fail because of us. */
	if (access(trial->config->store, F_OK) == 0)
		got = inbox_lock(trial->config->store, trial->account->name, &lock, NULL);
	if (got == 0) {
		say(trial, STATE_FAILED, "pop3", "Try again in a moment.",
		    "rejoinder-fetcher polls this inbox right now");
		return;
	}
	sign_in_pop3(trial, scheme, &server);
	if (got == 1)
		inbox_unlock(lock);
}

static void check_relay(struct trial *trial)
{
	struct server server = server_of(trial);
	char host[ENDPOINT_HOST_SIZE];
	enum relay_scheme scheme;
	struct advice_case about;
	int64_t ends_at = 0;
	struct error err;
	bool is_tls;

	server.host = host;
	server.certificate_ends_at_out = &ends_at;
	if (config_relay(trial->account, &scheme, host, &server.port) != 1) {
		say(trial, STATE_NONE, "relay", "", "mail goes the way that Postfix knows itself");
		return;
	}
	if (server.username != NULL && trial->password == NULL) {
		say(trial, STATE_FAILED, "relay", "", "not tried without the password");
		return;
	}
	is_tls = scheme == RELAY_SCHEME_TLS;
	about = (struct advice_case){
		.protocol = ADVICE_RELAY, .is_tls = is_tls, .preset = preset_of(trial)};
	server.security = is_tls ? SECURITY_TLS : SECURITY_STARTTLS;
	if (server.username != NULL &&
	    relay_secret_check(server.username, trial->password, trial->password_length, &err) != 0)
		say(trial, STATE_FAILED, "relay", advice_for(&about, err.text), "%s", err.text);
	else if (smtp_sign_in(&server, &err) != 0)
		say(trial, STATE_FAILED, "relay", advice_for(&about, err.text), "%s", err.text);
	else if (server.username == NULL)
		say(trial, STATE_OK, "relay", "",
		    "%s:%u answers over TLS%s; without username nobody signs in", host,
		    (unsigned)server.port, is_tls ? "" : " (STARTTLS)");
	else
		say(trial, STATE_OK, "relay", "", "signed in at %s:%u as %s over TLS%s", host,
		    (unsigned)server.port, server.username, is_tls ? "" : " (STARTTLS)");
	check_certificate(trial, &server, ends_at);
}

/* The transport that the map gives an address, a heap string; NULL: none, or *err. */
static char *read_transport(const char *path, const char *address, struct error *err)
{
	FILE *stream = fopen(path, "r");
	char *line = NULL, *found = NULL;
	size_t capacity = 0;

	err->kind = ERROR_NONE;
	if (stream == NULL) {
		error_set(err, ERROR_CONFIG, "%s: %s", path, strerror(errno));
		return NULL;
	}
	while (found == NULL && getline(&line, &capacity, stream) >= 0) {
		char *rest = line, *key = strsep(&rest, " \t\n");

		if (rest == NULL || *key == '#' || strcasecmp(key, address) != 0)
			continue;
		rest += strspn(rest, " \t");
		rest[strcspn(rest, " \t\r\n")] = '\0';
		found = xstrdup(rest);
	}
	free(line);
	fclose(stream);
	return found;
}

static void check_map(struct trial *trial)
{
	static const char advice[] = "Run: rejoinder postfix maps";
	const char *path = trial->config->transport_map, *address = trial->account->address;
	char host[ENDPOINT_HOST_SIZE], *expected = NULL, *found;
	enum relay_scheme scheme;
	struct error err;
	uint16_t port;

	if (trial->account->is_enabled && config_relay(trial->account, &scheme, host, &port) == 1)
		expected = xasprintf("%s:[%s]:%u",
		                     scheme == RELAY_SCHEME_TLS ? "rejoinder-relays"
		                                                : "rejoinder-relay",
		                     host, (unsigned)port);
	found = read_transport(path, address, &err);
	if (expected == NULL && found == NULL)
		say(trial, STATE_NONE, "transport_map", "", "it need not name the account");
	else if (expected == NULL)
		say(trial, STATE_FAILED, "transport_map", advice, "%s still sends mail of %s to %s",
		    path, address, found);
	else if (err.kind != ERROR_NONE)
		say(trial, STATE_FAILED, "transport_map", advice, "%s", err.text);
	else if (found == NULL)
		say(trial, STATE_FAILED, "transport_map", advice, "%s does not name %s", path,
		    address);
	else if (strcmp(found, expected) != 0)
		say(trial, STATE_FAILED, "transport_map", advice, "%s: found %s, expected %s", path,
		    found, expected);
	else
		say(trial, STATE_OK, "transport_map", "", "%s sends mail of %s to %s", path,
		    address, found);
	free(expected);
	free(found);
}

static const struct account *find_account(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (strcasecmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	return NULL;
}

int probe(const char *config_path, const char *name)
{
	struct string_list mistakes = {0};
	struct config *config = NULL;
	struct trial trial = {0};
	int status = EX_CONFIG;

	if (config_load(config_path, &config, &mistakes) != 0) {
		for (size_t i = 0; i < mistakes.count; i++)
			fprintf(stderr, "%s\n", mistakes.items[i]);
		goto out;
	}
	trial.config = config;
	trial.account = find_account(config, name);
	status = EX_USAGE;
	if (trial.account == NULL) {
		fprintf(stderr, "there is no account \"%s\"\n", name);
		goto out;
	}
	check_account(&trial);
	check_password(&trial);
	check_pop3(&trial);
	check_relay(&trial);
	check_map(&trial);
	status = trial.failures > 0 ? EXIT_PROBE_FAILED : EX_OK;
out:
	secret_free(trial.password, trial.password_length);
	config_free(config);
	string_list_release(&mistakes);
	return status;
}
