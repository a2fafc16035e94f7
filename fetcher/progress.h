#ifndef REJOINDER_FETCHER_PROGRESS_H
#define REJOINDER_FETCHER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A progress bar on a terminal, for somebody who waits for one poll. */

struct progress {
	const char *name;
	bool is_terminal;
	bool is_shown;
	int64_t drawn_at_ms;
};

/* On standard error, if that is a terminal; else nothing is ever shown. */
void progress_init(struct progress *progress, const char *name);

/* bytes: those that came so far. */
void progress_show(struct progress *progress, size_t done, size_t total, uint64_t bytes);

/* Leave the line blank, for what is printed next. */
void progress_clear(struct progress *progress);

#endif
