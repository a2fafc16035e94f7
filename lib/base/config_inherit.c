#include "lib/base/config_read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/base/preset.h"
#include "lib/base/spelling.h"

#define CHAIN_MAX_BYTES 400

/*
 * What an account without the side does not take from [common] sections: there
 * the keys stand for all who have it.
 */
static const char *const incoming_keys[] = {"pop3", "acknowledge", "default_incoming", NULL};
static const char *const outgoing_keys[] = {"relay",       "default_outgoing", "reply_to_address",
                                            "daily_limit", "daily_limit_warn", "on_limit",
                                            "bcc",         "replies_always",   NULL};
static const char *const service_keys[] = {"username", "password", "password_file",
                                           "password_command", NULL};

static bool is_one_of(const char *const *keys, const char *key)
{
	for (; *keys != NULL; keys++)
		if (strcmp(*keys, key) == 0)
			return true;
	return false;
}

/*
 * Chains of [common] sections
 */

static const struct account *find_common(const struct commons *commons, const char *name)
{
	for (size_t i = 0; i < commons->count; i++)
		if (strcasecmp(commons->items[i].name, name) == 0)
			return &commons->items[i];
	return NULL;
}

static void refuse_unknown_common(const struct commons *commons, const struct account *section,
                                  struct mistakes *mistakes)
{
	const char *nearest = NULL;
	size_t least = SPELLING_NEAR + 1;

	for (size_t i = 0; i < commons->count; i++) {
		size_t distance = spelling_distance(commons->items[i].name, section->inherit);

		if (distance < least && distance < strlen(section->inherit)) {
			least = distance;
			nearest = commons->items[i].name;
		}
	}
	if (nearest != NULL)
		mistake_add(mistakes, config_account_line(section, "inherit"),
		            "inherit: found \"%s\", expected perhaps %s", section->inherit,
		            nearest);
	else
		mistake_add(mistakes, config_account_line(section, "inherit"),
		            "inherit: found \"%s\", expected the name of a [common] section",
		            section->inherit);
}

static void refuse_loop(const struct commons *commons, const struct account *first,
                        struct mistakes *mistakes)
{
	const struct account *at = first;
	struct buffer chain;

	buffer_init(&chain, CHAIN_MAX_BYTES);
	do {
		buffer_append_text(&chain, at->name);
		buffer_append_text(&chain, ", ");
		at = find_common(commons, at->inherit);
	} while (at != first && !chain.is_full);
	mistake_add(mistakes, config_account_line(first, "inherit"),
	            "inherit: found the loop %s%s, expected an end", chain.data, first->name);
	buffer_release(&chain);
}

/*
 * For each [common] section the number of the walk that came by; a walk that
 * meets itself has found a loop, one that meets an earlier walk has been there.
 */
static void check_chains(const struct commons *commons, struct mistakes *mistakes)
{
	size_t *walks = xzalloc((commons->count + 1) * sizeof(*walks));

	for (size_t i = 0; i < commons->count; i++) {
		const struct account *at = &commons->items[i];

		while (at != NULL && walks[at - commons->items] == 0) {
			walks[at - commons->items] = i + 1;
			at = at->inherit != NULL ? find_common(commons, at->inherit) : NULL;
		}
		if (at != NULL && walks[at - commons->items] == i + 1)
			refuse_loop(commons, at, mistakes);
	}
	for (size_t i = 0; i < commons->count; i++) {
		const struct account *common = &commons->items[i];

		if (common->inherit != NULL && find_common(commons, common->inherit) == NULL)
			refuse_unknown_common(commons, common, mistakes);
		for (size_t j = 0; j < i; j++)
			if (strcasecmp(commons->items[j].name, common->name) == 0)
				mistake_add(mistakes, common->line,
				            "[common \"%s\"]: found twice, expected once (first "
				            "on line %d)",
				            common->name, commons->items[j].line);
	}
	free(walks);
}

/*
 * What accounts take
 */

/* Whether an inbox or a relay is there, or will be. */
static bool has_service(const struct account *account, const char *key, const char *url,
                        bool has_side)
{
	const struct preset *preset = account->preset != NULL ? preset_find(account->preset) : NULL;

	return url != NULL || (has_side && preset != NULL && !config_account_has(account, key) &&
	                       preset_value(preset, key) != NULL);
}

