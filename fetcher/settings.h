#ifndef REJOINDER_FETCHER_SETTINGS_H
#define REJOINDER_FETCHER_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"

/*
 * Configuration and keys, read together.  A reload makes others; what is
 * under way ends under those that it began with.
 */

struct settings {
	struct config *config;
	struct keyring keys;
	atomic_uint users; /* private */
};

/* NULL with *err (ERROR_CONFIG) after every mistake was logged. Troubles are logged too. One user. */
struct settings *settings_load(const char *path, struct error *err) MUST_CHECK;

/* Let somebody else use it too. Returns settings. */
struct settings *settings_share(struct settings *settings);

/* Let go of it; the last user frees it. NULL is fine. */
void settings_drop(struct settings *settings);

/* The enabled account of that name (any case) that has an inbox, or NULL. */
const struct account *settings_inbox(const struct settings *settings, const char *name);

/* Does any enabled account have a relay? */
bool settings_has_relay(const struct settings *settings);

#endif
