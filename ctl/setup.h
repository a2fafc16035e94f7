#ifndef REJOINDER_CTL_SETUP_H
#define REJOINDER_CTL_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/file.h"
#include "ctl/postconf.h"
#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/list.h"

/*
 * `rejoinder setup` (setup.c) and its --undo (setup_unwire.c): what Postfix's configuration
 * lacks (setup_plan.h), which recipients it knows (setup_recipients.c), editing a copy of it
 * and putting that in its place (setup_apply.c, setup_commit.c), remembering what was done
 * (setup_journal.c), reversing it (setup_undo.c) and showing it all (setup_print.c).
 */

#define SETUP_REPLIES_MAP "rejoinder_replies" /* in Postfix's directory */

enum setup_kind {
	SETUP_MAIN,    /* target: a parameter of main.cf */
	SETUP_OPTION,  /* target: name/type/parameter, a -o of master.cf */
	SETUP_SERVICE, /* target: name/type of master.cf; its value is the whole line */
	SETUP_FILE,    /* target: a path */
	SETUP_KINDS
};

/* An edit. Strings are its own. */
struct setup_edit {
	enum setup_kind kind;
	char *target;
	char *before; /* NULL: it was not there */
	char *after;
	/* Of a list: what was put into it, and what takes its place when somebody else has
	 * edited the list before it is undone (NULL: nothing). */
	char *element, *instead;
	char *reason; /* one line */
	bool stays;   /* mail that is under way depends on it: `--undo` alone leaves it */
};

struct setup_undo;

struct setup_plan {
	struct setup_edit *edits; /* in the order of their kinds */
	size_t count;
	struct string_list notes; /* what the admin should know besides, sentences */
};

/* What is known from elsewhere than Postfix's configuration. */
struct setup_facts {
	struct string_list unknown;   /* addresses for replies that Postfix would not take */
	struct string_list undecided; /* sentences about what could not be found out */
	char *replies_map_path;       /* SETUP_REPLIES_MAP in Postfix's directory */
	char *replies_map;            /* what it holds, or NULL */
	char *transport_map;          /* what transport_map holds, or NULL */
	bool has_transport_map;       /* it is there, and as rejoinder.conf asks for */
	char *handover_fault;         /* why nobody could listen at submit_to, or NULL */
};

void setup_facts_release(struct setup_facts *facts);

/* Ask Postfix's tables. Reads files, runs postmap(1) and postalias(1), tries a listener. */
void setup_facts_find(const struct postconf *postconf, const struct config *config,
                      struct setup_facts *out);

/*
 * What is to be edited so that Postfix works with Rejoinder; nothing if it does.  Pure.
 * Returns 0 and *out (setup_plan_release()), or -1 with *err: what stands there cannot
 * be wired by a program.
 */
int setup_plan_make(const struct postconf *postconf, const struct config *config,
                    const struct setup_facts *facts, struct setup_plan *out,
                    struct error *err) MUST_CHECK;
/*
 * Does each way that mail takes pass our milter at most once?  Lists may name one another.
 * 0, or -1 with *err.
 */
int setup_plan_verify(const struct postconf *postconf, const struct config *config,
                      struct error *err) MUST_CHECK;
/* Append an edit and give it back; the strings are copied. */
struct setup_edit *setup_plan_add(struct setup_plan *plan, enum setup_kind kind, const char *target,
                                  const char *before, const char *after, const char *reason);
void setup_plan_release(struct setup_plan *plan);

/* The edits as a difference, each with its reason. */
void setup_print_plan(const struct setup_plan *plan);
/* One line of it: sign is + or -. Nothing if value is NULL. */
void setup_print_value(char sign, const struct setup_edit *edit, const char *value);
/* Wrapped, each behind the head. */
void setup_print_sentences(const char *head, const struct string_list *sentences);

/* For programs: {"directory", "edits": as in the journal, "notes"}. */
void setup_print_json(const char *directory, const struct setup_plan *plan);
/* The same of an undo: {"directory", "restored", "stays": edits, "notes"}. */
void setup_print_undo_json(const char *directory, const struct setup_undo *undo);

/* A new value for one target; NULL removes it. */
struct setup_change {
	enum setup_kind kind; /* not SETUP_FILE */
	const char *target, *value;
};

/* The files of a Postfix that is to be edited. */
enum setup_config { SETUP_MAIN_CF, SETUP_MASTER_CF, SETUP_CONFIGS };

const char *setup_config_name(enum setup_config which); /* main.cf, master.cf */

/* Both files. Release it also after -1. */
struct setup_texts {
	struct file_bytes files[SETUP_CONFIGS];
};

void setup_texts_copy(struct setup_texts *out, const struct setup_texts *from);
int setup_texts_read(const char *directory, struct setup_texts *out, struct error *err) MUST_CHECK;
void setup_texts_release(struct setup_texts *texts);
bool setup_texts_equal(const struct setup_texts *a, const struct setup_texts *b);

/*
 * Edit a copy, with postconf(1): *texts becomes what the changes make of it.  directory:
 * Postfix's, where the copy stands for that while.
 */
