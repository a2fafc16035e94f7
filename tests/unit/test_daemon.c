#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/daemon.h"

/* How a daemon begins. */

/* In a process of its own, which may be left without core files. */
static void no_core_files_are_left(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit limit = {1, 1};

		daemon_forbid_core_files();
		_exit(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 &&
		                      limit.rlim_max == 0
		              ? 0
		              : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_core_files_are_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
