#include "fetcher/settings.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"

struct settings *settings_load(const char *path, struct error *err)
{
	struct settings *settings = xzalloc(sizeof(*settings));
	struct string_list mistakes = {0};

	atomic_init(&settings->users, 1);
	if (config_load(path, &settings->config, &mistakes) == 0) {
		for (size_t i = 0; i < settings->config->troubles.count; i++)
			log_error("%s", settings->config->troubles.items[i]);
		if (keyring_load(&settings->keys, settings->config->keys, err) == 0)
			return settings;
	}
	for (size_t i = 0; i < mistakes.count; i++)
		log_error("%s", mistakes.items[i]);
	if (mistakes.count > 0)
		error_set(err, ERROR_CONFIG, "cannot use %s: %zu mistake%s", path, mistakes.count,
		          mistakes.count == 1 ? "" : "s");
	string_list_release(&mistakes);
	settings_drop(settings);
	return NULL;
}

struct settings *settings_share(struct settings *settings)
{
	atomic_fetch_add(&settings->users, 1);
	return settings;
}

void settings_drop(struct settings *settings)
{
	if (settings == NULL || atomic_fetch_sub(&settings->users, 1) > 1)
		return;
	config_free(settings->config);
	keyring_wipe(&settings->keys);
	free(settings);
}

const struct account *settings_inbox(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->config->account_count; i++) {
		const struct account *account = &settings->config->accounts[i];

		if (account->is_enabled && account->pop3 != NULL &&
		    strcasecmp(account->name, name) == 0)
			return account;
	}
	return NULL;
}

bool settings_has_relay(const struct settings *settings)
{
	for (size_t i = 0; i < settings->config->account_count; i++)
		if (settings->config->accounts[i].is_enabled &&
		    settings->config->accounts[i].relay != NULL)
			return true;
	return false;
}
