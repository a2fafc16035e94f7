#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "lib/base/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct relay_row {
	const char *name;
	const char *url;
	bool is_good;
	enum relay_scheme scheme;
	const char *host;
	uint16_t port;
};

static const struct relay_row relay_rows[] = {
	{"STARTTLS has port 587", "smtp://smtp.example.org", true, RELAY_SCHEME_STARTTLS,
         "smtp.example.org", 587},
	{"TLS has port 465", "smtps://smtp.example.org", true, RELAY_SCHEME_TLS, "smtp.example.org",
         465},
	{"another port, and a slash", "smtp://smtp.example.org:2525/", true, RELAY_SCHEME_STARTTLS,
         "smtp.example.org", 2525},
	{"a host of the local network", "smtps://relay:65535", true, RELAY_SCHEME_TLS, "relay",
         65535},
	{"an IPv4 address", "smtp://127.0.0.1:1025", true, RELAY_SCHEME_STARTTLS, "127.0.0.1",
         1025},
	{"an IPv6 address", "smtp://[2001:db8::1]", true, RELAY_SCHEME_STARTTLS, "2001:db8::1",
         587},
	{"an IPv6 address and a port", "smtps://[::1]:1465", true, RELAY_SCHEME_TLS, "::1", 1465},
	{"no scheme", "smtp.example.org", false, 0, NULL, 0},
	{"the scheme in capitals", "SMTP://smtp.example.org", false, 0, NULL, 0},
	{"the scheme of an inbox", "pop3s://pop.example.org", false, 0, NULL, 0},
	{"nothing", "", false, 0, NULL, 0},
	{"no host", "smtp://", false, 0, NULL, 0},
	{"no host but a port", "smtp://:25", false, 0, NULL, 0},
	{"port 0", "smtp://x:0", false, 0, NULL, 0},
	{"a port that is too large", "smtp://x:65536", false, 0, NULL, 0},
	{"a port that is no number", "smtp://x:25a", false, 0, NULL, 0},
	{"no port after the colon", "smtp://x:", false, 0, NULL, 0},
	{"a user", "smtp://jane@x", false, 0, NULL, 0},
	{"a path", "smtp://x/y", false, 0, NULL, 0},
	{"brackets as Postfix writes them", "smtp://[smtp.example.org]:587", false, 0, NULL, 0},
	{"a bracket that is not closed", "smtp://[::1", false, 0, NULL, 0},
	{"a blank in the host", "smtp://a b", false, 0, NULL, 0},
};

static void a_relay_is_taken_apart(void **state)
{
	const struct relay_row *row = *state;
	enum relay_scheme scheme = RELAY_SCHEME_STARTTLS;
	char host[ENDPOINT_HOST_SIZE] = "";
	uint16_t port = 0;

	assert_int_equal(endpoint_parse_relay(row->url, &scheme, host, &port),
	                 row->is_good ? 0 : -1);
	if (!row->is_good)
		return;
	assert_int_equal(scheme, row->scheme);
	assert_string_equal(host, row->host);
	assert_int_equal(port, row->port);
}

static void a_host_that_is_too_long_is_none(void **state)
{
	char url[400] = "smtp://";
	char host[ENDPOINT_HOST_SIZE];
	enum relay_scheme scheme;
	uint16_t port;

	(void)state;
	memset(url + 7, 'x', 254);
	assert_int_equal(endpoint_parse_relay(url, &scheme, host, &port), -1);
	memset(url + 7, 'x', 350);
	assert_int_equal(endpoint_parse_relay(url, &scheme, host, &port), -1);
	url[7 + 253] = '\0';
	assert_int_equal(endpoint_parse_relay(url, &scheme, host, &port), 0);
	assert_int_equal(strlen(host), 253);
}

int main(void)
{
	struct CMUnitTest tests[1 + COUNT(relay_rows)] = {
		cmocka_unit_test(a_host_that_is_too_long_is_none),
	};

	for (size_t i = 0; i < COUNT(relay_rows); i++)
		tests[1 + i] =
			(struct CMUnitTest){.name = relay_rows[i].name,
		                            .test_func = a_relay_is_taken_apart,
		                            .initial_state = (void *)(uintptr_t)&relay_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
