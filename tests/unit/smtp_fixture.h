#ifndef REJOINDER_TESTS_SMTP_FIXTURE_H
#define REJOINDER_TESTS_SMTP_FIXTURE_H

#include "tests/unit/dialogue.h"

#include "lib/net/connection.h"
#include "lib/net/smtp.h"

/* An SMTP session with a scripted server: bob writes to jane. */

#define GREETING       SAYS("220 mx.company.test ESMTP\r\n"), HEARS("EHLO localhost")
#define SESSION_BEGINS GREETING, SAYS("250-mx.company.test\r\n250-PIPELININGS\r\n250 8BITMIME\r\n")
#define PIPELINING_BEGINS                                                                          \
	GREETING, SAYS("250-mx.company.test\r\n250-pipelining\r\n250 8BITMIME\r\n")

#define OK SAYS("250 2.1.0 Ok\r\n")

/* One after the other. */
#define UP_TO_RCPT                                                                                 \
	HEARS("MAIL FROM:<bob@example.org>"), HAS_HEARD_ALL, OK,                                   \
		HEARS("RCPT TO:<jane@company.test>"), HAS_HEARD_ALL
#define UP_TO_TEXT UP_TO_RCPT, OK, HEARS("DATA"), SAYS("354 End it\r\n")
/* All at once. */
#define GROUP                                                                                      \
	HEARS("MAIL FROM:<bob@example.org>"), HEARS("RCPT TO:<jane@company.test>"), HEARS("DATA")
#define GROUP_UP_TO_TEXT GROUP, SAYS("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End it\r\n")

#define TAKEN_AS(id) TAKES_THE_TEXT, SAYS("250 2.0.0 Ok: queued as " id "\r\n")

#define END_OF_STEPS                                                                               \
	{                                                                                          \
		STEP_END, NULL, 0                                                                  \
	}

static inline struct smtp *smtp_to(struct dialogue *dialogue, int64_t timeout_ms)
{
	char host_port[32];

	snprintf(host_port, sizeof(host_port), "127.0.0.1:%u", dialogue->port);
	return smtp_new(host_port, timeout_ms);
}

static inline int send_text(struct smtp *smtp, const char *text, size_t length, char queue_id[32],
                            struct error *err)
{
	return smtp_send(smtp, "bob@example.org", "jane@company.test", "", 0, text, length,
	                 queue_id, 32, err);
}

/* Close, and check that the server heard just this after its script. NULL: whatever it was. */
static inline void check_end(struct dialogue *dialogue, struct smtp *smtp, const char *sentence,
                             const char *heard_after)
{
	char *heard;

	smtp_free(smtp);
	heard = dialogue_end(dialogue);
	if (dialogue->complaint[0] != '\0')
		fail_msg("%s: %s", sentence, dialogue->complaint);
	if (heard_after != NULL && strcmp(heard, heard_after) != 0)
		fail_msg("%s: the server also heard \"%s\"", sentence, heard);
	free(heard);
}

static inline int start_up(void **state)
{
	(void)state;
	connection_start_up();
	return 0;
}

static inline int shut_down(void **state)
{
	(void)state;
	connection_shut_down();
	return 0;
}

#endif
