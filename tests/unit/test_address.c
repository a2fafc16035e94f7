#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"

#define MEGABYTE (1024 * 1024)

/* "phrase|address" of each, joined by a line break. */
static const struct {
	const char *name;
	const char *value;
	const char *expected;
} lists[] = {
	{"a bare address", "jane@company.test", "|jane@company.test\n"},
	{"the domain becomes lower case, the local part does not", "Jane@Company.TEST",
         "|Jane@company.test\n"},
	{"a name before brackets", "Jane <jane@company.test>", "Jane|jane@company.test\n"},
	{"quotes of a name stay", "\"Jane, of Sales\" <jane@company.test>",
         "\"Jane, of Sales\"|jane@company.test\n"},
	{"encoded words of a name stay", "=?utf-8?Q?J=C3=A4ne?= <jane@company.test>",
         "=?utf-8?Q?J=C3=A4ne?=|jane@company.test\n"},
	{"a folded name is unfolded", "Jane\r\n\tBob <jane@company.test>",
         "Jane Bob|jane@company.test\n"},
	{"an empty quoted name is none", "\"\" <jane@company.test>", "|jane@company.test\n"},
	{"a comment behind an address is no name", "jane@company.test (Jane)",
         "|jane@company.test\n"},
	{"comments are skipped at any depth", "(a(b(c)))jane(x)@(y)company.test(z)",
         "|jane@company.test\n"},
	{"a comment goes from the name", "Jane (at work) <jane@company.test>",
         "Jane|jane@company.test\n"},
	{"an international domain is read as its ASCII form", "Jäne <Jane@Bücher.test>",
         "Jäne|Jane@xn--bcher-kva.test\n"},
	{"and is the same written in that", "jane@XN--BCHER-KVA.test",
         "|jane@xn--bcher-kva.test\n"},
	{"a local part in UTF-8 stays", "jäne@company.test", "|jäne@company.test\n"},
	{"an international domain in quotes is a name", "\"a@bücher.test\" <jane@company.test>",
         "\"a@bücher.test\"|jane@company.test\n"},
	{"white space around atoms goes", "jane @ company . test", "|jane@company.test\n"},
	{"two of them", "jane@company.test, Bob <bob@example.org>",
         "|jane@company.test\nBob|bob@example.org\n"},
	{"a semicolon parts as a comma does", "jane@company.test; bob@example.org",
         "|jane@company.test\n|bob@example.org\n"},
	{"a group is flattened",
         "Staff: jane@company.test, Bob <bob@example.org>;, boss@example.org",
         "|jane@company.test\nBob|bob@example.org\n|boss@example.org\n"},
	{"an empty group has nobody", "undisclosed-recipients:;", ""},
	{"a comma inside quotes parts nothing", "\"a,b\"@example.org", "|\"a,b\"@example.org\n"},
	{"needless quotes of a local part go", "\"jane\"@company.test", "|jane@company.test\n"},
	{"an obsolete route is dropped", "<@relay.test,@b.test:jane@company.test>",
         "|jane@company.test\n"},
	{"a domain literal with colons begins no group", "jane@[IPv6:2001:DB8::1]",
         "|jane@[ipv6:2001:db8::1]\n"},
	{"which is ASCII", "jane@[IPv6::ϼ], bob@[127.0.0.1]", "|bob@[127.0.0.1]\n"},
	{"a dot at the end of a domain goes", "jane@company.test.", "|jane@company.test\n"},
	{"dots where none should be are in use", "jane..x.@company.test",
         "|jane..x.@company.test\n"},
	{"a name without brackets before an address", "Jane jane@company.test",
         "|jane@company.test\n"},
	{"a missing comma between two in brackets", "<jane@company.test> <bob@example.org>",
         "|jane@company.test\n|bob@example.org\n"},
	{"a bracket that is not closed", "Jane <jane@company.test", "|jane@company.test\n"},
	{"a bracket twice", "<<jane@company.test>>", "|jane@company.test\n"},
	{"a comment that is not closed hides nothing behind it", "Jane :( <jane@company.test>",
         "\"(\"|jane@company.test\n"},
	{"a quote that is not closed", "Jane \"Bob <jane@company.test>",
         "\"Jane \\\"Bob\"|jane@company.test\n"},
	{"a name with an address in it is quoted, so that it is read as a name again",
         "bob@example.org <jane@company.test>", "\"bob@example.org\"|jane@company.test\n"},
	{"control bytes in a name become blanks", "Ja\x01ne <jane@company.test>",
         "Ja ne|jane@company.test\n"},
	{"what has no @ is left out", "root, Jane <jane>, jane@company.test",
         "|jane@company.test\n"},
	{"the scheme of a link inside the brackets goes",
         "Jane <mailto:jane@company.test>, <SMTP:bob@example.org>, <smtp: boss@example.org>",
         "Jane|jane@company.test\n|bob@example.org\n|boss@example.org\n"},
	{"another one is no address", "Jane <xmpp:jane@company.test>, <mailto:>", ""},
	{"a list encoded as a whole is read decoded",
         "=?utf-8?B?SsOkbmUgPGphbmVAY29tcGFueS50ZXN0Pg==?=", "Jäne|jane@company.test\n"},
	{"also in several words, and with brackets and @ as they are",
         " =?utf-8?Q?J=C3=A4ne_?=\r\n =?utf-8?Q?<jane@company.test>,bob@example.org?= ",
         "Jäne|jane@company.test\n|bob@example.org\n"},
	{"a lone @ in it too", "=?utf-8?Q?jane@company.test?=", "|jane@company.test\n"},
	{"an encoded address beside anything else stays encoded",
         "Bob =?utf-8?B?PGphbmVAY29tcGFueS50ZXN0Pg==?=", ""},
	{"what is in an encoded name is no address",
         "=?utf-8?Q?boss=40company.test?= <jane@company.test>",
         "=?utf-8?Q?boss=40company.test?=|jane@company.test\n"},
	{"line breaks in it are blanks",
         "=?utf-8?Q?Jane=0D=0A_=3Cjane=40company.test=3E?=", "Jane|jane@company.test\n"},
	{"an encoded word within one is no address",
         "=?utf-8?Q?=3D=3Futf-8=3FQ=3Fjane=40company.test=3F=3D?=", ""},
	{"an encoded name alone is none", "=?utf-8?Q?J=C3=A4ne?=", ""},
	{"two @ are no address", "a@b@company.test", ""},
	{"an empty local part or domain is none", "@company.test, jane@, jane@.test", ""},
	{"nothing", "", ""},
};

