#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetcher/inbox_lock.h"

static char directory[] = "/tmp/test_inbox_lock.XXXXXX";
static char store[sizeof(directory) + 10];

static int make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(store, sizeof(store), "%s/x.db", directory);
	return 0;
}

static int remove_directory(void **state)
{
	char pattern[sizeof(store) + 10];
	glob_t found;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/*", directory);
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
	return rmdir(directory);
}

static void one_holds_it_at_a_time(void **state)
{
	struct error err;
	int first, second;

	(void)state;
	assert_int_equal(inbox_lock(store, "Sales", &first, &err), 1);
	assert_int_equal(inbox_lock(store, "Sales", &second, &err), 0);
	assert_int_equal(inbox_lock(store, "SALES", &second, &err), 0);
	inbox_unlock(first);
	assert_int_equal(inbox_lock(store, "sales", &second, &err), 1);
	inbox_unlock(second);
}

static void names_that_look_alike_are_not_the_same(void **state)
{
	static const char *const names[] = {
		"a/b",
		"a_b",
		"../x",
		"..\\x",
		"\xc3\xa4",
		"\xc3\xb6",
		"a name that is longer than what is shown of it in the file name, one",
		"a name that is longer than what is shown of it in the file name, two"};
	struct error err;
	int locks[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(inbox_lock(store, names[i], &locks[i], &err), 1);
	for (size_t i = 0; i < 8; i++)
		inbox_unlock(locks[i]);
}

static void a_directory_that_is_missing_is_said(void **state)
{
	struct error err;
	int lock;

	(void)state;
	assert_int_equal(inbox_lock("/nonexistent/x.db", "Sales", &lock, &err), -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	assert_non_null(strstr(err.text, "/nonexistent/x.db-fetch-sales-"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_holds_it_at_a_time),
		cmocka_unit_test(names_that_look_alike_are_not_the_same),
		cmocka_unit_test(a_directory_that_is_missing_is_said),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
