#ifndef REJOINDER_BASE_BUFFER_H
#define REJOINDER_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

/*
 * Bytes that grow up to a maximum, always followed by a NUL so that `data` is a
 * C string.  An append that would pass the maximum adds nothing, sets is_full
 * and returns -1; the caller decides whether that matters.
 */

struct buffer {
	char *data; /* never NULL after init */
	size_t length;
	size_t capacity;
	size_t max_bytes;
	bool is_full; /* an append was refused */
};

void buffer_init(struct buffer *buffer, size_t max_bytes);
void buffer_release(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* length 0, is_full false, storage kept */

int buffer_append(struct buffer *buffer, const char *bytes, size_t length);
int buffer_append_text(struct buffer *buffer, const char *text);
int buffer_append_char(struct buffer *buffer, char c);
int buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Append as much of the bytes as fits; is_full says whether some did not. */
void buffer_append_cut(struct buffer *buffer, const char *bytes, size_t length);

/* Give the string to the caller (who frees it) and leave the buffer released. */
char *buffer_take(struct buffer *buffer);

#endif