int setup_texts_change(const char *directory, struct setup_texts *texts,
                       const struct setup_change *changes, size_t count,
                       struct error *err) MUST_CHECK;
/* `postfix check` of a copy. Its last words are in *err if it finds fault. */
int setup_texts_check(const char *directory, const struct setup_texts *texts,
                      struct error *err) MUST_CHECK;
/* Read them as Postfix would. NULL with *err. */
struct postconf *setup_texts_postconf(const char *directory, const struct setup_texts *texts,
                                      struct error *err) MUST_CHECK;
/* 0 if they are the files that are there, -1 with *err if somebody has edited one. */
int setup_texts_compare(const char *directory, const struct setup_texts *texts,
                        struct error *err) MUST_CHECK;
/*
 * Put them in place of those that are there, which must still be `earlier`: both or none,
 * with the mode and owner of the files that were there.
 */
int setup_texts_put(const char *directory, const struct setup_texts *earlier,
                    const struct setup_texts *texts, struct error *err) MUST_CHECK;

/*
 * Keep a copy of both in a new directory beside them. Returns its name (within
 * `directory`, a heap string), or NULL with *err.
 */
char *setup_backup_make(const char *directory, const struct setup_texts *texts,
                        struct error *err) MUST_CHECK;
/* Remove a backup that is of no more use. */
void setup_backup_remove(const char *directory, const char *name);

/* Remove what a run that was killed left in the middle of its work. */
void setup_leftovers_remove(const char *directory);

/* `postfix check` of the directory. Its last words are in *err if it finds fault. */
int setup_check(const char *directory, struct error *err) MUST_CHECK;
/* Does master(8) run by this configuration? */
bool setup_is_running(const char *directory);
/* `postfix reload`, and it goes on running. */
int setup_reload(const char *directory, struct error *err) MUST_CHECK;

/*
 * The journal, a file in Postfix's directory: the edits of each run that are not undone,
 * and what both files were before and after it.
 */
struct setup_run {
	char *backup;                 /* name of the directory in Postfix's */
	char *sums[SETUP_CONFIGS][2]; /* SHA-256 before and after, hexadecimal */
	struct setup_plan plan;
	/* Left by an undo that found edits of others: what was before it is not what was there
	 * before the first setup. */
	bool is_remainder;
};

struct setup_journal {
	struct setup_run *runs; /* the first one first */
	size_t count;
};

/* A run's sums are those of these texts. */
void setup_run_set_sums(struct setup_run *run, const struct setup_texts *before,
                        const struct setup_texts *after);
/* Is this the text of that file before, or after the run? */
bool setup_run_is_before(const struct setup_run *run, enum setup_config which,
                         const struct file_bytes *bytes);
bool setup_run_is_after(const struct setup_run *run, enum setup_config which,
                        const struct file_bytes *bytes);

/* 1 and the journal, 0 if there is none, -1 with *err. Release it always. */
int setup_journal_read(const char *directory, struct setup_journal *out,
                       struct error *err) MUST_CHECK;
/* Takes the content of *run. */
void setup_journal_add(struct setup_journal *journal, struct setup_run *run);
/* Write it; without runs, remove the file. */
int setup_journal_write(const char *directory, const struct setup_journal *journal,
                        struct error *err) MUST_CHECK;
void setup_journal_release(struct setup_journal *journal);
void setup_run_release(struct setup_run *run);

/* What an undo leads to. */
struct setup_undo {
	struct setup_texts texts;   /* the files as they shall be */
	struct setup_texts without; /* and as they would be without what stays */
	struct setup_plan stays;    /* the edits that lead from the one to the other */
	struct string_list said;    /* sentences: what is not as it was, and why */
	bool is_restored; /* `without` is what was there before the first run, byte for byte */
};

/*
 * What the files would be without the edits of the journal.  current: what they are.
 * is_all: also without those that mail under way depends on.  Release it also after -1.
 */
int setup_undo_make(const char *directory, const struct setup_journal *journal,
                    const struct setup_texts *current, bool is_all, struct setup_undo *out,
                    struct error *err) MUST_CHECK;
void setup_undo_release(struct setup_undo *undo);

/* Undo the edits of other files. Sentences about those that somebody has changed go to said. */
int setup_undo_files(const struct setup_journal *journal, bool is_all, struct string_list *said,
                     struct error *err) MUST_CHECK;

/*
 * Make the edits of a plan in texts that were read before it was made, and put them in
 * place; *plan is taken.  backup_out: the name of the backup, a heap string.  After -1
 * everything is as it was, or *err says what is not.
 */
int setup_commit(const char *directory, const struct setup_texts *texts,
                 const struct config *config, const struct setup_facts *facts,
                 struct setup_plan *plan, char **backup_out, struct error *err) MUST_CHECK;
/*
 * Put in place what an undo leads to, and remember what is left of the journal.  current:
 * what it was made from; undo->said is filled anew.
 */
int setup_commit_undo(const char *directory, struct setup_journal *journal,
                      const struct setup_texts *current, struct setup_undo *undo, bool is_all,
                      struct error *err) MUST_CHECK;

#endif
