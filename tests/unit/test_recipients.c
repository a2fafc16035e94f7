#include "tests/unit/dialogue.h"

#include "ctl/doctor_recipients.h"
#include "lib/base/memory.h"
#include "lib/store/store.h"

/* Asking a mail server by RCPT, whatever it answers. */

#define DEADLINE_MS 600
#define ASKED_MAX   12

#define BEGINS                                                                                     \
	SAYS("220 mx.company.test ESMTP\r\n"), HEARS("EHLO localhost"),                            \
		SAYS("250-mx.company.test\r\n250-PIPELINING\r\n250 DSN\r\n"),                      \
		HEARS("MAIL FROM:<>"), SAYS("250 2.1.0 Ok\r\n")
#define ENDS            HEARS("QUIT"), SAYS("221 2.0.0 Bye\r\n")
#define REFUSES(letter) HEARS("RCPT TO:<" letter ">"), SAYS("550 5.1.1 no " letter "\r\n")

static const struct row {
	const char *sentence;
	const char *addresses[ASKED_MAX];
	struct step steps[50];
	int codes[ASKED_MAX];
	const char *reply; /* the last one asked for got; NULL: not looked at */
	const char *text;  /* a part of the error; NULL: there is none */
} rows[] = {
	{"one is taken",
         {"jane@company.test"},
         {BEGINS, HEARS("RCPT TO:<jane@company.test>"), SAYS("250 2.1.5 Ok\r\n"), ENDS},
         {250},
         "250 2.1.5 Ok",
         NULL},
	{"one is not, and the next is",
         {"a", "b"},
         {BEGINS, REFUSES("a"), HEARS("RCPT TO:<b>"), SAYS("250 Ok\r\n"), ENDS},
         {550, 250},
         "250 Ok",
         NULL},
	{"one cannot be known now",
         {"a"},
         {BEGINS, HEARS("RCPT TO:<a>"), SAYS("451 4.3.0 later\r\n"), ENDS},
         {451},
         "451 4.3.0 later",
         NULL},
	{"the last line of a reply counts",
         {"a"},
         {BEGINS, HEARS("RCPT TO:<a>"), SAYS("550-never\r\n550 5.1.1 ever\r\n"), ENDS},
         {550},
         "550 5.1.1 ever",
         NULL},
	{"a reply may come in pieces",
         {"a"},
         {BEGINS, HEARS("RCPT TO:<a>"), DRIPS("250 2.1.5 Ok\r\n"), ENDS},
         {250},
         "250 2.1.5 Ok",
         NULL},
	{"an address that would be more than one command is not asked for",
         {"a>\r\nDATA", "a b", "b"},
         {BEGINS, HEARS("RCPT TO:<b>"), SAYS("250 Ok\r\n"), ENDS},
         {0, 0, 250},
         "250 Ok",
         NULL},
	{"after eight refusals another session begins",
         {"a", "b", "c", "d", "e", "f", "g", "h", "i"},
         {BEGINS, REFUSES("a"), REFUSES("b"), REFUSES("c"), REFUSES("d"), REFUSES("e"),
          REFUSES("f"), REFUSES("g"), REFUSES("h"), ENDS, HANGS_UP, BEGINS, REFUSES("i"), ENDS},
         {550, 550, 550, 550, 550, 550, 550, 550, 550},
         "550 5.1.1 no i",
         NULL},
	{"that QUIT is not answered does no harm",
         {"a"},
         {BEGINS, REFUSES("a"), HEARS("QUIT"), HANGS_UP},
         {550},
         "550 5.1.1 no a",
         NULL},
	{"it does not want us",
         {"a"},
         {SAYS("554 5.7.1 go away\r\n"), HANGS_UP},
         {0},
         NULL,
         "it greets with \"554 5.7.1 go away\""},
	{"its milter does not answer",
         {"a"},
         {SAYS("220 hello\r\n"), HEARS("EHLO localhost"), SAYS("250 hello\r\n"),
          HEARS("MAIL FROM:<>"), SAYS("451 4.7.1 try again later\r\n")},
         {0},
         NULL,
         "it answered \"451 4.7.1 try again later\" to MAIL"},
	{"it closes the session with 421",
         {"a", "b"},
         {BEGINS, REFUSES("a"), HEARS("RCPT TO:<b>"), SAYS("421 4.7.0 too many errors\r\n")},
         {550, 0},
         NULL,
         "it answered \"421 4.7.0 too many errors\""},
	{"it closes without a word",
         {"a"},
         {BEGINS, HEARS("RCPT TO:<a>"), HANGS_UP},
         {0},
         NULL,
         "it closed the connection"},
	{"it is no mail server", {"a"}, {SAYS("SSH-2.0-server\r\n")}, {0}, NULL, "no mail server"},
	{"a code is three digits", {"a"}, {SAYS("2200 hello\r\n")}, {0}, NULL, "no mail server"},
	{"a reply without an end",
         {"a"},
         {SAYS("220-1\r\n220-2\r\n220-3\r\n")},
         {0},
         NULL,
         "there was no answer in time"},
	{"a line without an end",
         {"a"},
         {SAYS("220 "), FLOODS(200000)},
         {0},
         NULL,
         "without an end"},
	{"no answer", {"a"}, {IGNORES_FOR_MS(DEADLINE_MS)}, {0}, NULL, "no answer in time"},
};

