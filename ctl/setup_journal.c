#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/json.h"
#include "ctl/setup.h"
#include "lib/base/digest.h"
#include "lib/base/memory.h"

/*
 * The journal, JSON:
 *     {"version": 1, "runs": [RUN...]}
 * RUN: {"backup": DIRECTORY, "main.cf": [BEFORE, AFTER], "master.cf": [BEFORE, AFTER],
 *       "edits": [EDIT...], "remainder": BOOLEAN}, BEFORE and AFTER being SHA-256 in hexadecimal
 * EDIT: {"kind": "file|main|service|option", "target": TEXT, "before": TEXT|null,
 *        "after": TEXT|null, "element": TEXT|null, "instead": TEXT|null, "reason": TEXT,
 *        "stays": BOOLEAN}
 */

#define JOURNAL_NAME    "rejoinder.setup"
#define JOURNAL_VERSION 1
#define JOURNAL_MODE    0600

static const char *const kind_names[] = {[SETUP_FILE] = "file",
                                         [SETUP_MAIN] = "main",
                                         [SETUP_SERVICE] = "service",
                                         [SETUP_OPTION] = "option"};

/* SHA-256 in hexadecimal, a heap string. */
static char *sum_of(const struct file_bytes *bytes)
{
	unsigned char sum[DIGEST_BYTES];
	struct digest *digest = digest_new();
	char *text = xmalloc(2 * DIGEST_BYTES + 1);

	digest_add(digest, bytes->data, bytes->length);
	digest_finish(digest, sum);
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", sum[i]);
	return text;
}

void setup_run_set_sums(struct setup_run *run, const struct setup_texts *before,
                        const struct setup_texts *after)
{
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++) {
		free(run->sums[i][0]);
		free(run->sums[i][1]);
		run->sums[i][0] = sum_of(&before->files[i]);
		run->sums[i][1] = sum_of(&after->files[i]);
	}
}

static bool has_sum(const struct file_bytes *bytes, const char *wanted)
{
	char *sum = sum_of(bytes);
	bool is_equal = strcmp(sum, wanted) == 0;

	free(sum);
	return is_equal;
}

bool setup_run_is_before(const struct setup_run *run, enum setup_config which,
                         const struct file_bytes *bytes)
{
	return has_sum(bytes, run->sums[which][0]);
}

bool setup_run_is_after(const struct setup_run *run, enum setup_config which,
                        const struct file_bytes *bytes)
{
	return has_sum(bytes, run->sums[which][1]);
}

void setup_run_release(struct setup_run *run)
{
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++) {
		free(run->sums[i][0]);
		free(run->sums[i][1]);
	}
	free(run->backup);
	setup_plan_release(&run->plan);
	*run = (struct setup_run){0};
}

void setup_journal_release(struct setup_journal *journal)
{
	for (size_t i = 0; i < journal->count; i++)
		setup_run_release(&journal->runs[i]);
	free(journal->runs);
	*journal = (struct setup_journal){0};
}

void setup_journal_add(struct setup_journal *journal, struct setup_run *run)
{
	journal->runs = xreallocarray(journal->runs, journal->count + 1, sizeof(*journal->runs));
	journal->runs[journal->count++] = *run;
	*run = (struct setup_run){0};
}

static char *path_of(const char *directory)
{
	return xasprintf("%s/" JOURNAL_NAME, directory);
}

/* A copy of a member that is text, or NULL. */
static char *member(json_t *object, const char *name)
{
	return xstrdup(json_string_value(json_object_get(object, name)));
}

/* Returns 0, or -1 if it is no edit. */
static int read_edit(struct setup_plan *plan, json_t *object)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	const char *target = json_string_value(json_object_get(object, "target"));
	const char *reason = json_string_value(json_object_get(object, "reason"));
	struct setup_edit *edit;

	for (size_t i = 0; kind != NULL && i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (strcmp(kind, kind_names[i]) != 0 || target == NULL || reason == NULL)
			continue;
		edit = setup_plan_add(plan, (enum setup_kind)i, target, NULL, NULL, reason);
		edit->before = member(object, "before");
		edit->after = member(object, "after");
		edit->element = member(object, "element");
		edit->instead = member(object, "instead");
		edit->stays = json_is_true(json_object_get(object, "stays"));
		return edit->kind == SETUP_FILE && edit->after == NULL ? -1 : 0;
	}
	return -1;
}

static int read_run(struct setup_run *run, json_t *object)
{
	json_t *edits = json_object_get(object, "edits"), *edit;
	size_t i;

	run->backup = member(object, "backup");
	run->is_remainder = json_is_true(json_object_get(object, "remainder"));
	for (enum setup_config which = 0; which < SETUP_CONFIGS; which++) {
		json_t *sums = json_object_get(object, setup_config_name(which));

		for (size_t j = 0; j < 2; j++) {
			run->sums[which][j] = xstrdup(json_string_value(json_array_get(sums, j)));
			if (run->sums[which][j] == NULL)
				return -1;
		}
	}
	/* A name, and no way to anywhere else. */
	if (run->backup == NULL || strchr(run->backup, '/') != NULL || !json_is_array(edits))
		return -1;
	json_array_foreach(edits, i, edit)
	{
		if (read_edit(&run->plan, edit) < 0)
			return -1;
	}
	return 0;
}

