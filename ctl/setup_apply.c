#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/setup.h"
#include "ctl/setup_lists.h"
#include "lib/base/command.h"
#include "lib/base/memory.h"

#define TIMEOUT_MS       60000
#define OUTPUT_MAX_BYTES 65536
#define NEW_FILE_MODE    0644
#define COPY_NAME        "rejoinder-staged-"
#define COPY_AGE_S       10
#define RELOAD_PAUSE_S   1

const char *setup_config_name(enum setup_config which)
{
	static const char *const names[] = {
		[SETUP_MAIN_CF] = "main.cf", [SETUP_MASTER_CF] = "master.cf"};

	return names[which];
}

static char *path_of(const char *directory, enum setup_config which)
{
	return xasprintf("%s/%s", directory, setup_config_name(which));
}

int setup_texts_read(const char *directory, struct setup_texts *out, struct error *err)
{
	int rc = 1;

	*out = (struct setup_texts){0};
	for (enum setup_config i = 0; i < SETUP_CONFIGS && rc > 0; i++) {
		char *path = path_of(directory, i);

		rc = file_read(path, &out->files[i], err);
		if (rc == 0)
			rc = error_set(err, ERROR_CONFIG, "read %s: No such file", path);
		free(path);
	}
	return rc > 0 ? 0 : -1;
}

void setup_texts_release(struct setup_texts *texts)
{
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++)
		free(texts->files[i].data);
	*texts = (struct setup_texts){0};
}

void setup_texts_copy(struct setup_texts *out, const struct setup_texts *from)
{
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++)
		out->files[i] =
			(struct file_bytes){xmemdup0(from->files[i].data, from->files[i].length),
		                            from->files[i].length};
}

bool setup_texts_equal(const struct setup_texts *a, const struct setup_texts *b)
{
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++)
		if (!file_bytes_equal(&a->files[i], &b->files[i]))
			return false;
	return true;
}

static int write_both(const char *directory, const struct setup_texts *texts, struct error *err)
{
	int rc = 0;

	for (enum setup_config i = 0; i < SETUP_CONFIGS && rc == 0; i++) {
		char *path = path_of(directory, i);

		rc = file_write(path, &texts->files[i], NEW_FILE_MODE, err);
		free(path);
	}
	return rc;
}

/* A copy, and what postconf(1) left beside it if it was killed; what is another's stays. */
static void remove_copy(const char *directory)
{
	static const char *const endings[] = {"", ".tmp"};

	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++) {
		for (size_t j = 0; j < sizeof(endings) / sizeof(endings[0]); j++) {
			char *path =
				xasprintf("%s/%s%s", directory, setup_config_name(i), endings[j]);

			unlink(path);
			free(path);
		}
	}
	rmdir(directory);
}

/*
 * Postfix's programs wait until main.cf is some seconds old, for fear that it is just being
 * written.  A copy of ours is not.
 */
static void make_older(const char *directory)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = time(NULL) - COPY_AGE_S}};

	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++) {
		char *path = path_of(directory, i);

		utimensat(AT_FDCWD, path, times, 0);
		free(path);
	}
}

/* The last line that a program wrote is its reason. */
static int fail(const char *what, char *output, struct error *err)
{
	char *last = NULL, *next = output, *line;

	while (next != NULL && (line = strsep(&next, "\n")) != NULL)
		if (*line != '\0')
			last = line;
	if (last == NULL)
		return error_prefix(err, "%s", what);
	return error_set(err, ERROR_CONFIG, "%s: %s", what, last);
}

static int run(const char *what, const char *const *argv, struct error *err)
{
	char *output = NULL;
	size_t length;
	int rc = command_output_argv(argv, COMMAND_STDERR_WITH_OUTPUT, TIMEOUT_MS, OUTPUT_MAX_BYTES,
	                             &output, &length, err);

	if (rc < 0)
		rc = fail(what, output, err);
	free(output);
	return rc;
}

/* The option of postconf(1) for a kind of change. */
static const char *option_of(enum setup_kind kind, bool is_removal)
{
	switch (kind) {
	case SETUP_SERVICE:
		return is_removal ? "-MX" : "-Me";
	case SETUP_OPTION:
		return is_removal ? "-PX" : "-Pe";
	default:
		return is_removal ? "-X" : "-e";
	}
}

static int edit(const char *directory, const char *option, const char *text, struct error *err)
{
	int rc = run("edit with postconf",
	             (const char *const[]){"postconf", option, "-c", directory, text, NULL}, err);

	make_older(directory);
	return rc;
}

