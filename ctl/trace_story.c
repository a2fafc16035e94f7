#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/trace.h"
#include "lib/base/memory.h"

#define RANK_ARRIVED  (-2)
#define RANK_LINE     0
#define RANK_RECORDED 1
#define RANK_FACT     2

static struct event *add_event(struct story *story)
{
	if ((story->event_count & (story->event_count - 1)) == 0)
		story->events = xreallocarray(story->events,
		                              story->event_count == 0 ? 1 : story->event_count * 2,
		                              sizeof(*story->events));
	story->events[story->event_count] = (struct event){0};
	return &story->events[story->event_count++];
}

static bool is_by_recorder(const struct trace_line *line)
{
	return strcmp(line->program, "rejoinder-milter") == 0;
}

/*
 * The line of a queue id beside which something stands that the store knows to the
 * second only: the first for an arrival, the milter's own or that of cleanup(8) for the rest.
 */
static const struct trace_line *find_place(const struct story *story, const char *queue_id,
                                           int64_t at, bool is_arrival)
{
	const struct trace_line *place = NULL;
	size_t count;
	const struct trace_line *lines = trace_log_lines(story->log, &count);

	for (size_t i = 0; i < count && queue_id != NULL; i++) {
		const struct trace_line *line = &lines[i];
		int64_t apart_us = line->at_us - at * 1000000;

		if (!line->is_told || line->queue_id == NULL ||
		    strcmp(line->queue_id, queue_id) != 0 || apart_us > 600000000 ||
		    apart_us < -600000000)
			continue;
		if (place == NULL)
			place = line;
		if (is_arrival)
			break;
		if (is_by_recorder(line))
			return line;
		if (strncmp(line->text, "message-id=", 11) == 0)
			place = line;
	}
	return place;
}

/* Without a place what a message is comes first in its second, what it led to last. */
static void put(struct event *event, const struct trace_line *place, int64_t at, int rank)
{
	bool is_effect = rank >= RANK_FACT;

	event->rank = rank;
	if (place != NULL) {
		event->at_us = place->at_us;
		event->sequence = place->sequence;
	} else {
		event->at_us = at * 1000000 + (is_effect ? 999999 : 0);
		event->sequence = is_effect ? INT64_MAX : -1;
	}
}

/* The queue id under which a message came first. */
static const char *first_queue_id(const struct tale *tale)
{
	for (size_t i = 0; i < tale->fact_count; i++)
		if (tale->facts[i].kind == TRACE_ARRIVED)
			return tale->facts[i].queue_id;
	return NULL;
}

static const struct tale *find_tale(const struct story *story, int64_t message)
{
	for (size_t i = 0; i < story->tale_count; i++)
		if (story->tales[i].message.id == message)
			return &story->tales[i];
	return NULL;
}

/* The scheduler's line that says that a notice or letter was sent. */
static const struct trace_line *find_sent(const struct story *story, const struct trace_fact *fact)
{
	size_t count;
	const struct trace_line *lines = trace_log_lines(story->log, &count);
	char *begin = xasprintf("%s %lld: ", fact->kind == TRACE_ALERT ? "notice" : "letter",
	                        (long long)fact->number);
	const struct trace_line *found = NULL;

	for (size_t i = 0; i < count && found == NULL; i++)
		if (lines[i].is_told && lines[i].queue_id == NULL &&
		    strncmp(lines[i].text, begin, strlen(begin)) == 0 &&
		    strstr(lines[i].text, "status=sent") != NULL)
			found = &lines[i];
	free(begin);
	return found;
}

/* Beside which message's arrival a fact stands. */
static const struct trace_line *place_of_fact(const struct story *story, const struct tale *tale,
                                              const struct trace_fact *fact)
{
	const struct tale *doer = tale;

	switch (fact->kind) {
	case TRACE_ARRIVED:
		return find_place(story, fact->queue_id, fact->at, true);
	case TRACE_ALERT:
	case TRACE_LETTER:
		return find_sent(story, fact);
	case TRACE_WAIT_ENDED:
	case TRACE_FAILED:
		doer = find_tale(story, fact->other);
		break;
	default:
		break;
	}
	return doer != NULL ? find_place(story, first_queue_id(doer), fact->at, false) : NULL;
}

/* Of a companion only what it is; the rest is another story, or told already. */
static bool is_told(const struct story *story, const struct tale *tale,
                    const struct trace_fact *fact)
{
	const struct tale *other = fact->other != 0 ? find_tale(story, fact->other) : NULL;

	if (fact->kind == TRACE_ARRIVED)
		return true;
	if (tale->is_companion)
		return false;
	/* Both ends of one thing are told once. */
	if (fact->kind == TRACE_REPORTS || fact->kind == TRACE_ANSWERED)
		return other == NULL || other->is_companion;
	return true;
}

static void add_tale_events(struct story *story, const struct tale *tale)
{
	struct event *event = add_event(story);

	event->tale = tale;
	put(event, find_place(story, first_queue_id(tale), tale->message.received_at, false),
	    tale->message.received_at, RANK_RECORDED);
	for (size_t i = 0; i < tale->fact_count; i++) {
		const struct trace_fact *fact = &tale->facts[i];

		if (!is_told(story, tale, fact))
			continue;
		event = add_event(story);
		event->tale = tale;
		event->fact = fact;
		event->other = tale->others[i];
		put(event, place_of_fact(story, tale, fact), fact->at,
		    fact->kind == TRACE_ARRIVED ? RANK_ARRIVED : RANK_FACT + (int)fact->kind);
	}
}

static int compare_events(const void *a, const void *b)
{
	const struct event *one = a, *other = b;

	if (one->at_us != other->at_us)
		return one->at_us < other->at_us ? -1 : 1;
	if (one->sequence != other->sequence)
		return one->sequence < other->sequence ? -1 : 1;
	return one->rank < other->rank ? -1 : one->rank > other->rank;
}

void story_build(struct story *story)
{
	const struct string_list *notes = trace_log_notes(story->log);
	const struct trace_line *lines;
	size_t count;

	for (size_t i = 0; i < notes->count; i++)
		string_list_add(&story->notes, notes->items[i]);
	if (story->is_list)
		return;
	for (size_t i = 0; i < story->tale_count; i++)
		add_tale_events(story, &story->tales[i]);
	lines = trace_log_lines(story->log, &count);
	for (size_t i = 0; i < count; i++) {
		struct event *event;

		if (!lines[i].is_told)
			continue;
		event = add_event(story);
		event->line = &lines[i];
		event->at_us = lines[i].at_us;
		event->sequence = lines[i].sequence;
		event->rank = RANK_LINE;
	}
	if (story->event_count > 0)
		qsort(story->events, story->event_count, sizeof(*story->events), compare_events);
}
