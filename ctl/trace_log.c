#include "ctl/trace_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/trace_file.h"
#include "lib/base/memory.h"
#include "lib/mail/msgid.h"

#define LEADS_MAX   500 /* queue ids that are followed */
#define MSGIDS_MAX  500
#define ITEMS_MAX   500
#define LINES_MAX   10000 /* that are kept */
#define TEXT_MAX    4000  /* bytes of a kept line */
#define PASSES_MAX  10
#define SLACK_US    (600 * 1000000LL) /* between a recorded moment and the lines of its queue id */
#define DAY_S       86400
#define LATE_US     (60 * 1000000LL) /* of a line of ours about a message that is gone already */
#define FILTER_BITS 8192

/* A sequence leaves room for what has no place of its own. */
#define SEQUENCE_STEP 8

struct lead {
	char queue_id[MAILLOG_QUEUE_ID_MAX + 1];
	size_t length;
	int64_t near_us; /* 0: its last use */
};

struct item {
	char name[40]; /* "notice 12: " */
	int64_t at;
};

struct trace_log {
	struct trace_files files;
	struct lead leads[LEADS_MAX];
	size_t lead_count;
	struct string_list msgids;
	struct item items[ITEMS_MAX];
	size_t item_count;
	unsigned char filter[FILTER_BITS / 8]; /* of the leads: says what is certainly none */

	struct trace_line *lines;
	size_t line_count;
	int64_t sequence;
	int64_t written_at; /* of the file that is read */
	bool is_overflowing;
	struct string_list notes;
};

struct trace_log *trace_log_new(void)
{
	return xzalloc(sizeof(struct trace_log));
}

static void forget_lines(struct trace_log *log)
{
	for (size_t i = 0; i < log->line_count; i++) {
		free(log->lines[i].program);
		free(log->lines[i].queue_id);
		free(log->lines[i].text);
	}
	free(log->lines);
	log->lines = NULL;
	log->line_count = 0;
	log->sequence = 0;
}

void trace_log_free(struct trace_log *log)
{
	if (log == NULL)
		return;
	forget_lines(log);
	trace_files_release(&log->files);
	string_list_release(&log->msgids);
	string_list_release(&log->notes);
	free(log);
}

int trace_log_add_file(struct trace_log *log, const char *path, struct error *err)
{
	return trace_files_add(&log->files, path, err);
}

int trace_log_add_journal(struct trace_log *log, struct error *err)
{
	return trace_files_add_journal(&log->files, err);
}

bool trace_log_has_files(const struct trace_log *log)
{
	return log->files.count > 0;
}

static unsigned filter_bit(const char *queue_id, size_t length)
{
	unsigned hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)queue_id[i]) * 16777619u;
	return hash % FILTER_BITS;
}

static bool is_lead(const struct trace_log *log, const char *queue_id, size_t length)
{
	unsigned bit = filter_bit(queue_id, length);

	if ((log->filter[bit / 8] & 1u << bit % 8) == 0)
		return false;
	for (size_t i = 0; i < log->lead_count; i++)
		if (log->leads[i].length == length &&
		    memcmp(log->leads[i].queue_id, queue_id, length) == 0)
			return true;
	return false;
}

static void add_note(struct trace_log *log, const char *note)
{
	if (!string_list_has(&log->notes, note))
		string_list_add(&log->notes, note);
}

static void want(struct trace_log *log, const char *queue_id, size_t length, int64_t near_us)
{
	unsigned bit = filter_bit(queue_id, length);
	struct lead *lead;

	if (!maillog_is_queue_id(queue_id, length))
		return;
	for (size_t i = 0; i < log->lead_count; i++) {
		int64_t apart_us = log->leads[i].near_us - near_us;

		if (log->leads[i].length == length &&
		    memcmp(log->leads[i].queue_id, queue_id, length) == 0 && apart_us <= SLACK_US &&
		    apart_us >= -SLACK_US)
			return;
	}
	if (log->lead_count == LEADS_MAX) {
		add_note(log, "not all queue ids were followed: there are too many");
		return;
	}
	lead = &log->leads[log->lead_count++];
	memcpy(lead->queue_id, queue_id, length);
	lead->queue_id[length] = '\0';
	lead->length = length;
	lead->near_us = near_us;
	log->filter[bit / 8] |= (unsigned char)(1u << bit % 8);
}

