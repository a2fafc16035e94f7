#include <stdlib.h>
#include <string.h>

#include "ctl/setup.h"
#include "lib/base/memory.h"

#define MAP_MODE 0644

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
	if (rc == 0)
		rc = setup_plan_verify(postconf, config, err);
	setup_plan_release(&plan);
	postconf_free(postconf);
	return rc;
}

/* The files beside main.cf, before it names them. */
static int write_files(const struct setup_plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct setup_edit *edit = &plan->edits[i];
		const struct file_bytes bytes = {edit->after, strlen(edit->after)};

		if (edit->kind == SETUP_FILE && file_write(edit->target, &bytes, MAP_MODE, err) < 0)
			return -1;
	}
	return 0;
}

/* What the last run of the journal did beside main.cf is taken back, *err being why. */
static void take_back(const char *directory, struct setup_journal *journal, struct error *err)
{
	struct setup_journal last = {&journal->runs[journal->count - 1], 1};
	struct string_list said = {0};
	struct error other;
	int rc = setup_undo_files(&last, true, &said, &other);

	if (rc == 0) {
		/* First, for there may be no room for the journal else. */
		setup_backup_remove(directory, last.runs[0].backup);
		setup_run_release(&last.runs[0]);
		journal->count--;
		rc = setup_journal_write(directory, journal, &other);
	}
	string_list_release(&said);
	if (rc < 0)
		error_prefix(err, "not all could be put back (%s)", other.text);
	else
		error_prefix(err, "nothing was changed");
}

int setup_commit(const char *directory, const struct setup_texts *texts,
                 const struct config *config, const struct setup_facts *facts,
                 struct setup_plan *plan, char **backup_out, struct error *err)
{
	struct setup_texts after = {0};
	struct setup_journal journal = {0};
	struct setup_run run = {0};
	size_t count;
	struct setup_change *changes = changes_of(plan, &count);
	int rc = -1;

	*backup_out = NULL;
	/* All that takes its time comes first: each new smtpd goes by main.cf at once, and by
	 * master.cf only after the reload. */
	setup_texts_copy(&after, texts);
	if (setup_check(directory, err) < 0 || setup_texts_compare(directory, texts, err) < 0 ||
	    setup_texts_change(directory, &after, changes, count, err) < 0 ||
	    verify(directory, &after, config, facts, err) < 0 ||
	    setup_texts_check(directory, &after, err) < 0 ||
	    setup_journal_read(directory, &journal, err) < 0)
		goto out;
	run.backup = setup_backup_make(directory, texts, err);
	if (run.backup == NULL)
		goto out;
	*backup_out = xstrdup(run.backup);
	setup_run_set_sums(&run, texts, &after);
	run.plan = *plan;
	*plan = (struct setup_plan){0};
	setup_journal_add(&journal, &run);
	/* The journal is written before anything is changed: so all can be undone, whatever happens. */
	rc = setup_journal_write(directory, &journal, err);
	if (rc == 0)
		rc = write_files(&journal.runs[journal.count - 1].plan, err);
	if (rc == 0)
		rc = setup_texts_put(directory, texts, &after, err);
	if (rc < 0)
		take_back(directory, &journal, err);
out:
	free(changes);
	setup_run_release(&run);
	setup_journal_release(&journal);
	setup_texts_release(&after);
	return rc;
}

/* The run that is left of the journal, if one is. */
static int leave(const char *directory, const struct setup_journal *journal,
                 struct setup_undo *undo, struct setup_journal *left, struct error *err)
{
	struct setup_run run = {0};

	if (undo->stays.count == 0)
		return 0;
	run.backup = setup_backup_make(directory, &undo->without, err);
	if (run.backup == NULL)
		return -1;
	setup_run_set_sums(&run, &undo->without, &undo->texts);
	run.plan = undo->stays;
	run.is_remainder = !undo->is_restored || journal->runs[0].is_remainder;
	undo->stays = (struct setup_plan){0};
	setup_journal_add(left, &run);
	return 0;
}

int setup_commit_undo(const char *directory, struct setup_journal *journal,
                      const struct setup_texts *current, struct setup_undo *undo, bool is_all,
                      struct error *err)
{
	struct setup_journal left = {0};
	bool is_put = false;
	int rc = leave(directory, journal, undo, &left, err);

	string_list_release(&undo->said);
	if (rc == 0) {
		rc = setup_texts_put(directory, current, &undo->texts, err);
		is_put = rc == 0;
	}
	if (rc == 0)
		rc = setup_undo_files(journal, is_all, &undo->said, err);
	if (rc == 0)
		rc = setup_journal_write(directory, &left, err);
	if (rc < 0) {
		if (left.count > 0)
			setup_backup_remove(directory, left.runs[0].backup);
		/* The journal still tells of all. */
		error_prefix(err,
		             is_put ? "main.cf and master.cf are undone, not the rest: run it again"
		                    : "nothing was changed");
	}
	/* What is back in its place is kept nowhere else; what was edited since is. */
	for (size_t i = 0; i < journal->count && rc == 0 && undo->is_restored; i++)
		setup_backup_remove(directory, journal->runs[i].backup);
	setup_journal_release(&left);
	return rc;
}
