#ifndef REJOINDER_FETCHER_SETTINGS_H
#define REJOINDER_FETCHER_SETTINGS_H

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"

/*
 * Configuration and keys, read together.  A reload makes others; a poll that is
 * under way ends under those that it began with.
 */

struct settings {
	struct config *config;
	struct keyring keys;
	unsigned users; /* private; changed under the mutex of schedule.c */
};

/* NULL with *err (ERROR_CONFIG) after every mistake was logged. One user. */
struct settings *settings_load(const char *path, struct error *err) MUST_CHECK;

/* Let go of it; the last user frees it. NULL is fine. */
void settings_drop(struct settings *settings);

/* The enabled account of that name (any case) that has an inbox, or NULL. */
const struct account *settings_inbox(const struct settings *settings, const char *name);

#endif
