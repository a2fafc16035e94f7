#include "fetcher/relay_secret.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/base/secret.h"
#include "lib/mail/encoding.h"
#include "lib/store/letter.h"
#include "lib/store/store.h"

#define SECONDS_A_DAY 86400
#define STORE_MS      5000
#define NEXT_HOP_SIZE (ENDPOINT_HOST_SIZE + sizeof("[]:65535"))
#define NO_ACCOUNT    "no enabled account signs in there; see: rejoinder postfix maps"
#define NO_SUCH_MAP   "there is only the map " RELAY_MAP_NAME

/* Does an account send by this `[host]:port` without signing in? */
static bool is_open_relay(const struct config *config, const char *next_hop)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		char host[ENDPOINT_HOST_SIZE], own[NEXT_HOP_SIZE];
		enum relay_scheme scheme;
		uint16_t port;

		if (!account->is_enabled || account->username != NULL ||
		    config_relay(account, &scheme, host, &port) != 1)
			continue;
		snprintf(own, sizeof(own), "[%s]:%u", host, (unsigned)port);
		if (strcasecmp(own, next_hop) == 0)
			return true;
	}
	return false;
}

/* key: an address, which may be changed. */
static const struct account *find_account(const struct config *config, char *key)
{
	const struct account *account = config_account_by_address(config, key);
	char *domain = strrchr(key, '@');
	size_t length;

	if (account != NULL || domain == NULL || *config->delimiter == '\0')
		return account;
	length = strcspn(key, config->delimiter);
	if (length == 0 || key + length > domain)
		return NULL;
	memmove(key + length, domain, strlen(domain) + 1);
	return config_account_by_address(config, key);
}

const struct account *relay_secret_account(const struct config *config,
                                           const struct socketmap_request *request,
                                           enum socketmap_status *status_out,
                                           const char **reason_out)
{
	const struct account *account = NULL;
	char *key;

	*reason_out = "";
	if (request->name_length != strlen(RELAY_MAP_NAME) ||
	    memcmp(request->name, RELAY_MAP_NAME, request->name_length) != 0) {
		*status_out = SOCKETMAP_PERM;
		*reason_out = NO_SUCH_MAP;
		return NULL;
	}
	*status_out = SOCKETMAP_NOTFOUND;
	if (memchr(request->key, '\0', request->key_length) != NULL)
		return NULL;
	key = xmemdup0(request->key, request->key_length);
	if (*key == '[' && !is_open_relay(config, key)) {
		*status_out = SOCKETMAP_TEMP;
		*reason_out = NO_ACCOUNT;
	} else if (*key != '[') {
		account = find_account(config, key);
	}
	free(key);
	return account != NULL && account->relay != NULL ? account : NULL;
}

static bool is_metered(const struct account *account)
{
	return account->daily_limit > 0 && account->on_limit == ON_LIMIT_QUEUE;
}

/* 1 if the account may send no more today, 0 if it may, -1 with *err. */
static int is_at_limit(const struct config *config, const struct account *account, int64_t now,
                       struct error *err)
{
	struct store *store;
	int64_t released;
	int rc;

	if (!is_metered(account))
		return 0;
	store = store_open(config->store, STORE_READ, err);
	if (store == NULL)
		return -1;
	store_set_deadline(store, store_clock_ms() + STORE_MS);
	rc = store_released_of_day(store, account->name, now / SECONDS_A_DAY, &released, err);
	store_close(store);
	return rc != 0 ? -1 : released >= account->daily_limit;
}

/* How many of those who ask may be told: *granted_out. */
static int release(const struct config *config, const struct account *account, size_t asker_count,
                   int64_t now, size_t *granted_out, struct error *err)
{
	struct store *store;
	int64_t granted;
	int rc;

	*granted_out = asker_count;
	if (!is_metered(account))
		return 0;
	store = store_open(config->store, STORE_WRITE, err);
	if (store == NULL)
		return -1;
	rc = store_release(store, account->name, now / SECONDS_A_DAY, account->daily_limit,
	                   (int64_t)asker_count, &granted, store_clock_ms() + STORE_MS, err);
	store_close(store);
	*granted_out = (size_t)granted;
	return rc;
}