static bool is_taken(const struct account *account, const char *key)
{
	if (strcmp(key, "inherit") == 0)
		return false;
	if (is_one_of(incoming_keys, key))
		return account->is_incoming;
	if (is_one_of(outgoing_keys, key))
		return account->is_outgoing;
	if (is_one_of(service_keys, key))
		return has_service(account, "pop3", account->pop3, account->is_incoming) ||
		       has_service(account, "relay", account->relay, account->is_outgoing);
	return true;
}

static bool has_password(const struct account *section)
{
	for (size_t i = 1; service_keys[i] != NULL; i++)
		if (config_account_has(section, service_keys[i]))
			return true;
	return false;
}

/* The section that a section inherits from, or NULL. */
static const struct account *next_link(const struct commons *commons, const struct account *section)
{
	return section->inherit != NULL ? find_common(commons, section->inherit) : NULL;
}

/* The nearest that has any kind of password hides those of the others behind it. */
static const struct account *password_link(const struct commons *commons,
                                           const struct account *account)
{
	const struct account *link = account;

	for (size_t links = 0; link != NULL && links <= commons->count; links++) {
		if (has_password(link))
			return link;
		link = next_link(commons, link);
	}
	return NULL;
}

/* The rows of the table name the sides and the services before what depends on them. */
static void take_from_commons(struct account *account, const struct commons *commons)
{
	const struct option *table = config_account_options();
	const struct account *holder = password_link(commons, account);

	for (size_t i = 0; table[i].name != NULL; i++) {
		const struct account *link = next_link(commons, account);

		if (account->origins[i].line > 0 || !is_taken(account, table[i].name))
			continue;
		for (size_t links = 0; link != NULL && link->origins[i].line == 0; links++)
			link = links < commons->count ? next_link(commons, link) : NULL;
		if (link == NULL || (strncmp(table[i].name, "password", 8) == 0 && link != holder))
			continue;
		option_copy(&table[i], account, link);
		account->origins[i] = link->origins[i];
		account->origins[i].is_inherited = true;
	}
}

static void take_values(struct account *account, const struct preset *preset,
                        const struct preset_value *values)
{
	const struct option *table = config_account_options();

	for (; values->key != NULL; values++)
		for (size_t i = 0; table[i].name != NULL; i++) {
			if (strcmp(table[i].name, values->key) != 0 ||
			    config_account_has(account, values->key))
				continue;
			/* What the service limits does not limit others. */
			if (strcmp(values->key, "daily_limit") == 0 && account->relay == NULL)
				continue;
			/* A preset's own value is valid: a unit test reads them all. */
			if (option_set(&table[i], account, values->value, NULL) != 0)
				abort();
			account->origins[i].preset = preset->name;
		}
}

static void take_from_preset(struct account *account, struct mistakes *mistakes)
{
	const struct preset *preset = preset_find(account->preset);
	const char *nearest = preset_nearest(account->preset);
	int line = config_account_line(account, "preset");

	if (preset == NULL && nearest != NULL) {
		mistake_add(mistakes, line, "preset: found \"%s\", expected perhaps %s",
		            account->preset, nearest);
	} else if (preset == NULL) {
		mistake_add(mistakes, line,
		            "preset: found \"%s\", expected one of those that `rejoinder presets` "
		            "lists",
		            account->preset);
	} else {
		if (account->is_incoming)
			take_values(account, preset, preset->incoming);
		if (account->is_outgoing)
			take_values(account, preset, preset->outgoing);
	}
}

void config_inherit(struct config *config, const struct commons *commons, struct mistakes *mistakes)
{
	check_chains(commons, mistakes);
	for (size_t i = 0; i < config->account_count; i++) {
		struct account *account = &config->accounts[i];

		if (account->inherit != NULL) {
			if (find_common(commons, account->inherit) == NULL)
				refuse_unknown_common(commons, account, mistakes);
			take_from_commons(account, commons);
		}
		if (account->preset != NULL)
			take_from_preset(account, mistakes);
	}
}
