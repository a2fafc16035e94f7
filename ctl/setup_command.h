#ifndef REJOINDER_CTL_SETUP_COMMAND_H
#define REJOINDER_CTL_SETUP_COMMAND_H

#include "ctl/command.h"
#include "lib/base/config.h"

/* What `rejoinder setup` (setup.c) and its --undo (setup_unwire.c) share. */

struct setup_options {
	bool is_dry_run, is_agreed, is_undo, is_all, is_json;
	bool needs_no_milter;  /* Postfix may be wired while the milter does not answer */
	bool leaves_reload;    /* to the admin */
	const char *directory; /* of Postfix, or NULL for its own */
};

/* Print it; the exit code for it. */
int setup_complain(const struct error *err);

/*
 * One setup at a time, which removes what a killed one left unless it is a trial. What
 * setup_unlock() takes, or -1 with *err.
 */
int setup_lock(const char *directory, bool is_trial, struct error *err) MUST_CHECK;
void setup_unlock(int locked);

/*
 * Have a Postfix that runs go by its files, unless that is left to the admin, and say so; the
 * exit code.  is_reloaded_out may be NULL.
 */
int setup_reload_running(const struct setup_options *options, const char *directory,
                         bool *is_reloaded_out);

/* `rejoinder setup --undo`; the exit code. */
int setup_unwire(const struct invocation *invocation, const struct setup_options *options,
                 const char *directory);

#endif
