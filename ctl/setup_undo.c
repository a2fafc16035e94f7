#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/relay_map.h"
#include "ctl/setup.h"
#include "ctl/setup_lists.h"
#include "lib/base/memory.h"

#define MAP_MODE 0644

/* Reversing a run edit by edit: of files that somebody has edited since. */
struct reversal {
	const struct postconf *postconf; /* of the files as they are */
	struct string_list *said;
	struct setup_change *changes;
	size_t count;
	struct string_list values; /* that the changes point to */
	bool keeps_submission;     /* submission_milters holds what the admin put there */
	const struct string_list *edited_maps;
};

static bool is_same(const char *a, const char *b)
{
	char *plain_a = setup_collapse(a), *plain_b = setup_collapse(b);
	bool is_equal = strcmp(plain_a, plain_b) == 0;

	free(plain_a);
	free(plain_b);
	return is_equal;
}

static void change(struct reversal *reversal, const struct setup_edit *edit, char *value)
{
	reversal->changes =
		xreallocarray(reversal->changes, reversal->count + 1, sizeof(*reversal->changes));
	reversal->changes[reversal->count++] =
		(struct setup_change){edit->kind, edit->target, value};
	if (value != NULL)
		string_list_take(&reversal->values, value);
}

static enum setup_config config_of(const struct setup_edit *edit)
{
	return edit->kind == SETUP_MAIN ? SETUP_MAIN_CF : SETUP_MASTER_CF;
}

/* The service that a target, name/type or name/type/parameter, begins with; -1 if it is gone. */
static ssize_t find_service(const struct postconf *postconf, const char *target,
                            const char **parameter_out)
{
	for (size_t i = 0; i < postconf_service_count(postconf); i++) {
		const struct postconf_service *service = postconf_service(postconf, i);
		size_t name = strlen(service->name), type = strlen(service->type);
		const char *rest = target + name + 1 + type;

		if (strncmp(target, service->name, name) != 0 || target[name] != '/' ||
		    strncmp(target + name + 1, service->type, type) != 0 ||
		    (*rest != '\0' && *rest != '/'))
			continue;
		*parameter_out = *rest == '/' ? rest + 1 : NULL;
		return (ssize_t)i;
	}
	return -1;
}

/* What a target is now, NULL if it is not there. */
static const char *value_now(const struct postconf *postconf, const struct setup_edit *edit)
{
	const char *parameter;
	ssize_t service;

	if (edit->kind == SETUP_MAIN)
		return postconf_own_value(postconf, edit->target);
	service = find_service(postconf, edit->target, &parameter);
	if (service < 0)
		return NULL;
	if (edit->kind == SETUP_SERVICE)
		return postconf_service(postconf, (size_t)service)->line;
	return parameter != NULL ? postconf_service_own_value(postconf, (size_t)service, parameter)
	                         : NULL;
}

/* The list without what we put into it. */
static void reverse_list(struct reversal *reversal, const struct setup_edit *edit, const char *now)
{
	char *list =
		setup_list_replace(now, edit->element, edit->instead != NULL ? edit->instead : "");
	char *compact = edit->kind == SETUP_OPTION ? setup_list_compact(list) : xstrdup(list);

	free(list);
	if (*compact == '\0' && edit->before == NULL) {
		free(compact);
		change(reversal, edit, NULL);
		return;
	}
	string_list_take(reversal->said,
	                 xasprintf("%s has been edited since: only what setup put there is "
	                           "taken out",
	                           edit->target));
	change(reversal, edit, compact);
}

/* Is it a name of ours, of no use to anybody without Rejoinder? */
static bool is_ours(const struct setup_edit *edit)
{
	return edit->kind == SETUP_SERVICE || strncmp(edit->target, "rejoinder", 9) == 0;
}

/* Is it what setup wrote, or what `rejoinder postfix maps` has made of that since? */
static bool is_unedited(const struct setup_edit *edit, const struct file_bytes *now)
{
	return (now->length == strlen(edit->after) &&
	        memcmp(now->data, edit->after, now->length) == 0) ||
	       (relay_map_is_ours(edit->after) && relay_map_is_ours(now->data));
}

/*
 * The maps of the journal that somebody has edited since; but not that of relays, whose
 * lines of ours name services that go.
 */
