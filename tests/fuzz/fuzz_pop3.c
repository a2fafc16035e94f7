#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/net/pop3.h"
#include "lib/net/pop3_parse.h"

/*
 * The input is what a server sends: read line by line as replies and listings,
 * and as a message in steps whose size its first byte gives.
 */

#define KEPT_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as_line(const char *line, size_t length)
{
	struct pop3_capabilities capabilities = {0};
	char words[64];
	const char *uidl;
	uint64_t size_bytes;
	unsigned number;
	size_t uidl_length;

	if (pop3_parse_status(line, length) == POP3_STATUS_ERR &&
	    pop3_refusal_kind(line, length) == ERROR_CONFIG &&
	    !pop3_has_response_code(line, length))
		abort();
	pop3_parse_capability(&capabilities, line, length);
	if (capabilities.login_delay_s < 0)
		abort();
	if (pop3_parse_list_line(line, length, &number, &size_bytes) == 0 && number == 0)
		abort();
	if (pop3_parse_uidl_line(line, length, &number, &uidl, &uidl_length) == 0 &&
	    (number == 0 || uidl_length == 0 || uidl_length > POP3_UIDL_MAX_BYTES || uidl < line ||
	     uidl + uidl_length > line + length))
		abort();
	pop3_clean(words, sizeof(words), line, length);
	for (size_t i = 0; words[i] != '\0'; i++)
		if (words[i] < 0x20 || words[i] > 0x7e)
			abort();
}

/* Returns how much was taken before the end, or SIZE_MAX when there is no end. */
static size_t read_as_message(const char *bytes, size_t size, size_t step, uint64_t claimed,
                              struct buffer *text)
{
	struct pop3_body body;
	size_t at = 0, taken, length;

	pop3_body_init(&body, text, claimed);
	while (at < size && !body.is_complete) {
		length = size - at < step ? size - at : step;
		taken = pop3_body_feed(&body, bytes + at, length);
		if (taken > length || (taken < length && !body.is_complete))
			abort();
		at += taken;
	}
	if (body.length > at || body.is_too_large != (body.length > KEPT_BYTES) ||
	    text->length != (body.is_too_large ? 0 : body.length))
		abort();
	return body.is_complete ? at : SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data, *lf;
	struct buffer whole, split;
	size_t at;

	for (at = 0; at < size && (lf = memchr(bytes + at, '\n', size - at)) != NULL;
	     at = (size_t)(lf - bytes) + 1)
		read_as_line(bytes + at, (size_t)(lf - bytes) - at);
	read_as_line(bytes + at, size - at);
	if (size == 0)
		return 0;

	/* However the network splits it, it is the same message. */
	buffer_init(&whole, KEPT_BYTES);
	buffer_init(&split, KEPT_BYTES);
	for (uint64_t claimed = 0; claimed < 2; claimed++) {
		at = read_as_message(bytes, size, size, claimed * size, &whole);
		if (read_as_message(bytes, size, 1 + data[0] % 7, claimed * size, &split) != at ||
		    whole.length != split.length ||
		    memcmp(whole.data, split.data, whole.length) != 0)
			abort();
	}
	buffer_release(&whole);
	buffer_release(&split);
	return 0;
}
