#ifndef REJOINDER_CTL_TRACE_FILE_H
#define REJOINDER_CTL_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/list.h"
#include "lib/mail/maillog.h"

/*
 * Log files as lines, read as often as is wanted: each as long as it was when it was
 * opened, all together at most TRACE_FILE_BYTES_MAX, their ends.
 */

#define TRACE_FILE_BYTES_MAX (200LL * 1024 * 1024)
#define TRACE_LINE_BYTES_MAX 16384 /* of a line; the rest is not looked at */

struct trace_file {
	char *path;
	int fd;
	int64_t begin, end; /* bytes that are read */
	int64_t written_at; /* Unix seconds: no line is newer */
};

struct trace_files {
	struct trace_file *items;
	size_t count;
};

/* Open a regular file, or copy a pipe. 0, or -1 with *err: none there, compressed, or a directory. */
int trace_files_add(struct trace_files *files, const char *path, struct error *err) MUST_CHECK;
/* Add what the journal holds of mail, its last 200,000 lines. 0, or -1 with *err. */
int trace_files_add_journal(struct trace_files *files, struct error *err) MUST_CHECK;
void trace_files_release(struct trace_files *files);

/* Give each file its part of what is read, the last one first; a note on each that is cut. */
void trace_files_limit(struct trace_files *files, struct string_list *notes);

/* Call back for each line of a file, without its end. 0, or -1 with errno. */
int trace_file_read(const struct trace_file *file,
                    void (*on_line)(void *context, const char *line, size_t length), void *context);

/*
 * Unix microseconds of a stamp: local where it tells no offset, and without a year of the
 * one in which the line can have been written.  0: there is none.
 */
int64_t trace_stamp_us(const struct maillog_stamp *stamp, int64_t written_at);

#endif
