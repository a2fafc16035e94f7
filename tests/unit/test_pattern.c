#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/pattern.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define LOCAL_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

struct match_row {
	const char *name;
	const char *pattern;
	const char *address;
	bool matches;
};

static const struct match_row match_rows[] = {
	{"an address matches itself", "jane@company.test", "jane@company.test", true},
	{"case does not count", "Jane@Company.test", "jane@COMPANY.TEST", true},
	{"another local part does not match", "jane@company.test", "bob@company.test", false},
	{"another domain does not match", "jane@company.test", "jane@example.org", false},
	{"a detail is no part of the address", "jane@company.test", "jane+x@company.test", false},
	{"a domain takes its addresses", "@company.test", "anybody@company.test", true},
	{"a domain takes its addresses in any case", "@company.test", "A@COMPANY.Test", true},
	{"a domain does not take its subdomains", "@company.test", "a@mail.company.test", false},
	{"a domain does not take a longer name", "@company.test", "a@mycompany.test", false},
	{"subdomains are taken by *.", "*.company.test", "a@mail.company.test", true},
	{"deep subdomains are taken by *.", "*.company.test", "a@b.c.COMPANY.test", true},
	{"the domain itself is not taken by *.", "*.company.test", "a@company.test", false},
	{"a longer name is not taken by *.", "*.company.test", "a@mycompany.test", false},
	{"an empty label is not taken by *.", "*.company.test", "a@.company.test", false},
	{"the last @ parts a quoted local part", "@company.test", "\"a@x\"@company.test", true},
	{"everybody is taken by *", "*", "anybody@example.org", true},
	{"the null sender is nobody", "*", "", false},
	{"no address is nobody", "*", NULL, false},
	{"a name without @ is in no domain", "@company.test", "company.test", false},
};

static void pattern_matches_as_expected(void **state)
{
	const struct match_row *row = *state;

	assert_int_equal(pattern_matches(row->pattern, row->address), row->matches);
}

struct valid_row {
	const char *name;
	bool (*is_valid)(const char *text);
	const char *text;
	bool expected;
};

static const struct valid_row valid_rows[] = {
	{"a domain has a dot", domain_is_valid, "company.test", true},
	{"a domain without a dot is refused", domain_is_valid, "company", false},
	{"localhost needs no dot", domain_is_valid, "LocalHost", true},
	{"an empty domain is refused", domain_is_valid, "", false},
	{"a domain does not begin with a dot", domain_is_valid, ".company.test", false},
	{"a domain does not end with a dot", domain_is_valid, "company.test.", false},
	{"a domain has no empty label", domain_is_valid, "company..test", false},
	{"a label does not begin with -", domain_is_valid, "a.-b.test", false},
	{"a label does not end with -", domain_is_valid, "a-.test", false},
	{"the last label does not end with -", domain_is_valid, "a.test-", false},
	{"a - inside is fine", domain_is_valid, "a--b.xn--p1ai", true},
	{"an underscore is refused", domain_is_valid, "a_b.test", false},
	{"a byte outside ASCII is refused", domain_is_valid, "b\xc3\xbc.test", false},
	{"a label has 63 bytes", domain_is_valid, LABEL_63 ".test", true},
	{"a label has at most 63 bytes", domain_is_valid, LABEL_63 "x.test", false},
	{"a domain has 253 bytes", domain_is_valid,
         LABEL_63 "." LABEL_63 "." LABEL_63 "."
                  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi",
         true},
	{"a domain has at most 253 bytes", domain_is_valid,
         LABEL_63 "." LABEL_63 "." LABEL_63 "."
                  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij",
         false},
	{"an address", address_is_valid, "jane.doe+x@company.test", true},
	{"an address with every atom character", address_is_valid, "!#$%&'*+-/=?^_`{|}~@a.test",
         true},
	{"a local part has 64 bytes", address_is_valid, LOCAL_64 "@a.test", true},
	{"a local part has at most 64 bytes", address_is_valid, LOCAL_64 "x@a.test", false},
	{"an empty local part is refused", address_is_valid, "@company.test", false},
	{"a local part does not begin with a dot", address_is_valid, ".a@company.test", false},
	{"a local part does not end with a dot", address_is_valid, "a.@company.test", false},
	{"a local part has no two dots", address_is_valid, "a..b@company.test", false},
	{"a quoted local part is refused", address_is_valid, "\"a b\"@company.test", false},
	{"a blank is refused", address_is_valid, "a b@company.test", false},
	{"two @ are refused", address_is_valid, "a@b@company.test", false},
	{"an address without @ is refused", address_is_valid, "company.test", false},
	{"* is a pattern", pattern_is_valid, "*", true},
	{"@domain is a pattern", pattern_is_valid, "@company.test", true},
	{"*.domain is a pattern", pattern_is_valid, "*.company.test", true},
	{"an address is a pattern", pattern_is_valid, "jane@company.test", true},
	{"a domain alone is no pattern", pattern_is_valid, "company.test", false},
	{"** is no pattern", pattern_is_valid, "**", false},
	{"*.*.test is no pattern", pattern_is_valid, "*.*.test", false},
	{"@ alone is no pattern", pattern_is_valid, "@", false},
	{"nothing is no pattern", pattern_is_valid, "", false},
	{"an IPv4 address", host_pattern_is_valid, "192.0.2.1", true},
	{"an IPv4 network", host_pattern_is_valid, "192.0.2.0/24", true},
	{"every IPv4 address", host_pattern_is_valid, "0.0.0.0/0", true},
	{"an IPv6 address", host_pattern_is_valid, "2001:db8::1", true},
	{"an IPv6 network", host_pattern_is_valid, "2001:db8::/32", true},
	{"bits after the prefix are refused", host_pattern_is_valid, "192.0.2.1/24", false},
	{"a prefix of over 32 bits is refused", host_pattern_is_valid, "192.0.2.1/33", false},
	{"a prefix of over 128 bits is refused", host_pattern_is_valid, "::1/129", false},
	{"an empty prefix is refused", host_pattern_is_valid, "192.0.2.0/", false},
	{"a prefix with a sign is refused", host_pattern_is_valid, "0.0.0.0/-1", false},
	{"a prefix with a leading zero is refused", host_pattern_is_valid, "10.0.0.0/08", false},
	{"a long prefix is refused", host_pattern_is_valid, "10.0.0.0/99999999999", false},
	{"three octets are refused", host_pattern_is_valid, "192.0.2", false},
	{"a host name is refused", host_pattern_is_valid, "localhost", false},
	{"brackets are refused", host_pattern_is_valid, "[::1]", false},
	{"an overlong host is refused", host_pattern_is_valid,
         "1111111111111111111111111111111111111111111111111111111111111111", false},
	{"an empty host is refused", host_pattern_is_valid, "", false},
};