static char *join(const struct address_list *list)
{
	char *out = xstrdup("");

	for (size_t i = 0; i < list->count; i++) {
		char *longer =
			xasprintf("%s%s|%s\n", out, list->items[i].phrase, list->items[i].address);

		free(out);
		out = longer;
	}
	return out;
}

static void lists_are_read_as_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct address_list list;
		char *found;

		address_list_parse(&list, lists[i].value, strlen(lists[i].value), 100);
		found = join(&list);
		if (strcmp(found, lists[i].expected) != 0)
			fail_msg("%s: found \"%s\", expected \"%s\"", lists[i].name, found,
			         lists[i].expected);
		free(found);
		address_list_release(&list);
	}
}

/* A field of the size that Postfix cuts at, and what stands at its end. */
static void a_name_too_long_is_left_out_and_its_address_is_not(void **state)
{
	char *value = xmalloc(60100);
	struct address_list list;
	(void)state;

	memset(value, 'x', 60000);
	strcpy(value + 60000, " <jane@company.test>");
	address_list_parse(&list, value, strlen(value), 10);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].address, "jane@company.test");
	assert_string_equal(list.items[0].phrase, "");
	address_list_release(&list);
	free(value);
}

static void a_list_ends_at_its_maximum(void **state)
{
	const char *value = "a@b.test, c@d.test, e@f.test";
	struct address_list list;
	(void)state;

	address_list_parse(&list, value, strlen(value), 2);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[1].address, "c@d.test");
	address_list_release(&list);
	address_list_parse(&list, value, strlen(value), 0);
	assert_int_equal(list.count, 0);
	address_list_release(&list);
}

