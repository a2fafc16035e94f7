#include "ctl/setup_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/agree.h"
#include "ctl/setup.h"
#include "lib/base/memory.h"

/* `rejoinder setup --undo`. */

static void print_undo(const struct setup_undo *undo)
{
	if (undo->is_restored)
		printf("main.cf and master.cf are as they were before setup, byte for byte%s",
		       undo->stays.count > 0 ? ",\nbut for lines " : ".\n");
	else
		printf("main.cf and master.cf have been edited since setup: its own edits are "
		       "taken\nout one by one, and yours stay%s",
		       undo->stays.count > 0 ? "; so do lines " : ".\n");
	if (undo->stays.count > 0)
		puts("that answers to mail which was sent depend on (--all takes\n"
		     "them out too):");
	for (size_t i = 0; i < undo->stays.count; i++)
		if (undo->stays.edits[i].kind == SETUP_MAIN)
			setup_print_value('+', &undo->stays.edits[i], undo->stays.edits[i].after);
	setup_print_sentences("- ", &undo->said);
}

static void print_backups(const char *directory, const struct setup_journal *journal)
{
	for (size_t i = 0; i < journal->count; i++) {
		char *path = xasprintf("%s/%s", directory, journal->runs[i].backup);

		if (access(path, F_OK) == 0)
			printf("Kept as they were before setup: %s\n", path);
		free(path);
	}
}

static int carry_out(const struct setup_options *options, const char *directory,
                     struct setup_journal *journal, const struct setup_texts *current,
                     struct setup_undo *undo)
{
	bool is_running = setup_is_running(directory);
	struct error err;
	int status;

	if (setup_commit_undo(directory, journal, current, undo, options->is_all, &err) < 0)
		return setup_complain(&err);
	status = is_running ? setup_reload_running(options, directory, NULL) : 0;
	setup_print_sentences("- ", &undo->said);
	if (!undo->is_restored)
		print_backups(directory, journal);
	puts("Undone.");
	if (status == 0 && setup_check(directory, &err) < 0)
		status = setup_complain(&err);
	return status;
}

static int undo_locked(const struct invocation *invocation, const struct setup_options *options,
                       const char *directory, struct setup_journal *journal)
{
	struct setup_texts current = {0};
	struct setup_undo undo = {0};
	struct error err;
	int status = 0;

	if (setup_texts_read(directory, &current, &err) < 0 ||
	    setup_undo_make(directory, journal, &current, options->is_all, &undo, &err) < 0) {
		status = setup_complain(&err);
		goto out;
	}
	if (options->is_json) {
		setup_print_undo_json(directory, &undo);
		goto out;
	}
	if (undo.stays.count > 0 && setup_texts_equal(&current, &undo.texts) &&
	    journal->count == 1 && journal->runs[0].plan.count == undo.stays.count) {
		printf("What setup did in %s is undone. ", directory);
		puts("What is left, answers to mail that was\n"
		     "sent depend on; --all takes it out too.");
		goto out;
	}
	print_undo(&undo);
	if (options->is_dry_run)
		puts("Nothing was changed.");
	else if (options->is_agreed || agree(invocation, "Undo setup?", &status))
		status = carry_out(options, directory, journal, &current, &undo);
out:
	setup_undo_release(&undo);
	setup_texts_release(&current);
	return status;
}

int setup_unwire(const struct invocation *invocation, const struct setup_options *options,
                 const char *directory)
{
	struct setup_journal journal = {0};
	struct error err;
	int status, locked = setup_lock(directory, options->is_dry_run, &err), found;

	if (locked < 0)
		return setup_complain(&err);
	found = setup_journal_read(directory, &journal, &err);
	if (found < 0) {
		status = setup_complain(&err);
	} else if (found == 0) {
		if (options->is_json)
			setup_print_undo_json(directory, &(struct setup_undo){0});
		else
			printf("There is nothing to undo in %s: setup has left no journal there.\n",
			       directory);
		status = EXIT_NO_RESULT;
	} else {
		status = undo_locked(invocation, options, directory, &journal);
	}
	setup_journal_release(&journal);
	setup_unlock(locked);
	return status;
}