static void check_row(const struct row *row)
{
	struct recipient recipients[ASKED_MAX] = {0};
	struct dialogue dialogue;
	struct error err = {0};
	size_t count = 0;
	char *server;
	int rc;

	for (; count < ASKED_MAX && row->addresses[count] != NULL; count++)
		recipients[count].address = xstrdup(row->addresses[count]);
	dialogue_begin(&dialogue);
	dialogue_add(&dialogue, row->steps);
	dialogue_start(&dialogue);
	server = xasprintf("127.0.0.1:%u", (unsigned)dialogue.port);
	rc = recipients_ask(server, recipients, count, store_clock_ms() + DEADLINE_MS, &err);
	free(server);
	free(dialogue_end(&dialogue));

	if ((rc < 0) != (row->text != NULL) || (rc < 0 && strstr(err.text, row->text) == NULL))
		fail_msg("%s: %d, \"%s\"", row->sentence, rc, err.text);
	if (dialogue.complaint[0] != '\0')
		fail_msg("%s: %s", row->sentence, dialogue.complaint);
	for (size_t i = 0; i < count; i++)
		if (recipients[i].code != row->codes[i])
			fail_msg("%s: %s got %d", row->sentence, row->addresses[i],
			         recipients[i].code);
	if (row->reply != NULL && strcmp(recipients[count - 1].reply, row->reply) != 0)
		fail_msg("%s: \"%s\"", row->sentence, recipients[count - 1].reply);
	for (size_t i = 0; i < count; i++)
		free(recipients[i].address);
}

static void each_is_asked_for_and_nothing_is_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

static void a_server_that_is_not_there_is_an_error(void **state)
{
	struct recipient recipient = {.address = (char *)"a"};
	struct dialogue dialogue;
	struct error err = {0};
	char *server;

	(void)state;
	/* A port that nobody else has got meanwhile. */
	dialogue_begin(&dialogue);
	close(dialogue.listener);
	server = xasprintf("127.0.0.1:%u", (unsigned)dialogue.port);
	assert_int_equal(
		recipients_ask(server, &recipient, 1, store_clock_ms() + DEADLINE_MS, &err), -1);
	assert_non_null(strstr(err.text, "Connection refused"));
	assert_int_equal(
		recipients_ask("nonsense", &recipient, 1, store_clock_ms() + DEADLINE_MS, &err),
		-1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	free(server);
	buffer_release(&dialogue.taken);
	buffer_release(&dialogue.heard_after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_asked_for_and_nothing_is_sent),
		cmocka_unit_test(a_server_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