static void an_address_over_its_limit_is_left_out(void **state)
{
	char value[ADDRESS_MAX_BYTES + 20];
	struct address_list list;
	(void)state;

	memset(value, 'a', sizeof value);
	memcpy(value + ADDRESS_MAX_BYTES - 5, "@b.de", 6);
	address_list_parse(&list, value, strlen(value), 10);
	assert_int_equal(list.count, 1);
	address_list_release(&list);
	memcpy(value + ADDRESS_MAX_BYTES - 5, "a@b.de", 7);
	address_list_parse(&list, value, strlen(value), 10);
	assert_int_equal(list.count, 0);
	address_list_release(&list);
}

/* A value with a NUL inside: what follows it is read on, nothing is read past the end. */
static void a_nul_is_an_ordinary_wrong_byte(void **state)
{
	static const char value[] = "a\0b@example.org, Ja\0ne <jane@company.test>";
	struct address_list list;
	(void)state;

	address_list_parse(&list, value, sizeof value - 1, 10);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].address, "jane@company.test");
	assert_string_equal(list.items[0].phrase, "Ja ne");
	address_list_release(&list);
}

/* Each would take minutes, or all of the stack, if it were not linear and iterative. */
static void a_megabyte_of_anything_is_read_at_once(void **state)
{
	static const char *const patterns[] = {"(", "a:",   "<",   "\"", "<\"", "<>",
	                                       "[", "a@b ", "\\(", "()", ",;"};
	char *value = xmalloc(MEGABYTE);
	(void)state;

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		struct address_list list;
		size_t length = strlen(patterns[i]);

		for (size_t at = 0; at < MEGABYTE; at++)
			value[at] = patterns[i][at % length];
		address_list_parse(&list, value, MEGABYTE, 100);
		assert_int_equal(list.count, 0);
		address_list_release(&list);
	}
	free(value);
}

static const struct {
	const char *name;
	const char *text;
	const char *expected; /* or NULL */
} envelopes[] = {
	{"with brackets", "<Jane@Company.test>", "Jane@company.test"},
	{"without, as sendmail(1) gives it", "jane@company.test", "jane@company.test"},
	{"the null sender", "<>", ""},
	{"the null sender of sendmail(1)", "", ""},
	{"parameters are no part of it", "<jane@company.test> SIZE=100", "jane@company.test"},
	{"parameters without brackets", "jane@company.test BODY=8BITMIME", "jane@company.test"},
	{"a quoted local part", "<\"jane bob\"@company.test>", "\"jane bob\"@company.test"},
	{"a bracket inside quotes ends nothing", "<\"a>b\"@company.test>", "\"a>b\"@company.test"},
	{"a source route", "<@relay.test:jane@company.test>", "jane@company.test"},
	{"an international domain", "<jane@bücher.test>", "jane@xn--bcher-kva.test"},
	{"a comment has no place here", "<jane(x)@company.test>", NULL},
	{"no domain", "<root>", NULL},
	{"an open bracket", "<jane@company.test", NULL},
};

static void envelope_addresses_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof envelopes / sizeof envelopes[0]; i++) {
		char *found = address_from_envelope(envelopes[i].text);
		const char *expected = envelopes[i].expected;

		if ((found == NULL) != (expected == NULL) ||
		    (found != NULL && strcmp(found, expected) != 0))
			fail_msg("%s: found \"%s\"", envelopes[i].name,
			         found == NULL ? "(none)" : found);
		free(found);
	}
}

static void addresses_are_compared_without_case(void **state)
{
	(void)state;
	assert_true(address_equal("Jane@company.test", "jane@COMPANY.test"));
	assert_false(address_equal("jane@company.test", "jane@company.tes"));
	assert_false(address_equal(NULL, NULL));
	assert_false(address_equal("jane@company.test", NULL));
	assert_string_equal(address_domain("\"a@b\"@company.test"), "company.test");
	assert_string_equal(address_domain("jane"), "");
}

