#ifndef REJOINDER_TESTS_CLASS_FIXTURE_H
#define REJOINDER_TESTS_CLASS_FIXTURE_H

#include <string.h>

#include "lib/mail/class.h"

#define JANE   "From: Jane <jane@company.test>\n"
#define DAEMON "From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\n"

/* Classify a message of raw bytes, as the milter would. */
static inline void classify_raw(const char *raw, bool is_null_sender, struct classification *out)
{
	size_t length = strlen(raw);
	struct header header;
	struct message message = {.header = &header};
	struct envelope_facts envelope = {.is_null_sender = is_null_sender};
	size_t body_at;

	header_init(&header);
	body_at = header_parse(&header, raw, length);
	message.body = raw + body_at;
	message.body_length = length - body_at;
	classify(&message, &envelope, out);
	header_release(&header);
}

#endif
