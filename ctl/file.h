#ifndef REJOINDER_CTL_FILE_H
#define REJOINDER_CTL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

/* Small files that others read too, Postfix's above all: read whole, replaced whole. */

struct file_bytes {
	char *data; /* with a NUL behind it; NULL: no such file */
	size_t length;
};

bool file_bytes_equal(const struct file_bytes *a, const struct file_bytes *b);

/* A file, at most 4 MiB. 1 and *out (free data), 0 if there is none, -1 with *err. */
int file_read(const char *path, struct file_bytes *out, struct error *err) MUST_CHECK;

/*
 * Written whole, or not at all: whoever reads it finds the old one or the new one.  A file
 * that was there keeps its mode and owner, a link still leads where it led.
 */
int file_write(const char *path, const struct file_bytes *bytes, int mode,
               struct error *err) MUST_CHECK;

/* The same in two steps, for files that go together: all are staged before one takes its place. */
/* In the name of what is staged, before six letters: a mark that nobody gives a file of his own. */
#define FILE_STAGE_MARK ".rejoinder-staged-"

struct file_stage {
	char *target;    /* what is replaced */
	char *temporary; /* beside it, with the new content; NULL once that is in place */
};

int file_stage(const char *path, const struct file_bytes *bytes, int mode, struct file_stage *out,
               struct error *err) MUST_CHECK;
/* Put it in its place. */
int file_commit(struct file_stage *stage, struct error *err) MUST_CHECK;
/* Free it; what is not in its place is removed.  Also for {0}. */
void file_release(struct file_stage *stage);

#endif
