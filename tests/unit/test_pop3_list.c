#include "tests/unit/pop3_fixture.h"

#include <inttypes.h>

struct list_row {
	const char *sentence;
	bool can_pipeline;
	struct step steps[8];
	const char *
		expected; /* "number size uidl, ...", or the kind of the error and a part of its text */
};

#define U16                       "uuuuuuuuuuuuuuuu"
#define U64                       U16 U16 U16 U16
#define LIST_AND_UIDL(list, uidl) HEARS("LIST"), SAYS(list), HEARS("UIDL"), SAYS(uidl)

static const struct list_row list_rows[] = {
	{"a listing",
         false,
         {LIST_AND_UIDL("+OK 2\r\n1 120\r\n2 9\r\n.\r\n", "+OK\r\n1 a\r\n2 b!~\r\n.\r\n")},
         "1 120 a, 2 9 b!~"},
	{"both are asked for at once",
         true,
         {HEARS("LIST"), HEARS("UIDL"), SAYS("+OK\r\n1 120\r\n.\r\n+OK\r\n1 a\r\n.\r\n")},
         "1 120 a"},
	{"byte by byte",
         true,
         {HEARS("LIST"), HEARS("UIDL"), DRIPS("+OK\r\n1 120\r\n.\r\n+OK\r\n1 a\r\n.\r\n")},
         "1 120 a"},
	{"an empty mailbox", false, {LIST_AND_UIDL("+OK\r\n.\r\n", "+OK\r\n.\r\n")}, ""},
	{"bare line feeds", false, {LIST_AND_UIDL("+OK\n1 120\n.\n", "+OK\n1 a\n.\n")}, "1 120 a"},
	{"any order, gaps, more words after the size",
         false,
         {LIST_AND_UIDL("+OK\r\n7 1 x\r\n3 2\r\n.\r\n", "+OK\r\n3 a\r\n7 b\r\n.\r\n")},
         "3 2 a, 7 1 b"},
	{"a size beyond 64 bits",
         false,
         {LIST_AND_UIDL("+OK\r\n1 99999999999999999999999\r\n.\r\n", "+OK\r\n1 a\r\n.\r\n")},
         "1 18446744073709551615 a"},
	{"a uidl twice",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n", "+OK\r\n1 a\r\n2 b\r\n3 a\r\n.\r\n")},
         "2 1 b; 2 unusable: the uidl \"a\" belongs to message 1 and to 3"},
	{"two uidls twice, another one thrice",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n3 1\r\n4 1\r\n5 1\r\n6 1\r\n7 1\r\n8 1\r\n.\r\n",
                        "+OK\r\n1 c\r\n2 b\r\n3 d\r\n4 a\r\n5 b\r\n6 a\r\n7 c\r\n8 b\r\n.\r\n")},
         "3 1 d; 7 unusable: the uidl \"a\" belongs to message 4 and to 6"},
	{"no uidl but one",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n.\r\n", "+OK\r\n1 a\r\n2 a\r\n.\r\n")},
         "permanent: the uidl \"a\" belongs to message 1 and to 2"},
	{"no uidl at all",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n.\r\n", "+OK\r\n.\r\n")},
         "permanent: LIST names message 1, UIDL does not"},
	{"empty uidls, a good one between them",
         true,
         {HEARS("LIST"), HEARS("UIDL"),
          SAYS("+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n+OK\r\n3 \r\n1\r\n2 b\r\n.\r\n")},
         "2 1 b; 2 unusable: message 3 has no usable uidl: found \"3 \""},
	{"a uidl of 256 bytes",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n.\r\n",
                        "+OK\r\n1 " U64 U64 U64 U64 "\r\n2 b\r\n.\r\n")},
         "2 1 b; 1 unusable: message 1 has no usable uidl: found \"1 " U64 U16 U16 "u\""},
	{"an unusable uidl is named twice",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n.\r\n", "+OK\r\n1\r\n1 a\r\n2 b\r\n.\r\n")},
         "permanent: UIDL names message 1 twice"},
	{"a number twice in LIST",
         false,
         {HEARS("LIST"), SAYS("+OK\r\n1 1\r\n1 1\r\n.\r\n")},
         "permanent: LIST names message 1 twice"},
	{"a number twice in UIDL",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n.\r\n", "+OK\r\n1 a\r\n1 b\r\n.\r\n")},
         "permanent: UIDL names message 1 twice"},
	{"a uidl missing",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n.\r\n", "+OK\r\n2 b\r\n.\r\n")},
         "2 1 b; 1 unusable: LIST names message 1, UIDL does not"},
	{"a uidl too many",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n.\r\n", "+OK\r\n1 a\r\n2 b\r\n.\r\n")},
         "permanent: UIDL names message 2, LIST does not"},
	{"a uidl where LIST is empty",
         false,
         {LIST_AND_UIDL("+OK\r\n.\r\n", "+OK\r\n1 a\r\n.\r\n")},
         "permanent: UIDL names message 1, LIST does not"},
	{"no number",
         false,
         {HEARS("LIST"), SAYS("+OK\r\nx 1\r\n.\r\n")},
         "permanent: cannot read a line of LIST"},
	{"number 0", false, {HEARS("LIST"), SAYS("+OK\r\n0 1\r\n.\r\n")}, "permanent: cannot read"},
	{"a number beyond 32 bits",
         false,
         {HEARS("LIST"), SAYS("+OK\r\n4294967296 1\r\n.\r\n")},
         "permanent: cannot read"},
	{"a negative size",
         false,
         {HEARS("LIST"), SAYS("+OK\r\n1 -1\r\n.\r\n")},
         "permanent: cannot read"},
	{"a NUL in a number",
         false,
         {HEARS("LIST"), SAYS("+OK\r\n1\0 1\r\n.\r\n")},
         "permanent: cannot read"},
	{"a uidl with a control byte",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n2 1\r\n.\r\n", "+OK\r\n1 a\001b\r\n2 c\r\n.\r\n")},
         "2 1 c; 1 unusable: message 1 has no usable uidl: found \"1 a?b\""},
	{"the only uidl is in 8 bits",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n.\r\n", "+OK\r\n1 \374\r\n.\r\n")},
         "permanent: message 1 has no usable uidl: found \"1 ?\""},
	{"no number in UIDL",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n.\r\n", "+OK\r\nx a\r\n.\r\n")},
         "permanent: cannot read a line of UIDL: found \"x a\""},
	{"no UIDL, though it was offered",
         false,
         {LIST_AND_UIDL("+OK\r\n1 1\r\n.\r\n", "-ERR not today\r\n")},
         "temporary: the server answered UIDL with \"-ERR not today\""},
	{"LIST refused for now",
         false,
         {HEARS("LIST"), SAYS("-ERR [SYS/TEMP] disk\r\n")},
         "temporary: the server answered LIST"},
	{"LIST refused for good",
         false,
         {HEARS("LIST"), SAYS("-ERR [sys/perm/quota] gone\r\n")},
         "config: the server answered LIST"},
	{"neither +OK nor -ERR", false, {HEARS("LIST"), SAYS("+OKAY\r\n")}, "temporary: "},
	{"closed in the middle",
         false,
         {HEARS("LIST"), SAYS("+OK\r\n1 1\r\n"), HANGS_UP},
         "temporary: the server closed the connection"},
	{"a line without an end",
         false,
         {HEARS("LIST"), SAYS("+OK\r\n"), FLOODS(100000)},
         "temporary: the server sent a reply line of over 1024 bytes"},
};

