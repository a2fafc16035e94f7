#ifndef REJOINDER_BASE_LOG_H
#define REJOINDER_BASE_LOG_H

#include <stddef.h>

#include "lib/base/error.h"

/*
 * The log, written only at the edges: a callback, a poll loop, a command.
 * Levels have one meaning each.  error: an operator must act.  warning: we
 * recovered or will retry.  info: one line per message or job.  debug: the rest.
 * Thread-safe.  Control bytes in a finished line are shown as `?`, so that what
 * came from outside cannot forge a line.
 */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG };

/*
 * program: the name before the line, kept by reference.  LOG_TARGET_SYSLOG uses
 * facility mail; LOG_TARGET_STDERR writes "program: level: text\n" in one write.
 * Before log_open() everything up to info goes to stderr.
 */
void log_open(const char *program, enum log_target target, enum log_level level);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * Copy untrusted text for a key=value log line: control bytes, blanks, commas
 * and non-ASCII become `?`, at most size-1 bytes; NULL or empty becomes "-".
 * Returns out.
 */
const char *log_value(char *out, size_t size, const char *text);

#endif
