#ifndef REJOINDER_CTL_DEFAULTS_H
#define REJOINDER_CTL_DEFAULTS_H

#include <stdbool.h>

#include "lib/base/config.h"

/*
 * What does not work in a domain for which no enabled account is the default.
 */

/* A sentence without its first word's capital, or NULL if there is a default. */
const char *defaults_missing_incoming(const struct config *config, const char *domain);
const char *defaults_missing_outgoing(const struct config *config, const char *domain);

/* Is it an account whose mail gets no Reply-To of ours, for want of a default incoming one? */
bool defaults_lack_reply_to(const struct config *config, const struct account *account);

#endif
