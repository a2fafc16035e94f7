#include "tests/unit/dialogue.h"

#include <errno.h>

#include "ctl/probe.h"
#include "lib/base/memory.h"

/* Is what answers a milter? */

#define TIMEOUT_MS 500

/* An answer to the negotiation: 13 bytes, version 6, some actions and steps. */
#define ANSWER "\0\0\0\15O\0\0\0\6\0\0\0\x21\0\0\0\0"

static const struct row {
	const char *sentence;
	struct step steps[5];
	int number; /* 0: it is one */
	const char *text;
} rows[] = {
	{"a milter", {SAYS(ANSWER)}, 0, ""},
	{"one that is slow", {IGNORES_FOR_MS(100), DRIPS(ANSWER)}, 0, ""},
	{"one that sends a list of macros too", {SAYS("\0\0\1\15O\0\0\0\6")}, 0, ""},
	{"a mail server", {SAYS("220 mx.company.test ESMTP\r\n")}, EPROTO, "no milter"},
	{"another answer of a milter", {SAYS("\0\0\0\1c")}, EPROTO, "no milter"},
	{"a packet that nobody would send", {SAYS("\1\0\0\15O")}, EPROTO, "no milter"},
	{"who hangs up", {HANGS_UP}, EPROTO, "it closed the connection"},
	{"who hangs up within the answer", {SAYS("\0\0"), HANGS_UP}, EPROTO, "it closed"},
	{"who says nothing", {IGNORES_FOR_MS(TIMEOUT_MS)}, ETIMEDOUT, "no answer in time"},
	{"who says half of it",
         {SAYS("\0\0\0\15"), IGNORES_FOR_MS(TIMEOUT_MS)},
         ETIMEDOUT,
         "no answer in time"},
};

static void a_milter_is_told_by_its_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dialogue dialogue;
		struct error err = {0};
		char *spelling, *heard;
		int number;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, rows[i].steps);
		dialogue_start(&dialogue);
		spelling = xasprintf("inet:%u@127.0.0.1", (unsigned)dialogue.port);
		number = probe_milter(spelling, TIMEOUT_MS, &err) == 0 ? 0 : errno;
		heard = dialogue_end(&dialogue);
		if (number != rows[i].number || strstr(err.text, rows[i].text) == NULL)
			fail_msg("%s: %s, \"%s\"", rows[i].sentence, strerror(number), err.text);
		/* The offer, and QUIT where there was an answer. */
		if (number == 0 && (dialogue.heard_bytes != 17 + 5 ||
		                    memcmp(heard, "\0\0\0\15O\0\0\0\6", 9) != 0 ||
		                    memcmp(heard + 17, "\0\0\0\1Q", 5) != 0))
			fail_msg("%s: it heard %zu bytes", rows[i].sentence, dialogue.heard_bytes);
		free(heard);
		free(spelling);
	}
}

static void what_cannot_be_connected_to_says_why(void **state)
{
	static const struct {
		const char *spelling;
		int number;
	} sockets[] = {
		{"unix:/nonexistent/milter.sock", ENOENT},
		{"unix:/dev/null", ECONNREFUSED},
		{"unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345"
	         "67890123456789012345678901234567890123456789",
	         ENAMETOOLONG},
		{"inet:8890", EINVAL},
		{"fifo:/tmp/milter", EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		struct error err = {0};

		errno = 0;
		assert_int_equal(probe_milter(sockets[i].spelling, TIMEOUT_MS, &err), -1);
		if (errno != sockets[i].number || err.text[0] == '\0')
			fail_msg("%s: %s, \"%s\"", sockets[i].spelling, strerror(errno), err.text);
		assert_int_equal(probe_socket(sockets[i].spelling, TIMEOUT_MS, &err), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_milter_is_told_by_its_answer),
		cmocka_unit_test(what_cannot_be_connected_to_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
