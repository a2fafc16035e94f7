#ifndef REJOINDER_BASE_MEMORY_H
#define REJOINDER_BASE_MEMORY_H

#include <stddef.h>

/*
 * Allocation that cannot fail: out of memory aborts the process (the supervisor
 * restarts it and Postfix answers 4xx meanwhile).  Every size that comes from
 * outside must have met a limit before it gets here.
 */

void *xmalloc(size_t size_bytes);
void *xzalloc(size_t size_bytes); /* zeroed */
void *xrealloc(void *memory, size_t size_bytes);
void *xreallocarray(void *memory, size_t count, size_t size_bytes); /* overflow aborts */
char *xstrdup(const char *text);                                    /* NULL gives NULL */
char *xmemdup0(const char *bytes, size_t length);                   /* a copy with a NUL after it */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
