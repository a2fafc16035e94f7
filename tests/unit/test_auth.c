#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "lib/mail/auth.h"

#define ID "mx.company.test"

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
	{"without dmarc one pass is enough", ID "; dkim=fail; spf=pass smtp.mailfrom=a@b", NULL,
         "pass"},
	{"a dmarc of none leaves it to the others", ID "; dmarc=none; dkim=pass", NULL, "pass"},
	{"a fail and no pass", ID "; dkim=fail reason=\"x; spf=pass\"; spf=none", NULL, "fail"},
	{"softfail is no fail", ID "; spf=softfail", NULL, "none"},
	{"nothing was checked", ID "; none", NULL, "none"},
	{"another authserv-id is not believed", "mx.example.org; dmarc=pass", NULL, "none"},
	{"one that begins alike neither", ID ".example.org; dmarc=pass", NULL, "none"},
	{"only ours of two is read", "mx.example.org; dmarc=pass", ID "; dmarc=fail", "fail"},
	{"two of ours are read together", ID "; spf=fail", ID "; dkim=pass", "pass"},
	{"any case, a version, a comment", "(x) MX.Company.Test 1;\r\n\tDKIM (y) = Pass", NULL,
         "pass"},
	{"a method with a version", ID "; spf/1=pass", NULL, "pass"},
	{"an id in quotes", "\"" ID "\"; spf=pass", NULL, "pass"},
	{"the topmost field of ours decides on a method", ID "; dkim=fail", ID "; dkim=pass",
         "fail"},
	{"also when it decides nothing", ID "; dmarc=none; spf=fail", ID "; dmarc=pass", "fail"},
	{"of several signatures in it one pass is enough", ID "; dkim=fail; dkim=pass", NULL,
         "pass"},
	{"a second dmarc in it says nothing", ID "; dmarc=fail; dmarc=pass", NULL, "fail"},
	{"DMARC's filter stands above DKIM's", ID "; dmarc=fail", ID "; dkim=pass", "fail"},
	{"another version of the field is not read", ID " 2; dmarc=pass", NULL, "none"},
	{"nor one of a method", ID "; dmarc/2=pass; spf=fail", NULL, "fail"},
	{"properties are no results", ID "; spf=none smtp.mailfrom=dkim=pass; auth=pass", NULL,
         "none"},
	{"a result inside a comment is none", ID "; spf=none (dmarc=pass; dkim=pass)", NULL,
         "none"},
	{"a result before the id is none", "dmarc=pass; " ID, NULL, "none"},
	{"an empty field", "", NULL, "none"},
};

static void verdicts_come_from_our_own_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct header header;
		const char *found;

		header_init(&header);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