static bool is_utf8(const char *bytes, size_t length)
{
	size_t at = 0, step = 1;

	while (at < length && step > 0) {
		step = utf8_char_length(bytes + at, length - at);
		at += step;
	}
	return step > 0;
}

int relay_secret_check(const char *username, const char *password, size_t length, struct error *err)
{
	if (strchr(username, ':') != NULL)
		return error_set(err, ERROR_CONFIG,
		                 "username: found a colon, which Postfix takes for its end");
	if (!is_utf8(username, strlen(username)))
		return error_set(err, ERROR_CONFIG,
		                 "username: found bytes that are not UTF-8, which Postfix drops");
	if (!is_utf8(password, length))
		return error_set(err, ERROR_CONFIG,
		                 "password: found bytes that are not UTF-8, which Postfix drops");
	return 0;
}

/* Made in one piece, so that no copy of the password stays behind. */
static int compose(struct relay_secret *secret, const struct account *account, struct error *err)
{
	size_t username_length = strlen(account->username), length;
	char *password;

	if (config_password(account, &password, &length, err) != 0)
		return -1;
	if (relay_secret_check(account->username, password, length, err) != 0) {
		secret_free(password, length);
		return -1;
	}
	secret->length = username_length + 1 + length;
	secret->text = xmalloc(secret->length + 1);
	memcpy(secret->text, account->username, username_length);
	secret->text[username_length] = ':';
	memcpy(secret->text + username_length + 1, password, length + 1);
	secret_free(password, length);
	return 0;
}

static void wipe(struct relay_secret *secret)
{
	if (secret->text != NULL)
		secret_free(secret->text, secret->length);
	secret->text = NULL;
	secret->length = 0;
}

/*
 * The password first: without one nothing goes out, and nothing is to be taken for
 * released.  0, or -1 with *err.
 */
static int get(struct relay_secret *secret, const struct config *config,
               const struct account *account, size_t asker_count, int64_t now, struct error *err)
{
	int is_over = is_at_limit(config, account, now, err);

	if (is_over < 0)
		return -1;
	secret->state = RELAY_OVER_LIMIT;
	if (is_over > 0)
		return 0;
	if (account->username != NULL && compose(secret, account, err) != 0)
		return -1;
	if (release(config, account, asker_count, now, &secret->release_count, err) != 0)
		return -1;
	if (secret->release_count > 0)
		secret->state = account->username != NULL ? RELAY_SIGNS_IN : RELAY_SIGNS_NOT_IN;
	return 0;
}

void relay_secret_get(struct relay_secret *secret, const struct config *config,
                      const struct account *account, size_t asker_count, int64_t now)
{
	struct error err = {0};

	*secret = (struct relay_secret){.state = RELAY_TROUBLE};
	if (get(secret, config, account, asker_count, now, &err) != 0) {
		secret->state = RELAY_TROUBLE;
		secret->release_count = 0;
		snprintf(secret->reason, sizeof(secret->reason), "%s: %s", account->name, err.text);
	} else if (secret->release_count < asker_count) {
		snprintf(secret->reason, sizeof(secret->reason),
		         "%s: has sent its daily limit of %" PRId64
		         "; its mail waits until 00:00 UTC",
		         account->name, account->daily_limit);
	}
	if (secret->state != RELAY_SIGNS_IN)
		wipe(secret);
}

void relay_secret_release(struct relay_secret *secret)
{
	wipe(secret);
	*secret = (struct relay_secret){0};
}

char *relay_secret_reply(struct relay_secret *secret, size_t *length_out)
{
	if (secret->release_count == 0)
		return socketmap_write(SOCKETMAP_TEMP, secret->reason, strlen(secret->reason),
		                       length_out);
	secret->release_count--;
	if (secret->state == RELAY_SIGNS_IN)
		return socketmap_write(SOCKETMAP_OK, secret->text, secret->length, length_out);
	return socketmap_write(SOCKETMAP_NOTFOUND, "", 0, length_out);
}
