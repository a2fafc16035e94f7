#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/trace_log.h"
#include "lib/base/memory.h"

#define REFUSED "NOQUEUE: "

struct address_search {
	struct trace_found *found;
	int64_t written_at; /* of the file that is read */
	const char *address;
};

static bool has_at(const struct maillog_line *line, const char *lead, const char *address)
{
	size_t length;
	const char *found = maillog_value(line, lead, ">", &length);

	return found != NULL && length == strlen(address) &&
	       strncasecmp(found, address, length) == 0;
}

static bool names_address(const struct maillog_line *line, const char *address)
{
	return has_at(line, "from=<", address) || has_at(line, "to=<", address) ||
	       has_at(line, "orig_to=<", address);
}

static int64_t moment(const struct address_search *search, const struct maillog_line *line)
{
	return trace_stamp_us(&line->stamp, search->written_at);
}

static void release_use(struct trace_use *use)
{
	free(use->from);
	free(use->msgid);
}

void trace_found_drop(struct trace_found *found, size_t index)
{
	release_use(&found->uses[index]);
	found->use_count--;
	memmove(found->uses + index, found->uses + index + 1,
	        (found->use_count - index) * sizeof(found->uses[0]));
}

static void drop_oldest_refusal(struct trace_found *found)
{
	free(found->refusals[0].program);
	free(found->refusals[0].text);
	memmove(found->refusals, found->refusals + 1,
	        --found->refusal_count * sizeof(found->refusals[0]));
}

void trace_found_release(struct trace_found *found)
{
	while (found->use_count > 0)
		trace_found_drop(found, found->use_count - 1);
	while (found->refusal_count > 0)
		drop_oldest_refusal(found);
}

bool trace_is_of_use(const struct trace_use *use, const char *queue_id, size_t length,
                     int64_t at_us)
{
	int64_t apart_us = use->at * 1000000 - at_us;

	return strlen(use->queue_id) == length && memcmp(use->queue_id, queue_id, length) == 0 &&
	       apart_us <= TRACE_QUEUE_LIFE_US && apart_us >= -TRACE_QUEUE_LIFE_US;
}

static bool is_of(const struct trace_use *use, const struct maillog_line *line, int64_t at_us)
{
	return trace_is_of_use(use, line->queue_id, line->queue_id_length, at_us);
}

static void add_use(const struct address_search *search, const struct maillog_line *line)
{
	struct trace_found *found = search->found;
	int64_t at_us = moment(search, line);
	struct trace_use *use;

	for (size_t i = 0; i < found->use_count; i++)
		if (is_of(&found->uses[i], line, at_us))
			return;
	if (found->use_count == TRACE_FOUND_MAX) {
		trace_found_drop(found, 0);
		found->has_more = true;
	}
	use = &found->uses[found->use_count++];
	*use = (struct trace_use){.at = at_us / 1000000};
	memcpy(use->queue_id, line->queue_id, line->queue_id_length);
	use->queue_id[line->queue_id_length] = '\0';
}

static void add_refusal(const struct address_search *search, const struct maillog_line *line)
{
	struct trace_found *found = search->found;

	if (found->refusal_count == TRACE_FOUND_MAX) {
		drop_oldest_refusal(found);
		found->has_more = true;
	}
	found->refusals[found->refusal_count++] =
		(struct trace_refusal){.at = moment(search, line) / 1000000,
	                               .program = xmemdup0(line->program, line->program_length),
	                               .text = xmemdup0(line->text, line->text_length)};
}

static void look_for_address(void *context, const char *text, size_t length)
{
	const struct address_search *search = context;
	struct maillog_line line;

	if (!maillog_read(&line, text, length) || !names_address(&line, search->address))
		return;
	if (line.queue_id_length > 0)
		add_use(search, &line);
	else if (line.text_length > strlen(REFUSED) &&
	         memcmp(line.text, REFUSED, strlen(REFUSED)) == 0)
		add_refusal(search, &line);
}

static void replace(char **text, char *by)
{
	free(*text);
	*text = by;
}

/* What a line tells of a use that begins later: the last such line counts. */
static void add_details(struct trace_use *use, const struct maillog_line *line)
{
	static const char from[] = "from=<";
	const char *value;
	char *msgid;
	size_t length;

	if (maillog_is_of(line, "cleanup")) {
		msgid = trace_line_msgid(line);
		if (msgid != NULL)
			replace(&use->msgid, msgid);
	} else if (maillog_is_of(line, "qmgr")) {
		value = maillog_value(line, from, ">", &length);
		if (value == line->text + strlen(from))
			replace(&use->from, xmemdup0(value, length));
	}
}

static void look_for_details(void *context, const char *text, size_t length)
{
	const struct address_search *search = context;
	struct maillog_line line;
	int64_t at_us;

	if (!maillog_read(&line, text, length) || line.queue_id_length == 0)
		return;
	at_us = moment(search, &line);
	for (size_t i = 0; i < search->found->use_count; i++) {
		struct trace_use *use = &search->found->uses[i];

		if (at_us / 1000000 <= use->at && is_of(use, &line, at_us)) {
			add_details(use, &line);
			return;
		}
	}
}

void trace_log_find_address(struct trace_log *log, const char *address, struct trace_found *out)
{
	struct address_search search = {.found = out, .address = address};
	const struct trace_files *files = trace_log_files(log);

	*out = (struct trace_found){0};
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < files->count; i++) {
			search.written_at = files->items[i].written_at;
			/* What is found before an error is told all the same. */
			(void)trace_file_read(&files->items[i],
			                      pass == 0 ? look_for_address : look_for_details,
			                      &search);
		}
}