static int read_runs(struct setup_journal *journal, json_t *document)
{
	json_t *runs = json_object_get(document, "runs"), *object;
	size_t i;

	if (json_integer_value(json_object_get(document, "version")) != JOURNAL_VERSION ||
	    !json_is_array(runs))
		return -1;
	json_array_foreach(runs, i, object)
	{
		struct setup_run run = {0};
		int rc = read_run(&run, object);

		setup_journal_add(journal, &run);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int setup_journal_read(const char *directory, struct setup_journal *out, struct error *err)
{
	char *path = path_of(directory);
	struct file_bytes bytes = {0};
	json_t *document = NULL;
	int rc;

	*out = (struct setup_journal){0};
	rc = file_read(path, &bytes, err);
	if (rc > 0) {
		document = json_loadb(bytes.data, bytes.length, 0, NULL);
		if (document == NULL || read_runs(out, document) < 0)
			rc = error_set(err, ERROR_CORRUPT, "%s is no journal of this version",
			               path);
	}
	json_decref(document);
	free(bytes.data);
	free(path);
	return rc;
}

static json_t *text_or_null(const char *text)
{
	return text != NULL ? json_string_nocheck(text) : json_null();
}

static json_t *edit_object(const struct setup_edit *edit)
{
	json_t *object = json_object();

	json_object_set_new(object, "kind", json_string(kind_names[edit->kind]));
	json_object_set_new(object, "target", text_or_null(edit->target));
	json_object_set_new(object, "before", text_or_null(edit->before));
	json_object_set_new(object, "after", text_or_null(edit->after));
	json_object_set_new(object, "element", text_or_null(edit->element));
	json_object_set_new(object, "instead", text_or_null(edit->instead));
	json_object_set_new(object, "reason", text_or_null(edit->reason));
	json_object_set_new(object, "stays", json_boolean(edit->stays));
	return object;
}

static json_t *edit_objects(const struct setup_plan *plan)
{
	json_t *edits = json_array();

	for (size_t i = 0; i < plan->count; i++)
		json_array_append_new(edits, edit_object(&plan->edits[i]));
	return edits;
}

void setup_print_json(const char *directory, const struct setup_plan *plan)
{
	json_t *object = json_object();

	json_object_set_new(object, "directory", json_text(directory));
	json_object_set_new(object, "edits", edit_objects(plan));
	json_object_set_new(object, "notes", json_texts(&plan->notes));
	json_print(object);
}

void setup_print_undo_json(const char *directory, const struct setup_undo *undo)
{
	json_t *object = json_object();

	json_object_set_new(object, "directory", json_text(directory));
	json_object_set_new(object, "restored", json_boolean(undo->is_restored));
	json_object_set_new(object, "stays", edit_objects(&undo->stays));
	json_object_set_new(object, "notes", json_texts(&undo->said));
	json_print(object);
}

static json_t *run_object(const struct setup_run *run)
{
	json_t *object = json_object();

	json_object_set_new(object, "backup", text_or_null(run->backup));
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++)
		json_object_set_new(object, setup_config_name(i),
		                    json_pack("[ss]", run->sums[i][0], run->sums[i][1]));
	json_object_set_new(object, "edits", edit_objects(&run->plan));
	json_object_set_new(object, "remainder", json_boolean(run->is_remainder));
	return object;
}

int setup_journal_write(const char *directory, const struct setup_journal *journal,
                        struct error *err)
{
	char *path = path_of(directory), *text;
	json_t *document, *runs;
	int rc = 0;

	if (journal->count == 0) {
		if (unlink(path) != 0 && errno != ENOENT)
			rc = error_set(err, ERROR_TEMPORARY, "remove %s: %s", path,
			               strerror(errno));
		free(path);
		return rc;
	}
	document = json_object();
	runs = json_array();
	json_object_set_new(document, "version", json_integer(JOURNAL_VERSION));
	for (size_t i = 0; i < journal->count; i++)
		json_array_append_new(runs, run_object(&journal->runs[i]));
	json_object_set_new(document, "runs", runs);
	text = json_dumps(document, JSON_INDENT(1));
	if (text == NULL)
		rc = error_set(err, ERROR_CONFIG,
		               "main.cf or master.cf holds text that is not UTF-8");
	else
		rc = file_write(path, &(struct file_bytes){text, strlen(text)}, JOURNAL_MODE, err);
	free(text);
	json_decref(document);
	free(path);
	return rc;
}
