#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/maillog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const char *part, size_t length, const char *whole, size_t size)
{
	if (length > 0 && (part < whole || part + length > whole + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *value;
	struct maillog_line line;
	size_t length;

	if (!maillog_read(&line, text, size))
		return 0;
	check_inside(line.program, line.program_length, text, size);
	check_inside(line.queue_id, line.queue_id_length, text, size);
	check_inside(line.text, line.text_length, text, size);
	if (line.queue_id_length > MAILLOG_QUEUE_ID_MAX || line.program_length == 0)
		abort();
	(void)maillog_is_of(&line, "cleanup");
	(void)maillog_is_ours(&line);
	value = maillog_value(&line, "message-id=", " \t", &length);
	check_inside(value, length, line.text, line.text_length);
	return 0;
}
