#include "fetcher/socketmap.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/memory.h"

#define DIGITS_MAX 4 /* of SOCKETMAP_REQUEST_BYTES */
#define AROUND_MAX 8 /* 6 digits of a reply's length, the colon and the comma */

static const char *const words[] = {"OK ", "NOTFOUND ", "TEMP ", "PERM "};

/* The length that the netstring gives: 1, 0 if its colon is yet to come, -1. */
static int read_length(const char *bytes, size_t length, size_t *value_out, size_t *digits_out)
{
	size_t value = 0, at = 0;

	while (at < length && at <= DIGITS_MAX && bytes[at] >= '0' && bytes[at] <= '9')
		value = value * 10 + (size_t)(bytes[at++] - '0');
	if (at > DIGITS_MAX || value > SOCKETMAP_REQUEST_BYTES || (at > 1 && bytes[0] == '0'))
		return -1;
	if (at == length)
		return 0;
	if (at == 0 || bytes[at] != ':')
		return -1;
	*value_out = value;
	*digits_out = at;
	return 1;
}

int socketmap_read(const char *bytes, size_t length, struct socketmap_request *request_out,
                   size_t *taken_out, struct error *err)
{
	size_t payload_length, digits;
	const char *payload, *blank;
	int status = read_length(bytes, length, &payload_length, &digits);

	if (status == 0)
		return 0;
	if (status < 0)
		return error_set(err, ERROR_PERMANENT,
		                 "read a request: found no length of at most %d, expected one",
		                 SOCKETMAP_REQUEST_BYTES);
	if (length - digits - 1 <= payload_length)
		return 0;
	payload = bytes + digits + 1;
	if (payload[payload_length] != ',')
		return error_set(err, ERROR_PERMANENT,
		                 "read a request: found no comma after %zu bytes, expected one",
		                 payload_length);
	blank = memchr(payload, ' ', payload_length);
	if (blank == NULL)
		return error_set(err, ERROR_PERMANENT,
		                 "read a request: found no blank, expected a name and a key");
	*request_out = (struct socketmap_request){
		.name = payload,
		.name_length = (size_t)(blank - payload),
		.key = blank + 1,
		.key_length = payload_length - (size_t)(blank - payload) - 1,
	};
	*taken_out = digits + 1 + payload_length + 1;
	return 1;
}

char *socketmap_write(enum socketmap_status status, const char *text, size_t length,
                      size_t *length_out)
{
	static const char too_long[] = "the value is too long for Postfix";
	size_t word_length, payload_length, at;
	char *out;

	if (status == SOCKETMAP_OK && strlen(words[status]) + length > SOCKETMAP_REPLY_BYTES) {
		status = SOCKETMAP_TEMP;
		text = too_long;
		length = sizeof(too_long) - 1;
	}
	if (status == SOCKETMAP_NOTFOUND)
		length = 0;
	else if (status != SOCKETMAP_OK && length > SOCKETMAP_REASON_BYTES)
		length = SOCKETMAP_REASON_BYTES;

	word_length = strlen(words[status]);
	payload_length = word_length + length;
	out = xmalloc(AROUND_MAX + payload_length + 1);
	at = (size_t)snprintf(out, AROUND_MAX + 1, "%zu:", payload_length);
	memcpy(out + at, words[status], word_length);
	at += word_length;
	for (size_t i = 0; i < length; i++) {
		bool is_control = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;

		out[at++] = status != SOCKETMAP_OK && is_control ? '?' : text[i];
	}
	out[at++] = ',';
	out[at] = '\0';
	*length_out = at;
	return out;
}
