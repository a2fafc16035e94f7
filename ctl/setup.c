#include <stdio.h>
#include <stdlib.h>

#include "ctl/agree.h"
#include "ctl/probe.h"
#include "ctl/setup.h"
#include "ctl/setup_command.h"

#define PROBE_TIMEOUT_MS 2000

static void print_left_to_do(const struct config *config, bool is_reloaded)
{
	struct error err;
	bool answers = probe_milter(config->milter_socket, PROBE_TIMEOUT_MS, &err) == 0;

	puts("\nLeft to do:");
	if (!answers)
		puts("  - start rejoinder-milter first (systemctl start rejoinder.target): while it\n"
		     "    does not answer, Postfix puts off all mail");
	if (!is_reloaded)
		puts("  - postfix start, or postfix reload if it runs");
	puts("  - rejoinder doctor\n"
	     "To take it all out again: rejoinder setup --undo");
}

/*
 * Each new smtpd goes by main.cf at once, before any reload: without a milter that answers
 * all mail would be put off from there on.
 */
static bool may_wire(const struct setup_options *options, const struct config *config,
                     const char *directory)
{
	struct error err;

	if (options->needs_no_milter || !setup_is_running(directory) ||
	    probe_milter(config->milter_socket, PROBE_TIMEOUT_MS, &err) == 0)
		return true;
	command_complain("nothing was changed: rejoinder-milter does not answer, and with it wired "
	                 "Postfix would put off all mail: %s: %s; start it first (systemctl start "
	                 "rejoinder.target), or add --without-milter",
	                 config->milter_socket, err.text);
	return false;
}

static int carry_out(const struct setup_options *options, const char *directory,
                     const struct setup_texts *texts, const struct config *config,
                     const struct setup_facts *facts, struct setup_plan *plan)
{
	struct error err;
	char *backup = NULL;
	bool is_reloaded = false, is_running = setup_is_running(directory);
	int status, locked = setup_lock(directory, false, &err);

	if (locked < 0)
		return setup_complain(&err);
	if (setup_commit(directory, texts, config, facts, plan, &backup, &err) < 0) {
		status = setup_complain(&err);
	} else {
		status = is_running ? setup_reload_running(options, directory, &is_reloaded) : 0;
		puts("\nThe edits are made, and `postfix check` finds no fault.");
		printf("Kept as they were: %s/%s\n", directory, backup);
		print_left_to_do(config, is_reloaded);
	}
	free(backup);
	setup_unlock(locked);
	return status;
}

static void print_plan(const char *directory, const struct setup_plan *plan)
{
	if (plan->count > 0) {
		printf("What Postfix in %s needs for Rejoinder:\n\n", directory);
		setup_print_plan(plan);
		if (plan->notes.count > 0)
			putchar('\n');
	} else {
		printf("Postfix in %s has all that Rejoinder needs: there is nothing to do.\n",
		       directory);
	}
	setup_print_sentences("Note: ", &plan->notes);
}

static int wire(const struct invocation *invocation, const struct setup_options *options,
                const struct config *config, const struct postconf *postconf)
{
	const char *directory = postconf_directory(postconf);
	struct setup_texts texts = {0};
	struct setup_facts facts = {0};
	struct setup_plan plan = {0};
	struct error err;
	int status = 0;

	/* Before the admin is asked: what somebody edits meanwhile is seen by these. */
	if (setup_texts_read(directory, &texts, &err) < 0) {
		status = setup_complain(&err);
		goto out;
	}
	setup_facts_find(postconf, config, &facts);
	if (setup_plan_make(postconf, config, &facts, &plan, &err) < 0) {
		status = setup_complain(&err);
		goto out;
	}
	if (options->is_json) {
		setup_print_json(directory, &plan);
		goto out;
	}
	print_plan(directory, &plan);
	if (plan.count == 0)
		goto out;
	if (options->is_dry_run)
		puts("\nNothing was changed.");
	else if (!may_wire(options, config, directory))
		status = EX_UNAVAILABLE;
	else if (options->is_agreed || agree(invocation, "\nMake these edits?", &status))
		status = carry_out(options, directory, &texts, config, &facts, &plan);
out:
	setup_plan_release(&plan);
	setup_facts_release(&facts);
	setup_texts_release(&texts);
	return status;
}

int command_setup(struct invocation *invocation)
{
	struct setup_options options = {0};
	const struct flag flags[] = {{"config-dir", 'd', NULL, &options.directory},
	                             {"dry-run", 'n', &options.is_dry_run, NULL},
	                             {"yes", 'y', &options.is_agreed, NULL},
	                             {"undo", 'u', &options.is_undo, NULL},
	                             {"all", 'a', &options.is_all, NULL},
	                             {"no-reload", 'r', &options.leaves_reload, NULL},
	                             {"without-milter", 'w', &options.needs_no_milter, NULL},
	                             {"json", 'j', &options.is_json, NULL},
	                             {NULL, 0, NULL, NULL}};
	struct config *config = NULL;
	struct postconf *postconf;
	struct error err;
	int status;

	if (!command_arguments(invocation, flags, 0, 0, &status))
		return status;
	if (options.is_all && !options.is_undo)
		return command_usage_error(invocation, "setup: --all goes with --undo");
	if (options.needs_no_milter && options.is_undo)
		return command_usage_error(invocation,
		                           "setup: --without-milter does not go with --undo");
	if (options.is_json && !options.is_dry_run)
		return command_usage_error(invocation, "setup: --json goes with --dry-run");
	/* To undo it, nobody needs a configuration. */
	if (!options.is_undo && (config = command_load_config(invocation)) == NULL)
		return EX_CONFIG;
	postconf = postconf_read(options.directory, &err);
	if (postconf == NULL)
		status = setup_complain(&err);
	else if (options.is_undo)
		status = setup_unwire(invocation, &options, postconf_directory(postconf));
	else
		status = wire(invocation, &options, config, postconf);
	postconf_free(postconf);
	config_free(config);
	return status;
}