static int find_edited_maps(const struct setup_journal *journal, struct string_list *out,
                            struct error *err)
{
	for (size_t i = 0; i < journal->count; i++) {
		for (size_t j = 0; j < journal->runs[i].plan.count; j++) {
			const struct setup_edit *edit = &journal->runs[i].plan.edits[j];
			struct file_bytes now;
			bool is_map = edit->kind == SETUP_FILE && !relay_map_is_ours(edit->after);
			int rc = is_map ? file_read(edit->target, &now, err) : 0;

			/* A later run may have written it anew: the last one decides. */
			if (rc > 0 && is_unedited(edit, &now))
				string_list_release(out);
			else if (rc > 0)
				string_list_add(out, edit->target);
			if (rc > 0)
				free(now.data);
			if (rc < 0)
				return -1;
		}
	}
	return 0;
}

/* Does it name a map that stays, since somebody has put lines of his own into it? */
static bool is_all_kept(const struct reversal *reversal, const struct setup_edit *edit)
{
	const char *path = edit->element != NULL ? strchr(edit->element, ':') : NULL;

	return path != NULL && string_list_has(reversal->edited_maps, path + 1);
}

static void reverse(struct reversal *reversal, const struct setup_edit *edit)
{
	const char *now = value_now(reversal->postconf, edit);

	/* Gone, or never come to be. */
	if (now == NULL)
		return;
	if (reversal->keeps_submission && edit->element != NULL &&
	    strcmp(edit->element, SETUP_SUBMISSION) == 0) {
		string_list_take(reversal->said,
		                 xasprintf("%s stays: it names submission_milters, where you "
		                           "have put other milters",
		                           edit->target));
	} else if (is_all_kept(reversal, edit)) {
		string_list_take(reversal->said,
		                 xasprintf("%s goes on naming %s, where you have put lines",
		                           edit->target, edit->element));
	} else if (is_same(now, edit->after)) {
		change(reversal, edit, xstrdup(edit->before));
	} else if (edit->element != NULL && setup_list_has(now, edit->element)) {
		reverse_list(reversal, edit, now);
	} else if (is_ours(edit)) {
		string_list_take(reversal->said,
		                 xasprintf("%s goes, though it has been edited since; it was: %s",
		                           edit->target, now));
		change(reversal, edit, NULL);
	} else if (edit->before == NULL || !is_same(now, edit->before)) {
		string_list_take(reversal->said,
		                 xasprintf("%s stays: it has been edited since", edit->target));
	}
}

/* Has the admin put milters into submission_milters, which others refer to? */
static bool keeps_submission(const struct setup_run *run, const struct postconf *postconf)
{
	for (size_t i = 0; i < run->plan.count; i++) {
		const struct setup_edit *edit = &run->plan.edits[i];
		const char *now;
		char *rest;
		bool is_kept;

		if (edit->kind != SETUP_MAIN || strcmp(edit->target, "submission_milters") != 0)
			continue;
		now = value_now(postconf, edit);
		if (now == NULL || is_same(now, edit->after))
			return false;
		rest = setup_list_replace(now, SETUP_MILTER, "");
		is_kept = *rest != '\0';
		free(rest);
		return is_kept;
	}
	return false;
}

static int reverse_run(const char *directory, const struct setup_run *run,
                       struct setup_texts *texts, const bool *is_edited,
                       const struct string_list *edited_maps, struct string_list *said,
                       struct error *err)
{
	struct postconf *postconf = setup_texts_postconf(directory, texts, err);
	struct reversal reversal = {.postconf = postconf, .said = said, .edited_maps = edited_maps};
	int rc = 0;

	if (postconf == NULL)
		return -1;
	reversal.keeps_submission = is_edited[SETUP_MAIN_CF] && keeps_submission(run, postconf);
	for (size_t i = run->plan.count; i > 0; i--) {
		const struct setup_edit *edit = &run->plan.edits[i - 1];

		if (edit->kind != SETUP_FILE && is_edited[config_of(edit)])
			reverse(&reversal, edit);
	}
	if (reversal.count > 0)
		rc = setup_texts_change(directory, texts, reversal.changes, reversal.count, err);
	free(reversal.changes);
	string_list_release(&reversal.values);
	postconf_free(postconf);
	return rc;
}

/* Put a file of the backup in the place of *bytes; false if it is not what it should be. */
static bool take_backup(const char *directory, const struct setup_run *run, enum setup_config which,
                        struct file_bytes *bytes)
{
	char *path = xasprintf("%s/%s/%s", directory, run->backup, setup_config_name(which));
	struct file_bytes kept = {0};
	struct error ignored;
	bool is_good =
		file_read(path, &kept, &ignored) > 0 && setup_run_is_before(run, which, &kept);

	if (is_good) {
		free(bytes->data);
		*bytes = kept;
	} else {
		free(kept.data);
	}
	free(path);
	return is_good;
}