void trace_log_want_queue_id(struct trace_log *log, const char *queue_id, int64_t near)
{
	want(log, queue_id, strlen(queue_id), near * 1000000);
}

void trace_log_want_msgid(struct trace_log *log, const char *msgid)
{
	if (string_list_has(&log->msgids, msgid))
		return;
	if (log->msgids.count == MSGIDS_MAX)
		add_note(log, "not all Message-IDs were followed: there are too many");
	else
		string_list_add(&log->msgids, msgid);
}

void trace_log_want_item(struct trace_log *log, const char *kind, int64_t number, int64_t at)
{
	struct item *item;

	char name[sizeof(item->name)];

	snprintf(name, sizeof(name), "%s %" PRId64 ": ", kind, number);
	for (size_t i = 0; i < log->item_count; i++)
		if (strcmp(log->items[i].name, name) == 0)
			return;
	if (log->item_count == ITEMS_MAX)
		return;
	item = &log->items[log->item_count++];
	memcpy(item->name, name, sizeof(name));
	item->at = at;
}

static struct trace_line *keep(struct trace_log *log, const struct maillog_line *line)
{
	struct trace_line *kept;

	if (log->line_count == LINES_MAX) {
		log->is_overflowing = true;
		return NULL;
	}
	if ((log->line_count & (log->line_count - 1)) == 0)
		log->lines =
			xreallocarray(log->lines, log->line_count == 0 ? 1 : log->line_count * 2,
		                      sizeof(*log->lines));
	kept = &log->lines[log->line_count++];
	*kept = (struct trace_line){.at_us = trace_stamp_us(&line->stamp, log->written_at),
	                            .sequence = log->sequence,
	                            .is_undated = !line->stamp.is_there};
	kept->program = xmemdup0(line->program, line->program_length);
	if (line->queue_id_length > 0)
		kept->queue_id = xmemdup0(line->queue_id, line->queue_id_length);
	kept->text =
		xmemdup0(line->text, line->text_length < TEXT_MAX ? line->text_length : TEXT_MAX);
	return kept;
}

char *trace_line_msgid(const struct maillog_line *line)
{
	size_t length;
	const char *found = maillog_value(line, "message-id=", " \t", &length);

	if (found != NULL && (found == line->text + strlen("message-id=") ||
	                      found == line->text + strlen("resent-message-id=")))
		return msgid_first(found, line->text_length - (size_t)(found - line->text));
	return NULL;
}

/* A line of the scheduler about a notice or letter that is wanted. */
static void look_at_item(struct trace_log *log, const struct maillog_line *line)
{
	for (size_t i = 0; i < log->item_count; i++) {
		const struct item *item = &log->items[i];
		size_t length = strlen(item->name);
		struct trace_line *kept;
		const char *queue_id;

		if (line->text_length < length || memcmp(line->text, item->name, length) != 0)
			continue;
		kept = keep(log, line);
		if (kept == NULL)
			return;
		kept->is_told = true;
		if (kept->is_undated)
			kept->at_us = item->at * 1000000 + 999999;
		queue_id = maillog_value(line, "queue_id=", ", ", &length);
		if (queue_id != NULL)
			want(log, queue_id, length, kept->at_us);
		return;
	}
}

static void on_line(void *context, const char *text, size_t length)
{
	struct trace_log *log = context;
	struct maillog_line line;
	char *msgid;

	log->sequence += SEQUENCE_STEP;
	if (!maillog_read(&line, text, length))
		return;
	if (line.queue_id_length == 0) {
		if (log->item_count > 0 && maillog_is_ours(&line))
			look_at_item(log, &line);
		return;
	}
	if (is_lead(log, line.queue_id, line.queue_id_length)) {
		(void)keep(log, &line);
		return;
	}
	if (log->msgids.count == 0 || !maillog_is_of(&line, "cleanup"))
		return;
	msgid = trace_line_msgid(&line);
	if (msgid != NULL && string_list_has(&log->msgids, msgid))
		want(log, line.queue_id, line.queue_id_length,
		     trace_stamp_us(&line.stamp, log->written_at));
	free(msgid);
}

