#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/auth.h"

#define ID   "mx.company.test"
#define DKIM "dkim=pass header.d=example.org"
#define SPF  "spf=pass smtp.mailfrom=c@example.org"

static const struct {
	const char *name;
	const char *first;
	const char *second; /* another field, or NULL */
	const char *expected;
} rows[] = {
	{"dmarc decides", ID "; dkim=fail; spf=fail; dmarc=pass (p=none) header.from=example.org",
         NULL, "pass"},
	{"dmarc fails though dkim passes", ID "; dkim=pass header.d=list.test; dmarc=fail", NULL,
         "fail"},
	{"without dmarc one pass is enough", ID "; dkim=fail; " SPF, NULL, "pass"},
	{"a dmarc of none leaves it to the others", ID "; dmarc=none; " DKIM, NULL, "pass"},
	{"a fail and no pass", ID "; dkim=fail reason=\"x; spf=pass\"; spf=none", NULL, "fail"},
	{"softfail is no fail", ID "; spf=softfail", NULL, "none"},
	{"nothing was checked", ID "; none", NULL, "none"},
	{"another authserv-id is not believed", "mx.example.org; dmarc=pass", NULL, "none"},
	{"one that begins alike neither", ID ".example.org; dmarc=pass", NULL, "none"},
	{"only ours of two is read", "mx.example.org; dmarc=pass", ID "; dmarc=fail", "fail"},
	{"two of ours are read together", ID "; spf=fail", ID "; " DKIM, "pass"},
	{"any case, a version, a comment",
         "(x) MX.Company.Test 1;\r\n\tDKIM (y) = Pass Header.D=Example.ORG", NULL, "pass"},
	{"a method with a version", ID "; spf/1=pass smtp.mailfrom=example.org", NULL, "pass"},
	{"an id in quotes", "\"" ID "\"; " SPF, NULL, "pass"},
	{"the topmost field of ours decides on a method", ID "; dkim=fail", ID "; " DKIM, "fail"},
	{"also when it decides nothing", ID "; dmarc=none; spf=fail", ID "; dmarc=pass", "fail"},
	{"of several signatures in it one pass is enough", ID "; dkim=fail; " DKIM, NULL, "pass"},
	{"a second dmarc in it says nothing", ID "; dmarc=fail; dmarc=pass", NULL, "fail"},
	{"DMARC's filter stands above DKIM's", ID "; dmarc=fail", ID "; " DKIM, "fail"},
	{"another version of the field is not read", ID " 2; dmarc=pass", NULL, "none"},
	{"nor one of a method", ID "; dmarc/2=pass; spf=fail", NULL, "fail"},
	{"properties are no results", ID "; spf=none smtp.mailfrom=dkim=pass; auth=pass", NULL,
         "none"},
	{"a result inside a comment is none", ID "; spf=none (dmarc=pass; " DKIM ")", NULL, "none"},
	{"a result before the id is none", "dmarc=pass; " ID, NULL, "none"},
	{"an empty field", "", NULL, "none"},
};

