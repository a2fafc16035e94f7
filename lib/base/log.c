#include "lib/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* What syslog daemons take without cutting (RFC 3164 4.1: 1024 with the header). */
#define LINE_BYTES 1000

static _Atomic(const char *) program_name = "rejoinder";
static atomic_int log_target = LOG_TARGET_STDERR;
static atomic_int log_level_max = LOG_LEVEL_INFO;

void log_open(const char *program, enum log_target target, enum log_level level)
{
	atomic_store(&program_name, program);
	atomic_store(&log_level_max, level);
	if (target == LOG_TARGET_SYSLOG)
		openlog(program, LOG_PID, LOG_MAIL);
	atomic_store(&log_target, target);
}

static void write_line(enum log_level level, const char *text)
{
	static const char *const words[] = {"error", "warning", "info", "debug"};
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
	char line[LINE_BYTES + 128];
	int length;
	ssize_t ignored;

	if (atomic_load(&log_target) == LOG_TARGET_SYSLOG) {
		syslog(priorities[level], "%s", text);
		return;
	}
	length = snprintf(line, sizeof(line), "%.64s: %s: %s\n", atomic_load(&program_name),
	                  words[level], text);
	if (length > 0) {
		ignored = write(STDERR_FILENO, line, (size_t)length);
		(void)ignored; /* there is nowhere to say that the log cannot be written */
	}
}

static void log_at(enum log_level level, const char *format, va_list args)
{
	char text[LINE_BYTES + 1];

	if ((int)level > atomic_load(&log_level_max))
		return;
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		return;
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	write_line(level, text);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_at(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_at(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_at(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_at(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}

const char *log_value(char *out, size_t size, const char *text)
{
	size_t length = 0;

	if (size == 0)
		return "";
	if (text == NULL || text[0] == '\0')
		text = "-";
	for (; text[length] != '\0' && length + 1 < size; length++) {
		unsigned char c = (unsigned char)text[length];

		out[length] = c <= ' ' || c >= 0x7f || c == ',' ? '?' : (char)c;
	}
	out[length] = '\0';
	return out;
}