static bool names_any(const struct setup_run *run, const struct string_list *maps)
{
	for (size_t i = 0; i < run->plan.count; i++) {
		const struct setup_edit *edit = &run->plan.edits[i];
		const char *path = edit->element != NULL ? strchr(edit->element, ':') : NULL;

		if (edit->kind == SETUP_MAIN && path != NULL && string_list_has(maps, path + 1))
			return true;
	}
	return false;
}

static int undo_run(const char *directory, const struct setup_run *run,
                    const struct string_list *edited_maps, struct setup_texts *texts,
                    struct string_list *said, struct error *err)
{
	bool is_edited[SETUP_CONFIGS];
	struct postconf *postconf;

	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++)
		is_edited[i] = !setup_run_is_before(run, i, &texts->files[i]) &&
		               !setup_run_is_after(run, i, &texts->files[i]);
	/* What names a map that stays must stay too. */
	is_edited[SETUP_MAIN_CF] = is_edited[SETUP_MAIN_CF] || names_any(run, edited_maps);
	if (is_edited[SETUP_MAIN_CF] && !is_edited[SETUP_MASTER_CF]) {
		/* What is kept in main.cf must be referred to by master.cf. */
		postconf = setup_texts_postconf(directory, texts, err);
		if (postconf == NULL)
			return -1;
		is_edited[SETUP_MASTER_CF] = keeps_submission(run, postconf);
		postconf_free(postconf);
	}
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++)
		if (!is_edited[i] && !setup_run_is_before(run, i, &texts->files[i]))
			is_edited[i] = !take_backup(directory, run, i, &texts->files[i]);
	if (!is_edited[SETUP_MAIN_CF] && !is_edited[SETUP_MASTER_CF])
		return 0;
	return reverse_run(directory, run, texts, is_edited, edited_maps, said, err);
}

static bool has_target(const struct setup_plan *plan, const struct setup_edit *edit)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->edits[i].kind == edit->kind &&
		    strcmp(plan->edits[i].target, edit->target) == 0)
			return true;
	return false;
}

static void keep(struct setup_undo *undo, const struct setup_edit *edit, const char *before,
                 const char *after)
{
	struct setup_edit *kept =
		setup_plan_add(&undo->stays, edit->kind, edit->target, before, after, edit->reason);

	kept->element = xstrdup(edit->element);
	kept->instead = xstrdup(edit->instead);
	kept->stays = true;
}

/* Leave as they are now the values that mail under way depends on. */
static int keep_stays(const char *directory, const struct setup_journal *journal,
                      const struct setup_texts *current, struct setup_undo *undo, struct error *err)
{
	struct postconf *now = setup_texts_postconf(directory, current, err);
	struct postconf *then =
		now != NULL ? setup_texts_postconf(directory, &undo->without, err) : NULL;
	struct setup_change *changes = NULL;
	size_t count = 0;
	int rc = then != NULL ? 0 : -1;

	for (size_t i = 0; i < journal->count && rc == 0; i++) {
		for (size_t j = 0; j < journal->runs[i].plan.count; j++) {
			const struct setup_edit *edit = &journal->runs[i].plan.edits[j];
			const char *value, *without;

			if (!edit->stays ||
			    (edit->kind == SETUP_MAIN && has_target(&undo->stays, edit)))
				continue;
			if (edit->kind == SETUP_FILE) {
				keep(undo, edit, edit->before, edit->after);
				continue;
			}
			value = value_now(now, edit);
			without = value_now(then, edit);
			if (value == NULL || (without != NULL && is_same(value, without)))
				continue;
			keep(undo, edit, without, value);
			changes = xreallocarray(changes, count + 1, sizeof(*changes));
			changes[count++] = (struct setup_change){edit->kind, edit->target, value};
		}
	}
	if (rc == 0 && count > 0)
		rc = setup_texts_change(directory, &undo->texts, changes, count, err);
	free(changes);
	postconf_free(now);
	postconf_free(then);
	return rc;
}

/* A line that is no comment and names the parameter, $name or ${name}. */
static bool is_named(const struct file_bytes *text, const char *parameter)
{
	const char *line = text->data, *end = text->data + text->length;
	size_t length = strlen(parameter);
	bool is = false;

	while (line < end && !is) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		const char *stop = next != NULL ? next : end, *at = line;

		while (line[0] != '#' && !is &&
		       (at = memchr(at, '$', (size_t)(stop - at))) != NULL) {
			at += 1 + (at + 1 < stop && (at[1] == '{' || at[1] == '('));
			is = (size_t)(stop - at) >= length && memcmp(at, parameter, length) == 0 &&
			     (at + length == stop || strchr(" \t\r,}):?", at[length]) != NULL);
		}
		line = stop + (next != NULL);
	}
	return is;
}