static const struct {
	const char *name;
	const char *from; /* or NULL */
	const char *results;
	const char *expected;
} author_rows[] = {
	{"a signature of the author's domain", "C <c@Example.org>", DKIM, "pass"},
	{"one of a domain above", "c@mail.example.org", DKIM, "pass"},
	{"one of a domain below", "c@example.org", "dkim=pass header.d=mail.example.org", "pass"},
	{"one of a stranger", "c@example.org", "dkim=pass header.d=example.com", "none"},
	{"one of a domain that ends alike", "c@example.org", "dkim=pass header.d=anexample.org",
         "none"},
	{"the author's ends alike", "c@anexample.org", DKIM, "none"},
	{"header.i says it too", "c@example.org", "dkim=pass header.i=@example.org", "pass"},
	{"header.i of a stranger", "c@example.org", "dkim=pass header.i=@example.com", "none"},
	{"of two signatures the author's counts", "c@example.org",
         "dkim=pass header.d=example.com; " DKIM, "pass"},
	{"the author's envelope", "c@example.org", "dmarc=none; " SPF, "pass"},
	{"a domain alone in it", "c@example.org", "spf=pass smtp.mailfrom=example.org", "pass"},
	{"a stranger's envelope", "c@example.org", "spf=pass smtp.mailfrom=x@example.com", "none"},
	{"beside a signature that failed", "c@example.org",
         "dkim=fail header.d=example.org; spf=pass smtp.mailfrom=x@example.com", "fail"},
	{"a stranger whose local part is a name", "c@example.org",
         "spf=pass smtp.mailfrom=\"c@example.org\"@example.com", "none"},
	{"or holds a property", "c@example.org",
         "spf=pass smtp.mailfrom=x smtp.mailfrom=c@example.org@example.com", "none"},
	{"or a property in quotes", "c@example.org",
         "spf=pass smtp.mailfrom=\"x smtp.mailfrom=c@example.org\"@example.com", "none"},
	{"reasons and comments stand between", "c@example.org",
         "dkim=pass reason=\"a; b\" (k; l) header.a=rsa-sha256\r\n\theader.d = example.org",
         "pass"},
	{"a property of another method", "c@example.org",
         "spf=pass header.d=example.org; dkim=pass smtp.mailfrom=example.org", "none"},
	{"one of the next result", "c@example.org", "dkim=pass; arc=pass header.d=example.org",
         "none"},
	{"a pass that names nobody", "c@example.org", "dkim=pass; spf=pass smtp.mailfrom=", "none"},
	{"a fail counts whoever it is of", "c@example.org", "spf=fail smtp.mailfrom=x@example.com",
         "fail"},
	{"DMARC knows the author itself", "c@example.org", "dmarc=pass header.from=example.org",
         "pass"},
	{"one domain in its two spellings", "c@gr\303\274\303\237e.test",
         "dkim=pass header.d=xn--gre-6ka8l.test", "pass"},
	{"and the other way round", "c@xn--gre-6ka8l.test",
         "dkim=pass header.d=gr\303\274\303\237e.test", "pass"},
	{"of two authors one may hide", "c@example.org, c@example.com", DKIM, "none"},
	{"a From without an address", "C", DKIM, "none"},
	{"no From at all", NULL, DKIM, "none"},
};

static void a_pass_counts_for_its_own_domain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof author_rows / sizeof author_rows[0]; i++) {
		char *value = xasprintf("%s; %s", ID, author_rows[i].results);
		const char *from = author_rows[i].from;
		struct header header;
		const char *found;

		header_init(&header);
		header_add(&header, "Authentication-Results", value, strlen(value));
		if (from != NULL)
			header_add(&header, "From", from, strlen(from));
		found = auth_verdict(&header, ID);
		if (strcmp(found, author_rows[i].expected) != 0)
			fail_msg("%s: found %s", author_rows[i].name, found);
		header_release(&header);
		free(value);
	}
}

static void of_two_from_fields_none_is_believed(void **state)
{
	struct header header;
	(void)state;

	header_init(&header);
	header_add(&header, "Authentication-Results", ID "; " DKIM, strlen(ID "; " DKIM));
	header_add(&header, "From", "c@example.org", 13);
	header_add(&header, "From", "c@example.com", 13);
	assert_string_equal(auth_verdict(&header, ID), "none");
	header_release(&header);
}

static void verdicts_come_from_our_own_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct header header;
		const char *found;

		header_init(&header);
		header_add(&header, "From", "c@example.org", 13);
		header_add(&header, "Authentication-Results", rows[i].first, strlen(rows[i].first));
		if (rows[i].second != NULL)
			header_add(&header, "Authentication-Results", rows[i].second,
			           strlen(rows[i].second));
		found = auth_verdict(&header, ID);
		if (strcmp(found, rows[i].expected) != 0)
			fail_msg("%s: found %s", rows[i].name, found);
		assert_string_equal(auth_verdict(&header, NULL), "none");
		header_release(&header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_come_from_our_own_fields),
		cmocka_unit_test(a_pass_counts_for_its_own_domain),
		cmocka_unit_test(of_two_from_fields_none_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
