#ifndef REJOINDER_TESTS_POP3_FIXTURE_H
#define REJOINDER_TESTS_POP3_FIXTURE_H

#include "tests/unit/dialogue.h"

#include "lib/net/pop3.h"

/* A POP3 session with a scripted server, up to where the mailbox is open. */

static inline struct server server_at(const struct dialogue *dialogue)
{
	struct server server = {
		.host = "127.0.0.1",
		.port = dialogue->port,
		.security = SECURITY_NONE,
		.connect_timeout_ms = 10000,
		.idle_timeout_ms = 10000,
		.total_timeout_ms = 10000,
	};

	return server;
}

/* Up to the sign-in, which these tests do without, libcurl asks for CAPA, then we. */
#define GREETING_STEPS SAYS("+OK ready\r\n"), HEARS("CAPA"), SAYS("+OK\r\nUIDL\r\n.\r\n")

#define END_OF_STEPS                                                                               \
	{                                                                                          \
		STEP_END, NULL, 0                                                                  \
	}

static const struct step plain_greeting[] = {GREETING_STEPS, HEARS("CAPA"),
                                             SAYS("+OK\r\nTOP\r\nUIDL\r\n.\r\n"), END_OF_STEPS};
static const struct step pipelining_greeting[] = {
	GREETING_STEPS, HEARS("CAPA"),
	SAYS("+OK\r\nTOP\r\nUIDL\r\nPIPELINING\r\nLOGIN-DELAY 300 USER\r\n.\r\n"), END_OF_STEPS};

static inline struct pop3 *open_session(struct dialogue *dialogue, bool can_pipeline,
                                        const struct step *steps, const struct server *given)
{
	struct server server;
	struct error err = {0};
	struct pop3 *pop3;

	dialogue_begin(dialogue);
	dialogue_add(dialogue, can_pipeline ? pipelining_greeting : plain_greeting);
	dialogue_add(dialogue, steps);
	dialogue_start(dialogue);
	server = server_at(dialogue);
	if (given != NULL) {
		server.idle_timeout_ms = given->idle_timeout_ms;
		server.total_timeout_ms = given->total_timeout_ms;
	}
	pop3 = pop3_open(&server, &err);
	if (pop3 == NULL)
		fail_msg("%s", err.text);
	return pop3;
}

/* Close, and check that the server heard nothing that the script does not know. */
static inline void close_session(struct dialogue *dialogue, struct pop3 *pop3, const char *sentence)
{
	char *heard_after;

	pop3_close(pop3);
	heard_after = dialogue_end(dialogue);
	if (dialogue->complaint[0] != '\0')
		fail_msg("%s: %s", sentence, dialogue->complaint);
	if (heard_after[0] != '\0')
		fail_msg("%s: the server also heard \"%s\"", sentence, heard_after);
	free(heard_after);
}

static inline const char *kind_name(enum error_kind kind)
{
	static const char *const names[] = {"none",      "temporary", "full",   "permanent",
	                                    "uncertain", "config",    "corrupt"};

	return names[kind];
}

/* "kind: text" as far as it is as long as what is expected, without the server's name before it. */
static inline const char *error_seen(char *out, size_t size, const struct error *err,
                                     const char *expected)
{
	const char *text = err->text;

	if (strncmp(text, "127.0.0.1:", 10) == 0 && strchr(text, ' ') != NULL)
		text = strchr(text, ' ') + 1;
	snprintf(out, size, "%s: %s", kind_name(err->kind), text);
	if (strlen(expected) < strlen(out))
		out[strlen(expected)] = '\0';
	return out;
}

#endif
