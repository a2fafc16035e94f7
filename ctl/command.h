#ifndef REJOINDER_CTL_COMMAND_H
#define REJOINDER_CTL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sysexits.h>

#include "ctl/arguments.h"
#include "lib/base/config.h"
#include "lib/store/store.h"

/*
 * The verbs of rejoinder(8), one file each, and what they share: reading their
 * arguments, loading the configuration, opening the store, saying what is wrong.
 * A verb returns the exit code of the program (sysexits.h).
 */

#define EXIT_NO_RESULT 1

struct invocation;

struct command {
	const char *name;
	const char *usage; /* what stands after the name */
	const char *help;  /* one line */
	int (*run)(struct invocation *invocation);
};

struct invocation {
	const struct command *command;
	const char *config_path;
	int argc; /* the verb and its arguments; after command_arguments() its operands alone */
	char **argv;
};

/* The table, ended by an entry without a name. */
const struct command *command_table(void);
const struct command *command_find(const char *name); /* or NULL */
/* The name in the table nearest to a mistyped one, or NULL if none is near. */
const char *command_nearest(const char *name);

int command_account(struct invocation *invocation);
int command_accounts(struct invocation *invocation);
int command_assign(struct invocation *invocation);
int command_backup(struct invocation *invocation);
int command_classify(struct invocation *invocation);
int command_close(struct invocation *invocation);
int command_config(struct invocation *invocation);
int command_doctor(struct invocation *invocation);
int command_explain(struct invocation *invocation);
int command_fetch(struct invocation *invocation);
int command_help(struct invocation *invocation);
int command_init(struct invocation *invocation);
int command_keys(struct invocation *invocation);
int command_list(struct invocation *invocation);
int command_postfix(struct invocation *invocation);
int command_presets(struct invocation *invocation);
int command_purge(struct invocation *invocation);
int command_reopen(struct invocation *invocation);
int command_setup(struct invocation *invocation);
int command_show(struct invocation *invocation);
int command_snooze(struct invocation *invocation);
int command_stats(struct invocation *invocation);
int command_status(struct invocation *invocation);
int command_trace(struct invocation *invocation);

/*
 * Read the verb's options (its own flags, and --config and --help, which all
 * have) and check that it has between min and max operands.  Returns true if the
 * verb is to go on; false if it is to return *exit_out: help was asked for, or
 * there was a mistake and its sentence is on stderr.
 */
bool command_arguments(struct invocation *invocation, const struct flag *flags, int min, int max,
                       int *exit_out) MUST_CHECK;

/* "rejoinder: sentence" on stderr, its control bytes shown as U+FFFD. */
void command_complain(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same, and a pointer to the verb's help. Returns EX_USAGE. */
int command_usage_error(const struct invocation *invocation, const char *format, ...)
	PRINTF_LIKE(2, 3);

/* The configuration (the caller's), or NULL after every mistake in it is on stderr: EX_CONFIG. */
struct config *command_load_config(const struct invocation *invocation) MUST_CHECK;

/* Open the store that must exist. NULL with *err, a sentence that also says what to do. */
struct store *command_open_store(const struct config *config, enum store_mode mode,
                                 struct error *err) MUST_CHECK;

/*
 * The one conversation whose id begins with a prefix.  Returns 0 and *id_out, or
 * after a sentence EXIT_NO_RESULT (none), EX_USAGE (several: they are listed) or
 * EX_TEMPFAIL.
 */
int command_resolve(const struct invocation *invocation, struct store *store, const char *prefix,
                    int64_t *id_out) MUST_CHECK;

#endif