static void format_listing(const struct pop3_listing *listing, struct buffer *out)
{
	size_t i;

	for (i = 0; i < listing->count; i++)
		buffer_printf(out, "%s%u %" PRIu64 " %s", i > 0 ? ", " : "",
		              listing->items[i].number, listing->items[i].size_bytes,
		              listing->items[i].uidl);
	if (listing->unusable_count > 0)
		buffer_printf(out, "; %zu unusable: %s", listing->unusable_count,
		              listing->unusable);
	else
		buffer_append_text(out, listing->unusable);
}

static void what_is_listed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(list_rows) / sizeof(list_rows[0]); i++) {
		const struct list_row *row = &list_rows[i];
		struct dialogue dialogue;
		struct pop3 *pop3 = open_session(&dialogue, row->can_pipeline, row->steps, NULL);
		struct pop3_listing listing;
		struct error err = {0};
		struct buffer found;
		char text[300];

		buffer_init(&found, 10000);
		if (pop3_list(pop3, &listing, &err) == 0) {
			format_listing(&listing, &found);
		} else {
			assert_null(listing.items);
			buffer_append_text(&found,
			                   error_seen(text, sizeof(text), &err, row->expected));
		}
		if (strcmp(found.data, row->expected) != 0)
			fail_msg("%s: found %s (%s)", row->sentence, found.data, err.text);
		pop3_listing_release(&listing);
		close_session(&dialogue, pop3, row->sentence);
		buffer_release(&found);
	}
}

static void too_many_messages_name_both_numbers(void **state)
{
	struct step steps[] = {HEARS("LIST"), {STEP_SAYS, NULL, 0}, END_OF_STEPS};
	struct dialogue dialogue;
	struct pop3_listing listing;
	struct error err = {0};
	struct buffer lines;
	struct pop3 *pop3;

	(void)state;
	buffer_init(&lines, 100 * 1024 * 1024);
	buffer_append_text(&lines, "+OK\r\n");
	for (unsigned number = 1; number <= POP3_MESSAGES_MAX + 5; number++)
		buffer_printf(&lines, "%u 100\r\n", number);
	buffer_append_text(&lines, ".\r\n");
	steps[1].text = lines.data;
	steps[1].count = lines.length;
	pop3 = open_session(&dialogue, false, steps, NULL);
	assert_int_equal(pop3_list(pop3, &listing, &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	assert_non_null(strstr(err.text, "200005 messages, more than 200000"));
	close_session(&dialogue, pop3, "too many");
	buffer_release(&lines);
}

static void a_server_without_uidl_is_refused(void **state)
{
	static const struct step steps[] = {
		SAYS("+OK ready\r\n"),  HEARS("CAPA"), SAYS("-ERR what?\r\n"),      HEARS("CAPA"),
		SAYS("-ERR what?\r\n"), HEARS("LIST"), SAYS("+OK\r\n1 1\r\n.\r\n"), HEARS("UIDL"),
		SAYS("-ERR what?\r\n"), END_OF_STEPS};
	struct dialogue dialogue;
	struct pop3_listing listing;
	struct error err = {0};
	struct server server;
	struct pop3 *pop3;

	(void)state;
	dialogue_begin(&dialogue);
	dialogue_add(&dialogue, steps);
	dialogue_start(&dialogue);
	server = server_at(&dialogue);
	pop3 = pop3_open(&server, &err);
	assert_non_null(pop3);
	assert_false(pop3_can_pipeline(pop3));
	assert_int_equal(pop3_list(pop3, &listing, &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	assert_non_null(strstr(err.text, "UIDL"));
	close_session(&dialogue, pop3, "no UIDL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_listed),
		cmocka_unit_test(too_many_messages_name_both_numbers),
		cmocka_unit_test(a_server_without_uidl_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
