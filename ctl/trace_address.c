#include <string.h>
#include <strings.h>

#include "ctl/trace_log.h"

/* What looking for an address keeps: the last uses, the oldest first. */
struct address_search {
	int64_t written_at; /* of the file that is read */
	const char *address;
	struct trace_use *uses;
	size_t count, max;
};

static bool names_address(const struct maillog_line *line, const char *lead, const char *address)
{
	size_t length;
	const char *found = maillog_value(line, lead, ">", &length);

	return found != NULL && length == strlen(address) &&
	       strncasecmp(found, address, length) == 0;
}

static void look_for_address(void *context, const char *text, size_t length)
{
	struct address_search *search = context;
	struct maillog_line line;

	if (!maillog_read(&line, text, length) || line.queue_id_length == 0 ||
	    (!names_address(&line, "from=<", search->address) &&
	     !names_address(&line, "to=<", search->address)))
		return;
	for (size_t i = 0; i < search->count; i++)
		if (strlen(search->uses[i].queue_id) == line.queue_id_length &&
		    memcmp(search->uses[i].queue_id, line.queue_id, line.queue_id_length) == 0)
			return;
	if (search->count == search->max)
		memmove(search->uses, search->uses + 1, --search->count * sizeof(*search->uses));
	memcpy(search->uses[search->count].queue_id, line.queue_id, line.queue_id_length);
	search->uses[search->count].queue_id[line.queue_id_length] = '\0';
	search->uses[search->count++].at =
		trace_stamp_us(&line.stamp, search->written_at) / 1000000;
}

size_t trace_log_find_address(struct trace_log *log, const char *address, struct trace_use *out,
                              size_t max)
{
	struct address_search search = {0, address, out, 0, max};
	const struct trace_files *files = trace_log_files(log);

	for (size_t i = 0; i < files->count; i++) {
		search.written_at = files->items[i].written_at;
		/* What is found before an error is told all the same. */
		(void)trace_file_read(&files->items[i], look_for_address, &search);
	}
	return search.count;
}
