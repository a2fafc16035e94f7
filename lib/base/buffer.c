#include "lib/base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"

#define FIRST_CAPACITY 64

void buffer_init(struct buffer *buffer, size_t max_bytes)
{
	if (max_bytes > SIZE_MAX / 2)
		max_bytes = SIZE_MAX / 2; /* so that twice it, and one more, can be counted */
	buffer->capacity = max_bytes < FIRST_CAPACITY ? max_bytes : FIRST_CAPACITY;
	buffer->data = xmalloc(buffer->capacity + 1);
	buffer->data[0] = '\0';
	buffer->length = 0;
	buffer->max_bytes = max_bytes;
	buffer->is_full = false;
}

void buffer_release(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->is_full = false;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

/* Make room for that many more bytes and the NUL, or refuse. */
static int reserve(struct buffer *buffer, size_t length)
{
	size_t wanted, capacity;

	if (buffer->data == NULL || length > buffer->max_bytes - buffer->length) {
		buffer->is_full = true;
		return -1;
	}
	wanted = buffer->length + length;
	if (wanted <= buffer->capacity)
		return 0;
	capacity = buffer->capacity * 2;
	if (capacity < wanted)
		capacity = wanted;
	if (capacity > buffer->max_bytes)
		capacity = buffer->max_bytes;
	buffer->data = xrealloc(buffer->data, capacity + 1);
	buffer->capacity = capacity;
	return 0;
}

int buffer_append(struct buffer *buffer, const char *bytes, size_t length)
{
	if (reserve(buffer, length) != 0)
		return -1;
	if (length > 0)
		memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
	return 0;
}

int buffer_append_text(struct buffer *buffer, const char *text)
{
	return buffer_append(buffer, text, strlen(text));
}

int buffer_append_char(struct buffer *buffer, char c)
{
	return buffer_append(buffer, &c, 1);
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0 || reserve(buffer, (size_t)length) != 0) {
		buffer->is_full = true;
		return -1;
	}
	va_start(args, format);
	vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, args);
	va_end(args);
	buffer->length += (size_t)length;
	return 0;
}

void buffer_append_cut(struct buffer *buffer, const char *bytes, size_t length)
{
	size_t room = buffer->max_bytes - buffer->length;

	buffer_append(buffer, bytes, length < room ? length : room);
	if (length > room)
		buffer->is_full = true;
}

char *buffer_take(struct buffer *buffer)
{
	char *data = buffer->data;

	*buffer = (struct buffer){0};
	return data;
}
