#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "lib/mail/idn.h"

static const struct {
	const char *name;
	const char *domain;
	const char *expected;
} domains[] = {
	{"ASCII becomes small", "Company.TEST", "company.test"},
	{"German", "grüße.test", "xn--gre-6ka8l.test"},
	{"and written large", "GRÜßE.test", "xn--gre-6ka8l.test"},
	{"a label that is ASCII already", "XN--GRE-6ka8l.test", "xn--gre-6ka8l.test"},
	{"each label for itself", "mail.bücher.test", "mail.xn--bcher-kva.test"},
	{"Greek", "Παράδειγμα.test", "xn--hxajbheg2az3al.test"},
	{"Cyrillic", "ПРАВДА.Ёж.test", "xn--80aafi6cg.xn--f1a7c.test"},
	{"Japanese, no ASCII in it", "例え.テスト", "xn--r8jz45g.xn--zckzah"},
	{"beyond 16 bits", "\xf0\x9f\x93\xa7.test", "xn--du8h.test"},
	{"bytes that are no UTF-8 stay",
         "gr\xfc\xdf"
         "e.Test",
         "gr\xfc\xdf"
         "e.test"},
	{"empty labels", "..ä", "..xn--4ca"},
	{"nothing", "", ""},
};

static void both_spellings_become_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
		struct buffer out;

		buffer_init(&out, 300);
		assert_int_equal(
			idn_append_ascii(&out, domains[i].domain, strlen(domains[i].domain)), 0);
		if (strcmp(out.data, domains[i].expected) != 0)
			fail_msg("%s: found \"%s\"", domains[i].name, out.data);
		buffer_release(&out);
	}
}

/* 63 bytes a label (RFC 1035 2.3.4). */
static void a_label_too_long_in_ascii_stays(void **state)
{
	char label[200] = "";
	struct buffer out;
	(void)state;

	for (size_t i = 0; i < 58; i++)
		strcat(label, "a");
	strcat(label, "ä");
	buffer_init(&out, 300);
	assert_int_equal(idn_append_ascii(&out, label, strlen(label)), 0);
	assert_string_equal(out.data, label);
	buffer_clear(&out);
	assert_int_equal(idn_append_ascii(&out, label + 10, strlen(label) - 10), 0);
	assert_memory_equal(out.data, "xn--aaaa", 8);
	buffer_release(&out);
}

static void a_full_buffer_says_so(void **state)
{
	struct buffer out;
	(void)state;

	for (size_t room = 0; room < strlen("xn--gre-6ka8l.test"); room++) {
		buffer_init(&out, room);
		assert_int_equal(idn_append_ascii(&out, "grüße.test", strlen("grüße.test")), -1);
		assert_true(out.length <= room);
		buffer_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_spellings_become_one),
		cmocka_unit_test(a_label_too_long_in_ascii_stays),
		cmocka_unit_test(a_full_buffer_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
