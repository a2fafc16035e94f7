#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/doctor.h"

static void say(struct doctor *doctor, enum finding_state state, const char *cure,
                const char *format, va_list args) __attribute__((format(printf, 4, 0)));
static void say(struct doctor *doctor, enum finding_state state, const char *cure,
                const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		abort();
	doctor->take(doctor,
	             &(struct finding){
			     .state = state, .check = doctor->check, .text = text, .advice = cure});
	free(text);
}

void doctor_ok(struct doctor *doctor, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(doctor, FINDING_OK, "", format, args);
	va_end(args);
}

void doctor_none(struct doctor *doctor, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(doctor, FINDING_NONE, "", format, args);
	va_end(args);
}

void doctor_skip(struct doctor *doctor, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(doctor, FINDING_SKIPPED, "", format, args);
	va_end(args);
}

void doctor_warn(struct doctor *doctor, const char *cure, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(doctor, FINDING_WARNING, cure, format, args);
	va_end(args);
}

void doctor_fail(struct doctor *doctor, const char *cure, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(doctor, FINDING_PROBLEM, cure, format, args);
	va_end(args);
}

void doctor_run(struct doctor *doctor, const char *part, const struct doctor_check *checks)
{
	doctor->part = part;
	for (; checks->name != NULL; checks++) {
		doctor->check = checks->name;
		checks->run(doctor);
	}
}
