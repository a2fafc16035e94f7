#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/probe.h"
#include "ctl/setup.h"
#include "lib/base/memory.h"

#define MAP_MODE         0644
#define PROBE_TIMEOUT_MS 2000

struct options {
	bool is_dry_run, is_agreed, is_undo, is_all, wants_reload, is_json;
	const char *directory; /* of Postfix, or NULL */
};

static int exit_code(const struct error *err)
{
	return err->kind == ERROR_CONFIG || err->kind == ERROR_CORRUPT ? EX_CONFIG : EX_TEMPFAIL;
}

static int complain(const struct error *err)
{
	command_complain("%s", err->text);
	return exit_code(err);
}

/* True if the admin says yes, or has said so before; else *exit_out. */
static bool is_agreed(const struct invocation *invocation, const struct options *options,
                      const char *question, int *exit_out)
{
	char answer[16] = "";

	if (options->is_agreed)
		return true;
	if (!isatty(STDIN_FILENO)) {
		*exit_out = command_usage_error(
			invocation,
			"%s: there is no terminal to ask at; nothing was changed: add --yes",
			invocation->command->name);
		return false;
	}
	printf("\n%s [y/N] ", question);
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    tolower((unsigned char)answer[0]) == 'y')
		return true;
	puts("Nothing was changed.");
	*exit_out = EXIT_NO_RESULT;
	return false;
}

