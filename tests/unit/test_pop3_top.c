#include "tests/unit/pop3_fixture.h"

#include "lib/base/error.h"

#define MAX_BYTES 1000

static int write_message(void *context, const struct pop3_item *item, const char *bytes,
                         size_t length, struct error *err)
{
	(void)err;
	buffer_printf(context, "%u: %.*s|", item->number, (int)length, bytes);
	return 0;
}

static int write_too_large(void *context, const struct pop3_item *item, uint64_t length,
                           struct error *err)
{
	(void)err;
	(void)length;
	buffer_printf(context, "%u: too large|", item->number);
	return 0;
}

static int write_refused(void *context, const struct pop3_item *item, const char *reply,
                         struct error *err)
{
	(void)err;
	buffer_printf(context, "%u: %s|", item->number, reply);
	return 0;
}

static int end_at_the_second_call(void *context, struct error *err)
{
	buffer_append_text(context, "idle|");
	return strstr(((struct buffer *)context)->data, "idle|idle|") != NULL
	               ? error_set(err, ERROR_FULL, "enough")
	               : 0;
}

/* Two items of the largest size: their headers are asked for at once all the same. */
static int run(bool is_top, const struct step *steps, bool can_pipeline, struct buffer *events,
               struct error *err)
{
	char uidl[] = "x";
	const struct pop3_item items[] = {{1, UINT64_MAX, uidl}, {2, UINT64_MAX, uidl}};
	const struct pop3_item *const pointers[] = {&items[0], &items[1]};
	const struct pop3_receiver receiver = {.context = events,
	                                       .on_message = write_message,
	                                       .on_too_large = write_too_large,
	                                       .on_refused = write_refused,
	                                       .on_idle = end_at_the_second_call};
	struct dialogue dialogue;
	struct pop3 *pop3 = open_session(&dialogue, can_pipeline, steps, NULL);
	int rc;

	assert_true(pop3_has_top(pop3));
	rc = is_top ? pop3_top(pop3, pointers, 2, MAX_BYTES, &receiver, err)
	            : pop3_retrieve(pop3, pointers, 1, MAX_BYTES, &receiver, err);
	close_session(&dialogue, pop3, "TOP");
	return rc;
}

static void headers_are_asked_for_at_once(void **state)
{
	static const struct step steps[] = {HEARS("TOP 1 0"), HEARS("TOP 2 0"),
	                                    SAYS("+OK\r\nA: b\r\n\r\n.\r\n-ERR \x01no\r\n"),
	                                    END_OF_STEPS};
	struct buffer events;
	struct error err;

	(void)state;
	buffer_init(&events, 1000);
	assert_int_equal(run(true, steps, true, &events, &err), 0);
	assert_string_equal(events.data, "1: A: b\r\n\r\n|2: -ERR ?no|");
	buffer_release(&events);
}

static void or_one_by_one(void **state)
{
	static const struct step steps[] = {
		HEARS("TOP 1 0"),  HAS_HEARD_ALL,    SAYS("+OK\r\n"),      FLOODS(MAX_BYTES + 1),
		SAYS("\r\n.\r\n"), HEARS("TOP 2 0"), SAYS("+OK\r\n.\r\n"), END_OF_STEPS};
	struct buffer events;
	struct error err;

	(void)state;
	buffer_init(&events, 1000);
	assert_int_equal(run(true, steps, false, &events, &err), 0);
	assert_string_equal(events.data, "1: too large|2: |");
	buffer_release(&events);
}

static void the_end_of_a_header_is_proven_as_well(void **state)
{
	static const struct step steps[] = {
		HEARS("TOP 1 0"), SAYS("+OK\nA: b\n\n.\n"), HEARS("UIDL 1"), SAYS("+OK 1 x\n"),
		HEARS("TOP 2 0"), SAYS("+OK\nA: b\n.\n"),   HEARS("UIDL 2"), SAYS("+OK\n"),
		END_OF_STEPS};
	struct buffer events;
	struct error err;

	(void)state;
	buffer_init(&events, 1000);
	assert_int_equal(run(true, steps, false, &events, &err), -1);
	assert_string_equal(events.data, "1: A: b\n\n|");
	assert_non_null(strstr(err.text, "the end of message 2 is in doubt"));
	buffer_release(&events);
}

static void who_waits_is_asked_and_may_end_it(void **state)
{
	static const struct step steps[] = {HEARS("RETR 1"), SAYS("+OK\r\nA: b\r\n"), END_OF_STEPS};
	struct error err = {0};
	struct buffer events;

	(void)state;
	buffer_init(&events, 1000);
	assert_int_equal(run(false, steps, true, &events, &err), -1);
	assert_string_equal(events.data, "idle|idle|");
	assert_int_equal(err.kind, ERROR_FULL);
	buffer_release(&events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_asked_for_at_once),
		cmocka_unit_test(or_one_by_one),
		cmocka_unit_test(the_end_of_a_header_is_proven_as_well),
		cmocka_unit_test(who_waits_is_asked_and_may_end_it),
	};
	int failed;

	connection_start_up();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	connection_shut_down();
	return failed;
}
