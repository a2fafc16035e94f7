#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lib/conversation/cap.h"

static void one_more_than_a_cap_passes_it(void **state)
{
	static const struct {
		const char *sentence;
		struct cap_counts before;
		int64_t messages; /* of the cap, 0: none */
	} rows[] = {
		{"the first message", {0, 0, 0, 0}, 0},
		{"the tenth in a conversation", {9, 9, 9, 9}, 0},
		{"the eleventh", {10, 10, 10, 10}, 10},
		{"the hundredth in ten hours", {3, 99, 3, 99}, 0},
		{"one more", {3, 100, 3, 100}, 100},
		{"the sixtieth of a sender", {1, 1, 59, 59}, 0},
		{"one more of him", {1, 1, 60, 60}, 60},
		{"the six hundredth in ten hours", {1, 1, 10, 599}, 0},
		{"one more of those", {1, 1, 10, 600}, 600},
		{"past all of them the narrowest counts", {600, 600, 600, 600}, 10},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct cap *cap = cap_passed(&rows[i].before);
		int64_t messages = cap != NULL ? cap->messages : 0;

		if (messages != rows[i].messages)
			fail_msg("%s: the cap of %lld", rows[i].sentence, (long long)messages);
	}
}

static void a_cap_is_found_by_its_messages(void **state)
{
	(void)state;
	assert_true(cap_of(10)->is_of_conversation);
	assert_true(cap_of(100)->window_s == 36000);
	assert_false(cap_of(60)->is_of_conversation);
	assert_true(cap_of(CAP_MESSAGES_MAX)->window_s == 36000);
	assert_null(cap_of(0));
	assert_null(cap_of(11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_more_than_a_cap_passes_it),
		cmocka_unit_test(a_cap_is_found_by_its_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
