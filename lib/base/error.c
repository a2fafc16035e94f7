#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return -1;
	err->kind = kind;
	va_start(args, format);
	if (vsnprintf(err->text, sizeof(err->text), format, args) < 0)
		err->text[0] = '\0';
	va_end(args);
	return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
	char old[sizeof(err->text)];
	va_list args;
	int length;

	if (err == NULL)
		return -1;
	memcpy(old, err->text, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	va_start(args, format);
	length = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (length < 0)
		length = 0;
	if ((size_t)length < sizeof(err->text)) {
		int room = (int)sizeof(err->text) - length - 1;

		snprintf(err->text + length, (size_t)room + 1, ": %.*s", room > 2 ? room - 2 : 0,
		         old);
	}
	return -1;
}