static void text_is_valid_as_expected(void **state)
{
	const struct valid_row *row = *state;

	assert_int_equal(row->is_valid(row->text), row->expected);
}

static const struct match_row host_rows[] = {
	{"an IPv4 host matches itself", "192.0.2.1", "192.0.2.1", true},
	{"an IPv4 host does not match its neighbour", "192.0.2.1", "192.0.2.2", false},
	{"a network takes its hosts", "192.0.2.0/24", "192.0.2.255", true},
	{"a network does not take the next one's", "192.0.2.0/24", "192.0.3.0", false},
	{"a prefix inside an octet takes its hosts", "10.16.0.0/12", "10.31.255.255", true},
	{"a prefix inside an octet has an end", "10.16.0.0/12", "10.32.0.0", false},
	{"every IPv4 host", "0.0.0.0/0", "203.0.113.9", true},
	{"an IPv4 network does not take IPv6", "0.0.0.0/0", "2001:db8::1", false},
	{"an IPv6 host in any spelling", "::1", "0:0:0:0:0:0:0:1", true},
	{"an IPv6 network takes its hosts", "2001:db8::/33", "2001:db8:7fff::1", true},
	{"an IPv6 network has an end", "2001:db8::/33", "2001:db8:8000::1", false},
	{"a mapped host is the IPv4 host", "127.0.0.1", "::ffff:127.0.0.1", true},
	{"a mapped pattern is the IPv4 pattern", "::ffff:10.0.0.0/104", "10.1.2.3", true},
	{"a mapped pattern has an end", "::ffff:10.0.0.0/104", "11.1.2.3", false},
	{"every IPv6 host is not the mapped ones", "::/0", "::ffff:10.0.0.1", false},
	{"what is no pattern matches nothing", "localhost", "127.0.0.1", false},
};

static const struct sockaddr *make_address(const char *text, struct sockaddr_storage *storage)
{
	struct sockaddr_in *in = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

	memset(storage, 0, sizeof(*storage));
	storage->ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(storage->ss_family, text,
	                           storage->ss_family == AF_INET ? (void *)&in->sin_addr
	                                                         : (void *)&in6->sin6_addr),
	                 1);
	return (const struct sockaddr *)storage;
}

static void host_matches_as_expected(void **state)
{
	const struct match_row *row = *state;
	struct sockaddr_storage storage;

	assert_int_equal(host_pattern_matches(row->pattern, make_address(row->address, &storage)),
	                 row->matches);
}

static void a_list_matches_if_one_of_it_does(void **state)
{
	struct string_list list = {0};
	struct sockaddr_storage storage;

	(void)state;
	assert_false(pattern_list_matches(&list, "jane@company.test"));
	string_list_add(&list, "@example.org");
	string_list_add(&list, "@company.test");
	assert_true(pattern_list_matches(&list, "jane@company.test"));
	assert_false(pattern_list_matches(&list, "jane@example.com"));
	string_list_release(&list);

	string_list_add(&list, "::1");
	string_list_add(&list, "127.0.0.0/8");
	assert_true(host_list_matches(&list, make_address("127.1.1.1", &storage)));
	assert_false(host_list_matches(&list, make_address("128.0.0.1", &storage)));
	string_list_release(&list);
}

static void a_client_without_an_ip_address_matches_nothing(void **state)
{
	struct sockaddr_storage storage = {.ss_family = AF_UNIX};

	(void)state;
	assert_false(host_pattern_matches("0.0.0.0/0", (const struct sockaddr *)&storage));
	assert_false(host_pattern_matches("0.0.0.0/0", NULL));
}

#define ADD_ROWS(rows, function)                                                                   \
	for (size_t i = 0; i < COUNT(rows); i++)                                                   \
		tests[count++] = (struct CMUnitTest)                                               \
		{                                                                                  \
			.name = (rows)[i].name, .test_func = (function),                           \
			.initial_state = (void *)(uintptr_t) & (rows)[i]                           \
		}

int main(void)
{
	struct CMUnitTest tests[2 + COUNT(match_rows) + COUNT(valid_rows) + COUNT(host_rows)] = {
		cmocka_unit_test(a_list_matches_if_one_of_it_does),
		cmocka_unit_test(a_client_without_an_ip_address_matches_nothing),
	};
	size_t count = 2;

	ADD_ROWS(match_rows, pattern_matches_as_expected);
	ADD_ROWS(valid_rows, text_is_valid_as_expected);
	ADD_ROWS(host_rows, host_matches_as_expected);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