/* One setup at a time. A descriptor to close, or -1 with *err. */
static int lock(const char *directory, struct error *err)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && access(directory, W_OK) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		setup_leftovers_remove(directory);
		return fd;
	}
	if (errno == EWOULDBLOCK)
		error_set(err, ERROR_TEMPORARY, "another setup is at work in %s", directory);
	else
		error_set(err, ERROR_TEMPORARY, "write in %s: %s", directory, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static struct setup_change *changes_of(const struct setup_plan *plan, size_t *count_out)
{
	struct setup_change *changes = xzalloc((plan->count + 1) * sizeof(*changes));

	*count_out = 0;
	for (size_t i = 0; i < plan->count; i++)
		if (plan->edits[i].kind != SETUP_FILE)
			changes[(*count_out)++] = (struct setup_change){
				plan->edits[i].kind, plan->edits[i].target, plan->edits[i].after};
	return changes;
}

/* Is nothing missing when the edits are made?  It is looked at before they are. */
static int verify(const char *directory, const struct setup_texts *texts,
                  const struct config *config, const struct setup_facts *facts, struct error *err)
{
	struct setup_facts then = {.replies_map_path = facts->replies_map_path,
	                           .has_transport_map = true};
	struct postconf *postconf = setup_texts_postconf(directory, texts, err);
	struct setup_plan plan;
	int rc;

	if (postconf == NULL)
		return -1;
	rc = setup_plan_make(postconf, config, &then, &plan, err);
	if (rc == 0 && plan.count > 0)
		rc = error_set(err, ERROR_CONFIG, "postconf did not make the edit of %s",
		               plan.edits[0].target);
	setup_plan_release(&plan);
	postconf_free(postconf);
	return rc;
}

/* The files beside main.cf, before it names them. */
static int write_files(const struct invocation *invocation, const struct setup_plan *plan,
                       struct error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct setup_edit *edit = &plan->edits[i];
		char *words[] = {(char[]){"postfix"}, (char[]){"maps"}, NULL};
		struct invocation maps = {.command = command_find("postfix"),
		                          .config_path = invocation->config_path,
		                          .argc = 2,
		                          .argv = words};

		if (edit->kind != SETUP_FILE)
			continue;
		if (edit->after == NULL) {
			if (maps.command->run(&maps) != 0)
				return error_set(err, ERROR_TEMPORARY, "cannot write %s",
				                 edit->target);
		} else if (setup_file_write(edit->target,
		                            &(struct setup_bytes){edit->after, strlen(edit->after)},
		                            MAP_MODE, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Postfix finds fault with what it got: everything is put back. */
static int take_back(const char *directory, struct setup_journal *journal,
                     const struct setup_texts *before, const struct setup_texts *after,
                     struct error *err)
{
	struct setup_journal last = {&journal->runs[journal->count - 1], 1};
	struct string_list said = {0};
	struct error other;
	int rc = setup_texts_put(directory, after, before, &other);

	if (rc == 0)
		rc = setup_undo_files(&last, true, &said, &other);
	if (rc == 0) {
		journal->count--;
		rc = setup_journal_write(directory, journal, &other);
		setup_backup_remove(directory, last.runs[0].backup);
		setup_run_release(&last.runs[0]);
	}
	string_list_release(&said);
	if (rc < 0)
		command_complain("put it back: %s", other.text);
	else
		error_prefix(err, "everything is as it was before");
	return -1;
}

/* The journal is written before anything is changed, so that whatever happens can be undone. */
static int apply(const struct invocation *invocation, const char *directory,
                 const struct config *config, const struct setup_facts *facts,
                 struct setup_plan *plan, struct error *err)
{
	struct setup_texts before = {0}, after = {0};
	struct setup_journal journal = {0};
	struct setup_run run = {0};
	size_t count;
	struct setup_change *changes = changes_of(plan, &count);
	int rc = -1;

	if (setup_check(directory, err) < 0 || setup_texts_read(directory, &before, err) < 0)
		goto out;
	setup_texts_copy(&after, &before);
	if (setup_texts_change(directory, &after, changes, count, err) < 0 ||
	    verify(directory, &after, config, facts, err) < 0 ||
	    setup_journal_read(directory, &journal, err) < 0)
		goto out;
	run.backup = setup_backup_make(directory, &before, err);
	if (run.backup == NULL)
		goto out;
	printf("\nKept as they were: %s/%s\n", directory, run.backup);
	setup_run_set_sums(&run, &before, &after);
	run.plan = *plan;
	*plan = (struct setup_plan){0};
	setup_journal_add(&journal, &run);
	if (setup_journal_write(directory, &journal, err) < 0 ||
	    write_files(invocation, &journal.runs[journal.count - 1].plan, err) < 0 ||
	    setup_texts_put(directory, &before, &after, err) < 0)
		goto out;
	rc = setup_check(directory, err);
	if (rc < 0)
		take_back(directory, &journal, &before, &after, err);
out:
	free(changes);
	setup_run_release(&run);
	setup_journal_release(&journal);
	setup_texts_release(&before);
	setup_texts_release(&after);
	return rc;
}

/* Postfix that reloads while no milter answers would put off all mail. */
static int reload(const struct config *config, const char *directory)
{
	struct error err;

	if (config != NULL && probe_socket(config->milter_socket, PROBE_TIMEOUT_MS, &err) < 0) {
		command_complain("Postfix is not reloaded: rejoinder-milter does not answer: %s",
		                 err.text);
		return EX_UNAVAILABLE;
	}
	if (setup_reload(directory, &err) < 0)
		return complain(&err);
	puts("Postfix is reloaded.");
	return 0;
}

static void print_left_to_do(const struct config *config, bool is_reloaded)
{
	struct error err;
	bool answers = probe_socket(config->milter_socket, PROBE_TIMEOUT_MS, &err) == 0;

	puts("\nLeft to do:");
	if (!answers)
		puts("  - start rejoinder-milter first (systemctl start rejoinder.target): while it\n"
		     "    does not answer, Postfix puts off all mail");
	if (!is_reloaded)
		puts("  - postfix reload");
	puts("  - rejoinder doctor\n"
	     "To take it all out again: rejoinder setup --undo");
}

static int wire(const struct invocation *invocation, const struct options *options,
                const struct config *config, const struct postconf *postconf)
{
	const char *directory = postconf_directory(postconf);
	struct setup_facts facts;
	struct setup_plan plan = {0};
	struct error err;
	int status = 0, locked;

	setup_facts_find(postconf, config, &facts);
	if (setup_plan_make(postconf, config, &facts, &plan, &err) < 0) {
		status = complain(&err);
		goto out;
	}
	if (options->is_json) {
		setup_print_json(directory, &plan);
		goto out;
	}
	if (plan.count == 0) {
		printf("Postfix in %s has all that Rejoinder needs: there is nothing to do.\n",
		       directory);
		setup_print_sentences("Note: ", &plan.notes);
		goto out;
	}
	printf("What Postfix in %s needs for Rejoinder:\n\n", directory);
	setup_print_plan(&plan);
	if (plan.notes.count > 0)
		putchar('\n');
	setup_print_sentences("Note: ", &plan.notes);
	if (options->is_dry_run) {
		puts("\nNothing was changed.");
		goto out;
	}
	if (!is_agreed(invocation, options, "Make these edits?", &status))
		goto out;
	locked = lock(directory, &err);
	if (locked < 0) {
		status = complain(&err);
		goto out;
	}
	if (apply(invocation, directory, config, &facts, &plan, &err) < 0) {
		status = complain(&err);
	} else {
		puts("The edits are made, and `postfix check` finds no fault.");
		if (options->wants_reload)
			status = reload(config, directory);
		print_left_to_do(config, options->wants_reload && status == 0);
	}
	close(locked);
out:
	setup_plan_release(&plan);
	setup_facts_release(&facts);
	return status;
}

/* Put it in place, and remember what is left. */
static int carry_out(const char *directory, struct setup_journal *journal,
                     const struct setup_texts *current, struct setup_undo *undo, bool is_all,
                     struct error *err)
{
	struct setup_journal left = {0};
	struct setup_run run = {0};
	int rc = -1;

	if (undo->stays.count > 0) {
		run.backup = setup_backup_make(directory, &undo->without, err);
		if (run.backup == NULL)
			return -1;
		setup_run_set_sums(&run, &undo->without, &undo->texts);
		run.plan = undo->stays;
		undo->stays = (struct setup_plan){0};
		setup_journal_add(&left, &run);
	}
	if (setup_texts_put(directory, current, &undo->texts, err) == 0 &&
	    setup_undo_files(journal, is_all, &undo->said, err) == 0 &&
	    setup_journal_write(directory, &left, err) == 0)
		rc = 0;
	/* What is back in its place is kept nowhere else; what was edited since is. */
	for (size_t i = 0; i < journal->count && rc == 0; i++) {
		if (undo->is_restored)
			setup_backup_remove(directory, journal->runs[i].backup);
		else
			printf("Kept as they were before setup: %s/%s\n", directory,
			       journal->runs[i].backup);
	}
	setup_journal_release(&left);
	return rc;
}

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

static bool are_equal(const struct setup_texts *a, const struct setup_texts *b)
{
	return setup_bytes_equal(&a->files[SETUP_MAIN_CF], &b->files[SETUP_MAIN_CF]) &&
	       setup_bytes_equal(&a->files[SETUP_MASTER_CF], &b->files[SETUP_MASTER_CF]);
}

static int undo_locked(const struct invocation *invocation, const struct options *options,
                       const char *directory, struct setup_journal *journal)
{
	struct setup_texts current = {0};
	struct setup_undo undo = {0};
	struct error err;
	int status = 0;

	if (setup_texts_read(directory, &current, &err) < 0 ||
	    setup_undo_make(directory, journal, &current, options->is_all, &undo, &err) < 0) {
		status = complain(&err);
		goto out;
	}
	if (undo.stays.count > 0 && are_equal(&current, &undo.texts) && journal->count == 1 &&
	    journal->runs[0].plan.count == undo.stays.count) {
		printf("What setup did in %s is undone. ", directory);
		puts("What is left, answers to mail that was\n"
		     "sent depend on; --all takes it out too.");
		goto out;
	}
	print_undo(&undo);
	if (options->is_dry_run) {
		puts("Nothing was changed.");
		goto out;
	}
	if (!is_agreed(invocation, options, "Undo setup?", &status))
		goto out;
	string_list_release(&undo.said);
	if (carry_out(directory, journal, &current, &undo, options->is_all, &err) < 0 ||
	    setup_check(directory, &err) < 0) {
		status = complain(&err);
		goto out;
	}
	setup_print_sentences("- ", &undo.said);
	puts("Undone.");
	if (options->wants_reload)
		status = reload(NULL, directory);
	else
		puts("Postfix goes by it after: postfix reload");
out:
	setup_undo_release(&undo);
	setup_texts_release(&current);
	return status;
}

static int undo(const struct invocation *invocation, const struct options *options,
                const struct postconf *postconf)
{
	const char *directory = postconf_directory(postconf);
	struct setup_journal journal = {0};
	struct error err;
	int status, locked = lock(directory, &err), found;

	if (locked < 0)
		return complain(&err);
	found = setup_journal_read(directory, &journal, &err);
	if (found < 0) {
		status = complain(&err);
	} else if (found == 0) {
		printf("There is nothing to undo in %s: setup has left no journal there.\n",
		       directory);
		status = EXIT_NO_RESULT;
	} else {
		status = undo_locked(invocation, options, directory, &journal);
	}
	setup_journal_release(&journal);
	close(locked);
	return status;
}

int command_setup(struct invocation *invocation)
{
	struct options options = {0};
	const struct flag flags[] = {{"config-dir", 'd', NULL, &options.directory},
	                             {"dry-run", 'n', &options.is_dry_run, NULL},
	                             {"yes", 'y', &options.is_agreed, NULL},
	                             {"undo", 'u', &options.is_undo, NULL},
	                             {"all", 'a', &options.is_all, NULL},
	                             {"reload", 'r', &options.wants_reload, NULL},
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
	if (options.is_json && (!options.is_dry_run || options.is_undo))
		return command_usage_error(invocation, "setup: --json goes with --dry-run");
	/* To undo it, nobody needs a configuration. */
	if (!options.is_undo && (config = command_load_config(invocation)) == NULL)
		return EX_CONFIG;
	postconf = postconf_read(options.directory, &err);
	if (postconf == NULL)
		status = complain(&err);
	else if (options.is_undo)
		status = undo(invocation, &options, postconf);
	else
		status = wire(invocation, &options, config, postconf);
	postconf_free(postconf);
	config_free(config);
	return status;
}