/* An option whose value has blanks: postconf(1) takes it only with its service's whole line. */
static int set_option(const char *directory, const struct setup_change *change, struct error *err)
{
	const char *parameter = strrchr(change->target, '/') + 1;
	char *service = xmemdup0(change->target, (size_t)(parameter - 1 - change->target));
	const char *argv[] = {"postconf", "-c", directory, "-M", service, NULL};
	char *output = NULL, *line, *text;
	size_t length;
	int rc = command_output_argv(argv, COMMAND_STDERR_DROPPED, TIMEOUT_MS, OUTPUT_MAX_BYTES,
	                             &output, &length, err);

	if (rc == 0) {
		line = setup_line_set_option(output, parameter, change->value);
		text = xasprintf("%s=%s", service, line);
		rc = edit(directory, option_of(SETUP_SERVICE, false), text, err);
		free(text);
		free(line);
	}
	free(output);
	free(service);
	return rc;
}

/* One at a time: of several new parameters postconf(1) keeps no order. */
static int make_change(const char *directory, const struct setup_change *change, struct error *err)
{
	bool is_removal = change->value == NULL;
	char *text;
	int rc;

	if (change->kind == SETUP_OPTION && !is_removal && strpbrk(change->value, " \t") != NULL)
		return set_option(directory, change, err);
	text = is_removal ? xstrdup(change->target)
	                  : xasprintf("%s=%s", change->target, change->value);
	rc = edit(directory, option_of(change->kind, is_removal), text, err);
	free(text);
	return rc;
}

/* postconf(1) refuses a file whose last line has no end, which Postfix itself reads. */
static int end_lines(const char *directory, struct error *err)
{
	int rc = 0;

	for (enum setup_config i = 0; i < SETUP_CONFIGS && rc == 0; i++) {
		char *path = path_of(directory, i);
		struct file_bytes text;

		rc = file_read(path, &text, err);
		if (rc > 0 && text.length > 0 && text.data[text.length - 1] != '\n') {
			text.data[text.length++] = '\n'; /* in the place of the NUL */
			rc = file_write(path, &text, NEW_FILE_MODE, err);
		}
		free(text.data);
		free(path);
		rc = rc < 0 ? -1 : 0;
	}
	return rc;
}

/* A directory for a copy of both. A heap string, or NULL with *err. */
static char *make_copy(const char *directory, const struct setup_texts *texts, struct error *err)
{
	char *copy = xasprintf("%s/" COPY_NAME "XXXXXX", directory);

	if (mkdtemp(copy) == NULL) {
		error_set(err, ERROR_TEMPORARY, "make a directory in %s: %s", directory,
		          strerror(errno));
		free(copy);
		return NULL;
	}
	if (write_both(copy, texts, err) == 0 && end_lines(copy, err) == 0) {
		make_older(copy);
		return copy;
	}
	remove_copy(copy);
	free(copy);
	return NULL;
}

int setup_texts_change(const char *directory, struct setup_texts *texts,
                       const struct setup_change *changes, size_t count, struct error *err)
{
	char *copy = make_copy(directory, texts, err);
	struct setup_texts changed;
	mode_t mask;
	int rc = 0;

	if (copy == NULL)
		return -1;
	mask = umask(022);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = make_change(copy, &changes[i], err);
	umask(mask);
	if (rc == 0)
		rc = setup_texts_read(copy, &changed, err);
	if (rc == 0) {
		setup_texts_release(texts);
		*texts = changed;
	}
	remove_copy(copy);
	free(copy);
	return rc;
}

struct postconf *setup_texts_postconf(const char *directory, const struct setup_texts *texts,
                                      struct error *err)
{
	char *copy = make_copy(directory, texts, err);
	struct postconf *postconf;

	if (copy == NULL)
		return NULL;
	postconf = postconf_read(copy, err);
	remove_copy(copy);
	free(copy);
	return postconf;
}

int setup_texts_compare(const char *directory, const struct setup_texts *earlier, struct error *err)
{
	struct setup_texts now;
	int rc = setup_texts_read(directory, &now, err);

	for (enum setup_config i = 0; i < SETUP_CONFIGS && rc == 0; i++)
		if (!file_bytes_equal(&now.files[i], &earlier->files[i]))
			rc = error_set(err, ERROR_TEMPORARY,
			               "somebody has just edited %s/%s: look at it and try again",
			               directory, setup_config_name(i));
	setup_texts_release(&now);
	return rc;
}

static int stage(const char *directory, enum setup_config which, const struct setup_texts *texts,
                 struct file_stage *out, struct error *err)
{
	char *path = path_of(directory, which);
	int rc = file_stage(path, &texts->files[which], NEW_FILE_MODE, out, err);