static int compare_lines(const void *a, const void *b)
{
	const struct trace_line *one = a, *other = b;

	if (one->at_us != other->at_us)
		return one->at_us < other->at_us ? -1 : 1;
	return one->sequence < other->sequence ? -1 : one->sequence > other->sequence;
}

/* Does a queue id come into use with this line? */
static bool is_beginning(const struct trace_line *line)
{
	return strncmp(line->text, "client=", 7) == 0 || strncmp(line->text, "uid=", 4) == 0;
}

static bool names_msgid(const struct trace_line *line)
{
	return strncmp(line->text, "message-id=", 11) == 0;
}

/* One use of a queue id: from the message's arrival to its removal. */
struct use {
	int64_t first_us, last_us;
	size_t first, last; /* lines */
};

/* How far a moment is from a use; 0: any will do. */
static int64_t distance(const struct trace_log *log, const struct use *use, int64_t near_us)
{
	const struct trace_line *first = &log->lines[use->first];
	bool is_whole = is_beginning(first) || names_msgid(first);

	if (near_us == 0 || (near_us >= use->first_us && near_us <= use->last_us))
		return 0;
	if (near_us > use->last_us)
		return near_us - use->last_us;
	/* Its first lines may be in a file that is not here. */
	return is_whole || use->first_us - near_us > TRACE_QUEUE_LIFE_US ? use->first_us - near_us
	                                                                 : SLACK_US;
}

/*
 * Find the use of a queue id that a lead means: the one nearest to its moment, or the
 * last one.  Returns how many uses there are.
 */
static size_t find_use(const struct trace_log *log, const struct lead *lead, struct use *out)
{
	struct use use = {0};
	int64_t nearest_us = INT64_MAX;
	size_t count = 0;
	bool is_over = false;

	for (size_t i = 0; i < log->line_count; i++) {
		const struct trace_line *line = &log->lines[i];
		int64_t apart_us;

		if (line->is_undated || line->queue_id == NULL ||
		    strcmp(line->queue_id, lead->queue_id) != 0)
			continue;
		if (count == 0 || is_beginning(line) ||
		    (is_over && (names_msgid(line) || line->at_us - use.last_us > LATE_US))) {
			use = (struct use){line->at_us, line->at_us, i, i};
			is_over = false;
			count++;
		}
		is_over = is_over || strncmp(line->text, "removed", 7) == 0;
		use.last = i;
		use.last_us = line->at_us;
		apart_us = distance(log, &use, lead->near_us);
		if (apart_us > SLACK_US)
			continue;
		if (apart_us <= nearest_us) {
			nearest_us = apart_us;
			*out = use;
		}
	}
	return nearest_us == INT64_MAX ? 0 : count;
}

/*
 * Did a delivery agent hand it to this very host?  A queue id of another would be a stranger's here,
 * and what others write - addresses, ids, replies - may look like anything.  The view is then
 * of the reply alone.
 */
static bool is_handed_on_here(struct maillog_line *view)
{
	static const char sent[] = "status=sent (";
	size_t length;
	const char *relay = maillog_value(view, ">, relay=", ",", &length), *reply, *at = NULL;

	if (relay == NULL || (!maillog_is_of(view, "smtp") && !maillog_is_of(view, "lmtp")))
		return false;
	for (size_t i = 0; i < length && at == NULL; i++)
		if (relay[i] == '[')
			at = relay + i;
	reply = strstr(relay, sent);
	if (at == NULL || reply == NULL ||
	    (strncmp(at, "[127.", 5) != 0 && strncmp(at, "[::1]", 5) != 0))
		return false;
	view->text_length -= (size_t)(reply - view->text);
	view->text = reply;
	return true;
}

