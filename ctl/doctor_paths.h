#ifndef REJOINDER_CTL_DOCTOR_PATHS_H
#define REJOINDER_CTL_DOCTOR_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/postconf_duty.h"
#include "lib/base/config.h"

/*
 * The ways that mail takes into Postfix, and the milters that it passes there.  Pure:
 * it is all read off the configuration.
 */

struct path {
	enum duty duty;
	const char *name;    /* of the service, or "non_smtpd_milters" */
	size_t service;      /* its index; none for DUTY_LOCAL */
	bool is_chrooted;    /* who speaks with the milters */
	bool has_no_milters; /* by receive_override_options: none of those in the list is asked */
	struct postconf_milters milters;
	size_t our_count, our_place; /* our milter among them: how often, and where first */
	char *seen_at; /* our milter's address as seen from outside a chroot, in libmilter's
	                  spelling, or NULL */
};

struct paths {
	struct path *items;
	size_t count;
};

void paths_find(const struct postconf *postconf, const struct config *config, struct paths *out);
void paths_release(struct paths *paths);

/* Does our milter get the mail that takes this way? */
bool path_is_ours(const struct path *path);

/* The port of submit_to is on this host: it is the listener's, not another one's? */
bool paths_submit_is_here(const struct config *config);

#endif