/*
 * What somebody else has made name submission_milters since must not lose the milters that it
 * stands for: it stays, without ours.
 */
static int keep_named(const char *directory, const struct setup_journal *journal,
                      struct setup_texts *texts, struct string_list *said, struct error *err)
{
	static const char parameter[] = "submission_milters";
	struct postconf *postconf = setup_texts_postconf(directory, texts, err);
	bool is_there;
	int rc = 0;

	if (postconf == NULL)
		return -1;
	is_there = postconf_own_value(postconf, parameter) != NULL;
	postconf_free(postconf);
	if (is_there || (!is_named(&texts->files[SETUP_MAIN_CF], parameter) &&
	                 !is_named(&texts->files[SETUP_MASTER_CF], parameter)))
		return 0;
	for (size_t i = 0; i < journal->count && rc == 0; i++) {
		for (size_t j = 0; j < journal->runs[i].plan.count && rc == 0; j++) {
			const struct setup_edit *edit = &journal->runs[i].plan.edits[j];
			struct setup_change change = {SETUP_MAIN, parameter, NULL};
			char *rest;

			if (edit->kind != SETUP_MAIN || strcmp(edit->target, parameter) != 0)
				continue;
			rest = setup_list_replace(edit->after, SETUP_MILTER, "");
			change.value = rest;
			rc = setup_texts_change(directory, texts, &change, 1, err);
			free(rest);
			string_list_add(said,
			                "submission_milters stays, without Rejoinder: something "
			                "that setup did not write names it");
		}
	}
	return rc;
}

int setup_undo_make(const char *directory, const struct setup_journal *journal,
                    const struct setup_texts *current, bool is_all, struct setup_undo *out,
                    struct error *err)
{
	struct string_list edited_maps = {0};
	int rc = find_edited_maps(journal, &edited_maps, err);

	*out = (struct setup_undo){0};
	setup_texts_copy(&out->without, current);
	for (size_t i = journal->count; i > 0 && rc == 0; i--)
		rc = undo_run(directory, &journal->runs[i - 1], &edited_maps, &out->without,
		              &out->said, err);
	string_list_release(&edited_maps);
	if (rc < 0)
		return -1;
	if (keep_named(directory, journal, &out->without, &out->said, err) < 0)
		return -1;
	out->is_restored = journal->count > 0 && !journal->runs[0].is_remainder;
	for (enum setup_config i = 0; i < SETUP_CONFIGS && journal->count > 0; i++)
		out->is_restored = out->is_restored && setup_run_is_before(&journal->runs[0], i,
		                                                           &out->without.files[i]);
	setup_texts_copy(&out->texts, &out->without);
	return is_all ? 0 : keep_stays(directory, journal, current, out, err);
}

void setup_undo_release(struct setup_undo *undo)
{
	setup_texts_release(&undo->texts);
	setup_texts_release(&undo->without);
	setup_plan_release(&undo->stays);
	string_list_release(&undo->said);
}

static int undo_file(const struct setup_edit *edit, struct string_list *said, struct error *err)
{
	struct file_bytes now;
	int rc = file_read(edit->target, &now, err);

	if (rc <= 0)
		return rc;
	rc = 0;
	if (!is_unedited(edit, &now))
		string_list_take(said,
		                 xasprintf("%s stays: it has been edited since", edit->target));
	else if (edit->before != NULL)
		rc = file_write(edit->target,
		                &(struct file_bytes){edit->before, strlen(edit->before)}, MAP_MODE,
		                err);
	else if (unlink(edit->target) != 0)
		rc = error_set(err, ERROR_TEMPORARY, "remove %s: %s", edit->target,
		               strerror(errno));
	free(now.data);
	return rc;
}

int setup_undo_files(const struct setup_journal *journal, bool is_all, struct string_list *said,
                     struct error *err)
{
	for (size_t i = journal->count; i > 0; i--) {
		const struct setup_plan *plan = &journal->runs[i - 1].plan;

		for (size_t j = plan->count; j > 0; j--)
			if (plan->edits[j - 1].kind == SETUP_FILE &&
			    (is_all || !plan->edits[j - 1].stays) &&
			    undo_file(&plan->edits[j - 1], said, err) < 0)
				return -1;
	}
	return 0;
}