/* A queue id that another line leads to. */
static void follow_line(struct trace_log *log, const struct trace_line *line)
{
	struct maillog_line view = {.program = line->program,
	                            .program_length = strlen(line->program),
	                            .text = line->text,
	                            .text_length = strlen(line->text)};
	const char *found;
	char *msgid;
	size_t length;

	msgid = maillog_is_of(&view, "cleanup") ? trace_line_msgid(&view) : NULL;
	if (msgid != NULL)
		trace_log_want_msgid(log, msgid);
	free(msgid);
	found = maillog_is_of(&view, "bounce")
	                ? maillog_value(&view, "notification: ", " ,", &length)
	                : NULL;
	if (found != NULL)
		want(log, found, length, line->at_us);
	found = is_handed_on_here(&view) ? maillog_value(&view, "queued as ", ") ,", &length)
	                                 : NULL;
	if (found != NULL)
		want(log, found, length, line->at_us);
}

static void tell_uses(struct trace_log *log)
{
	/* Following adds leads, which the next pass looks for. */
	size_t lead_count = log->lead_count;

	for (size_t i = 0; i < lead_count; i++) {
		const struct lead lead = log->leads[i];
		struct use use;
		size_t count = find_use(log, &lead, &use);

		if (count == 0)
			continue;
		if (count > 1 && lead.near_us == 0)
			add_note(log, "the queue id was used several times; the last one is told");
		for (size_t j = use.first; j <= use.last; j++) {
			struct trace_line *line = &log->lines[j];

			if (line->is_undated || line->queue_id == NULL ||
			    strcmp(line->queue_id, lead.queue_id) != 0)
				continue;
			line->is_told = true;
			follow_line(log, line);
		}
	}
}

/* Where an undated line of a queue id stands: behind what cleanup(8) said of it. */
static void place_undated(struct trace_log *log)
{
	for (size_t i = 0; i < log->line_count; i++) {
		struct trace_line *line = &log->lines[i];

		if (!line->is_undated || line->queue_id == NULL)
			continue;
		line->is_told = true;
		for (size_t j = 0; j < log->lead_count && line->at_us == 0; j++)
			if (strcmp(log->leads[j].queue_id, line->queue_id) == 0)
				line->at_us = log->leads[j].near_us;
		for (size_t j = 0; j < log->line_count; j++) {
			const struct trace_line *other = &log->lines[j];

			if (other->is_undated || !other->is_told || other->queue_id == NULL ||
			    strcmp(other->queue_id, line->queue_id) != 0 ||
			    strstr(other->text, "message-id=") == NULL)
				continue;
			line->at_us = other->at_us;
			line->sequence = other->sequence + 1;
		}
	}
}

const struct trace_files *trace_log_files(struct trace_log *log)
{
	trace_files_limit(&log->files, &log->notes);
	return &log->files;
}

void trace_log_follow(struct trace_log *log)
{
	size_t lead_count, msgid_count;
	int passes = 0;

	(void)trace_log_files(log);
	do {
		lead_count = log->lead_count;
		msgid_count = log->msgids.count;
		forget_lines(log);
		for (size_t i = 0; i < log->files.count; i++) {
			log->written_at = log->files.items[i].written_at;
			if (trace_file_read(&log->files.items[i], on_line, log) < 0)
				add_note(log, "a log file could not be read to its end");
		}
		if (log->line_count > 0)
			qsort(log->lines, log->line_count, sizeof(*log->lines), compare_lines);
		tell_uses(log);
	} while ((log->lead_count > lead_count || log->msgids.count > msgid_count) &&
	         ++passes < PASSES_MAX);
	if (log->is_overflowing)
		add_note(log, "not all lines of the log are told: there are too many");
	place_undated(log);
	if (log->line_count > 0)
		qsort(log->lines, log->line_count, sizeof(*log->lines), compare_lines);
}

const struct trace_line *trace_log_lines(const struct trace_log *log, size_t *count_out)
{
	*count_out = log->line_count;
	return log->lines;
}

const struct string_list *trace_log_msgids(const struct trace_log *log)
{
	return &log->msgids;
}

const struct string_list *trace_log_notes(const struct trace_log *log)
{
	return &log->notes;
}
