#ifndef REJOINDER_CTL_TRACE_H
#define REJOINDER_CTL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/command.h"
#include "ctl/trace_log.h"
#include "lib/store/trace.h"

/*
 * The story of a message: what the store recorded and what the log says, as events in
 * the order of time.
 */

/* A message of the story, with what the store knows of it. */
struct tale {
	struct trace_message message;
	struct trace_fact *facts;
	char **others; /* of each fact: the other message in words, or NULL */
	size_t fact_count;
	bool is_companion; /* a report or an alert that belongs to the story of another */
};

struct event {
	int64_t at_us, sequence;
	int rank; /* among those at one place */
	/* One of them; neither: that the message was recorded. */
	const struct trace_line *line;
	const struct trace_fact *fact;
	const char *other;       /* of the fact */
	const struct tale *tale; /* NULL for a line */
};

struct story {
	const char *query, *kind; /* "queue-id", "message-id", "token", "address", "conversation" */
	struct store *store;      /* NULL: it cannot be read */
	struct trace_log *log;
	struct tale *tales;
	size_t tale_count;
	struct event *events;
	size_t event_count;
	bool is_list;             /* the tales are what the query may mean, without events */
	struct trace_found found; /* of an address, what only the log knows */
	struct string_list notes;
};

/* Put together the events of what is told. */
void story_build(struct story *story);

void story_print_text(const struct story *story);
void story_print_json(const struct story *story);

#endif