	free(path);
	return rc;
}

int setup_texts_put(const char *directory, const struct setup_texts *earlier,
                    const struct setup_texts *texts, struct error *err)
{
	/* The way back is staged too: there may be no room for it when it is needed. */
	struct file_stage forth[SETUP_CONFIGS] = {0}, back[SETUP_CONFIGS] = {0};
	struct error other;
	int rc = setup_texts_compare(directory, earlier, err);

	for (enum setup_config i = 0; i < SETUP_CONFIGS && rc == 0; i++) {
		if (file_bytes_equal(&earlier->files[i], &texts->files[i]))
			continue;
		rc = stage(directory, i, texts, &forth[i], err);
		if (rc == 0)
			rc = stage(directory, i, earlier, &back[i], err);
	}
	for (enum setup_config i = 0; i < SETUP_CONFIGS && rc == 0; i++)
		if (forth[i].temporary != NULL)
			rc = file_commit(&forth[i], err);
	for (enum setup_config i = 0; i < SETUP_CONFIGS && rc < 0; i++)
		if (forth[i].target != NULL && forth[i].temporary == NULL &&
		    file_commit(&back[i], &other) < 0)
			error_prefix(err, "%s is edited and cannot be put back (%s)",
			             forth[i].target, other.text);
	for (enum setup_config i = 0; i < SETUP_CONFIGS; i++) {
		file_release(&forth[i]);
		file_release(&back[i]);
	}
	return rc;
}

char *setup_backup_make(const char *directory, const struct setup_texts *texts, struct error *err)
{
	time_t now = time(NULL);
	char stamp[32], *name = NULL, *path = NULL;
	struct tm local;

	localtime_r(&now, &local);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &local);
	for (int i = 1; i < 100; i++) {
		free(name);
		free(path);
		name = i == 1 ? xasprintf("rejoinder-backup-%s", stamp)
		              : xasprintf("rejoinder-backup-%s-%d", stamp, i);
		path = xasprintf("%s/%s", directory, name);
		if (mkdir(path, 0700) == 0) {
			if (write_both(path, texts, err) == 0)
				goto out;
			remove_copy(path);
			goto failed;
		}
		if (errno != EEXIST)
			break;
	}
	error_set(err, ERROR_TEMPORARY, "make %s: %s", path, strerror(errno));
failed:
	free(name);
	name = NULL;
out:
	free(path);
	return name;
}

void setup_backup_remove(const char *directory, const char *name)
{
	char *path = xasprintf("%s/%s", directory, name);

	remove_copy(path);
	free(path);
}

void setup_leftovers_remove(const char *directory)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		const char *name = entry->d_name, *mark = strstr(name, FILE_STAGE_MARK);

		if (strncmp(name, COPY_NAME, strlen(COPY_NAME)) == 0 &&
		    strlen(name) == strlen(COPY_NAME "XXXXXX"))
			setup_backup_remove(directory, name);
		else if (mark != NULL && strlen(mark) == strlen(FILE_STAGE_MARK "XXXXXX"))
			unlinkat(dirfd(entries), name, 0);
	}
	if (entries != NULL)
		closedir(entries);
}

int setup_texts_check(const char *directory, const struct setup_texts *texts, struct error *err)
{
	char *copy = make_copy(directory, texts, err);
	int rc = copy != NULL ? setup_check(copy, err) : -1;

	if (copy != NULL)
		remove_copy(copy);
	free(copy);
	return rc;
}

int setup_check(const char *directory, struct error *err)
{
	return run("postfix check",
	           (const char *const[]){"postfix", "-c", directory, "check", NULL}, err);
}

bool setup_is_running(const char *directory)
{
	struct error ignored;

	return run("postfix status",
	           (const char *const[]){"postfix", "-c", directory, "status", NULL},
	           &ignored) == 0;
}

int setup_reload(const char *directory, struct error *err)
{
	const struct timespec pause = {.tv_sec = RELOAD_PAUSE_S};

	if (run("postfix reload", (const char *const[]){"postfix", "-c", directory, "reload", NULL},
	        err) < 0)
		return -1;
	/* master(8) reads its configuration after that, and ends if it cannot go by it. */
	nanosleep(&pause, NULL);
	if (!setup_is_running(directory))
		return error_set(err, ERROR_TEMPORARY,
		                 "Postfix has stopped when it was reloaded, its log says why: "
		                 "rejoinder setup --undo, then postfix start");
	return 0;
}