static const struct {
	const char *name;
	const char *phrase;
	const char *address;
	const char *expected;
} fields[] = {
	{"no name: no brackets", "", "jane@company.test", "jane@company.test"},
	{"a name", "Jane", "jane@company.test", "Jane <jane@company.test>"},
	{"a line of 78 is not folded", "Jane and a name that is quite long, but not yet too long",
         "a@b.de", "Jane and a name that is quite long, but not yet too long <a@b.de>"},
	{"a longer one is, before the bracket",
         "Jane and a name that is quite long, and by some few bytes too long", "a@b.de",
         "Jane and a name that is quite long, and by some few bytes too long\n <a@b.de>"},
	{"between encoded words too",
         "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOk?= =?UTF-8?B?w6TDpMOkw6TDpMOk?=", "a@b.de",
         "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOk?=\n =?UTF-8?B?w6TDpMOkw6TDpMOk?= <a@b.de>"},
};

static void fields_are_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		char *found = address_format(fields[i].phrase, fields[i].address,
		                             i == 2 || i == 3 ? 4 : 20);

		if (strcmp(found, fields[i].expected) != 0)
			fail_msg("%s: found \"%s\"", fields[i].name, found);
		free(found);
	}
}

static const struct {
	const char *name;
	const char *utf8;
	const char *expected;
} phrases[] = {
	{"atoms stay", "Jane Bob", "Jane Bob"},
	{"a comma needs quotes", "Bob, Jane", "\"Bob, Jane\""},
	{"a dot too", "Jane B. Bob", "\"Jane B. Bob\""},
	{"quotes are escaped", "Jane \"B\"", "\"Jane \\\"B\\\"\""},
	{"what looks like an encoded word is quoted", "=?utf-8?q?x?=", "\"=?utf-8?q?x?=\""},
	{"a line break becomes a blank", "Jane\r\nBcc: x@example.org",
         "\"Jane Bcc: x@example.org\""},
	{"what is not ASCII is encoded", "J\xc3\xa4ne", "=?UTF-8?B?SsOkbmU=?="},
	{"nothing", "", ""},
};

static void phrases_are_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
		char *found = address_phrase(phrases[i].utf8);

		if (strcmp(found, phrases[i].expected) != 0)
			fail_msg("%s: found \"%s\"", phrases[i].name, found);
		free(found);
	}
}

static void encoded_words_keep_to_60_columns(void **state)
{
	char text[400] = "";
	size_t words = 0;
	char *phrase;
	(void)state;

	for (size_t i = 0; i < 100; i++)
		strcat(text, "\xe2\x82\xac");
	phrase = address_phrase(text);
	for (char *word = phrase; word != NULL; words++) {
		char *blank = strchr(word, ' ');
		size_t length = blank == NULL ? strlen(word) : (size_t)(blank - word);

		assert_true(length <= 60);
		assert_memory_equal(word, "=?UTF-8?B?", 10);
		word = blank == NULL ? NULL : blank + 1;
	}
	assert_int_equal(words, 9); /* 300 bytes, 36 in each */
	free(phrase);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_as_found),
		cmocka_unit_test(a_name_too_long_is_left_out_and_its_address_is_not),
		cmocka_unit_test(a_list_ends_at_its_maximum),
		cmocka_unit_test(an_address_over_its_limit_is_left_out),
		cmocka_unit_test(a_nul_is_an_ordinary_wrong_byte),
		cmocka_unit_test(a_megabyte_of_anything_is_read_at_once),
		cmocka_unit_test(envelope_addresses_are_read),
		cmocka_unit_test(addresses_are_compared_without_case),
		cmocka_unit_test(fields_are_written),
		cmocka_unit_test(phrases_are_made),
		cmocka_unit_test(encoded_words_keep_to_60_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
