#ifndef REJOINDER_CTL_TRACE_LOG_H
#define REJOINDER_CTL_TRACE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/trace_file.h"
#include "lib/base/error.h"
#include "lib/base/list.h"
#include "lib/mail/maillog.h"

/*
 * What log files say of a message: the lines of its queue ids, followed from one to
 * the next by Message-ID, by Postfix's own notifications and by what a relay on this
 * host queued.  A queue id that was used again is kept apart by time.  Files are read
 * several times and never written; the newest 200 MB of them are looked at.
 */

struct trace_line {
	int64_t at_us;    /* Unix microseconds; of an undated line those of its queue id */
	int64_t sequence; /* in the order of the files */
	bool is_undated;
	bool is_told;   /* it belongs to the story */
	char *program;  /* "postfix/smtpd" */
	char *queue_id; /* NULL: a line of our scheduler about a notice or letter */
	char *text;
};

#define TRACE_QUEUE_LIFE_US (5 * 86400 * 1000000LL) /* maximal_queue_lifetime, as Postfix has it */

/*
 * What cleanup(8) says of a message: "message-id=<1@example.org>".  As the milter reads it: there
 * may be blanks in it.  A heap string, or NULL: the line says none.
 */
char *trace_line_msgid(const struct maillog_line *line);

struct trace_log;

struct trace_log *trace_log_new(void);
void trace_log_free(struct trace_log *log);

/* Add a file (or a pipe, which is copied). 0, or -1 with *err. */
int trace_log_add_file(struct trace_log *log, const char *path, struct error *err) MUST_CHECK;
/* Add what the journal holds of mail. 0, or -1 with *err. */
int trace_log_add_journal(struct trace_log *log, struct error *err) MUST_CHECK;
bool trace_log_has_files(const struct trace_log *log);
/* The files, each with the part of it that is read. */
const struct trace_files *trace_log_files(struct trace_log *log);

/* What to look for.  near: Unix seconds of a moment when the queue id was in use, 0: the last one. */
void trace_log_want_queue_id(struct trace_log *log, const char *queue_id, int64_t near);
void trace_log_want_msgid(struct trace_log *log, const char *msgid);
/* A line of our scheduler: "notice" or "letter", and its number; at: for an undated one. */
void trace_log_want_item(struct trace_log *log, const char *kind, int64_t number, int64_t at);

/* Read the files until nothing new is found; the lines are sorted by time. */
void trace_log_follow(struct trace_log *log);

const struct trace_line *trace_log_lines(const struct trace_log *log, size_t *count_out);
/* Message-IDs that were asked for or found. */
const struct string_list *trace_log_msgids(const struct trace_log *log);
/* Sentences on what was not read or not followed. */
const struct string_list *trace_log_notes(const struct trace_log *log);

/* What a queue id was used for, as far as the log tells. */
struct trace_use {
	char queue_id[MAILLOG_QUEUE_ID_MAX + 1];
	int64_t at;         /* Unix seconds of the first line that names the address */
	char *from, *msgid; /* of the envelope; with its brackets; NULL: not told */
};

/* What Postfix refused before it gave it a queue id. */
struct trace_refusal {
	int64_t at;
	char *program, *text;
};

#define TRACE_FOUND_MAX 20

/* What the log says of an address, the newest last. */
struct trace_found {
	struct trace_use uses[TRACE_FOUND_MAX];
	struct trace_refusal refusals[TRACE_FOUND_MAX];
	size_t use_count, refusal_count;
	bool has_more; /* there are older ones */
};

/*
 * Find mail that an address (any case) sent or was to get, also by an alias that Postfix put in
 * its place.  trace_found_release() lets go of *out.
 */
void trace_log_find_address(struct trace_log *log, const char *address, struct trace_found *out);
void trace_found_release(struct trace_found *found);
/* Can the queue id, as it stood there at that moment (Unix microseconds), be of this use? */
bool trace_is_of_use(const struct trace_use *use, const char *queue_id, size_t length,
                     int64_t at_us);
/* Forget a use, by its place. */
void trace_found_drop(struct trace_found *found, size_t index);

#endif
