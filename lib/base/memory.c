#include "lib/base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void abort_without_memory(void)
{
	static const char text[] = "rejoinder: error: out of memory\n";
	/* Not through stdio, which may want memory itself. */
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	abort();
}

void *xmalloc(size_t size_bytes)
{
	void *memory = malloc(size_bytes > 0 ? size_bytes : 1);

	if (memory == NULL)
		abort_without_memory();
	return memory;
}

void *xzalloc(size_t size_bytes)
{
	void *memory = calloc(1, size_bytes > 0 ? size_bytes : 1);

	if (memory == NULL)
		abort_without_memory();
	return memory;
}

void *xrealloc(void *memory, size_t size_bytes)
{
	void *grown = realloc(memory, size_bytes > 0 ? size_bytes : 1);

	if (grown == NULL)
		abort_without_memory();
	return grown;
}

void *xreallocarray(void *memory, size_t count, size_t size_bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, size_bytes, &total))
		abort_without_memory();
	return xrealloc(memory, total);
}

char *xstrdup(const char *text)
{
	return text != NULL ? xmemdup0(text, strlen(text)) : NULL;
}

char *xmemdup0(const char *bytes, size_t length)
{
	char *copy;

	if (length == SIZE_MAX)
		abort_without_memory();
	copy = xmalloc(length + 1);
	if (length > 0)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		abort_without_memory();
	return text;
}
