#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "fetcher/inbox.h"
#include "fetcher/todo.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          1000000
#define MAX_BYTES    1000

/* One message that the server lists as "b" (or does not list), between two others. */
struct todo_row {
	const char *name;
	bool is_listed, is_known;
	enum uidl_state state;
	int64_t age_s; /* since it was dealt with */
	int64_t leave_s;
	uint64_t size_bytes;
	bool retries_now;
	const char *expected; /* "fetch", "drop", "gone" or "" */
};

static const struct todo_row todo_rows[] = {
	{"a new message is fetched", true, false, 0, 0, -1, 1, false, "fetch"},
	{"a large new message too: who fetches it says so", true, false, 0, 0, -1, 9999, false,
         "fetch"},
	{"a delivered one stays forever", true, true, UIDL_DELIVERED, NOW, -1, 1, false, ""},
	{"a delivered one goes at once", true, true, UIDL_DELIVERED, 0, 0, 1, false, "drop"},
	{"a delivered one stays for its time", true, true, UIDL_DELIVERED, 99, 100, 1, false, ""},
	{"and then goes", true, true, UIDL_DELIVERED, 100, 100, 1, false, "drop"},
	{"an old one stays whatever leave says", true, true, UIDL_SKIPPED, NOW, 0, 1, true, ""},
	{"a refused one rests", true, true, UIDL_REFUSED, TODO_RETRY_S - 1, 0, 1, false, ""},
	{"and is tried again", true, true, UIDL_REFUSED, TODO_RETRY_S, 0, 1, false, "fetch"},
	{"also when the clock went back", true, true, UIDL_REFUSED, -1, 0, 1, false, "fetch"},
	{"at once if that is asked for", true, true, UIDL_REFUSED, 0, 0, 1, true, "fetch"},
	{"a too large one that still is", true, true, UIDL_TOO_LARGE, NOW, 0, MAX_BYTES + 1, true,
         ""},
	{"a too large one that no longer is", true, true, UIDL_TOO_LARGE, TODO_RETRY_S, 0,
         MAX_BYTES, false, "fetch"},
	{"a too large one that lied about it rests", true, true, UIDL_TOO_LARGE, 1, 0, 1, false,
         ""},
	{"one that is no longer listed is forgotten", false, true, UIDL_DELIVERED, 0, 0, 1, false,
         "gone"},
	{"whatever it was", false, true, UIDL_REFUSED, 0, -1, 1, false, "gone"},
};

static void a_message_is_sorted(void **state)
{
	const struct todo_row *row = *state;
	char a[] = "a", b[] = "b", c[] = "c";
	struct pop3_item items[3] = {{.number = 1, .size_bytes = 1, .uidl = c}};
	struct uidl_row known[3] = {{.uidl = a, .state = UIDL_SKIPPED, .done_at = 0}};
	struct pop3_listing listing = {.items = items, .count = 1};
	struct todo_options options = {.leave_s = row->leave_s,
	                               .max_message_bytes = MAX_BYTES,
	                               .now = NOW,
	                               .retries_now = row->retries_now};
	size_t known_count = 1;
	struct todo todo;

	if (row->is_listed)
		items[listing.count++] =
			(struct pop3_item){.number = 2, .size_bytes = row->size_bytes, .uidl = b};
	items[listing.count++] = (struct pop3_item){.number = 3, .size_bytes = 1, .uidl = a};
	if (row->is_known)
		known[known_count++] = (struct uidl_row){
			.uidl = b, .state = row->state, .done_at = NOW - row->age_s};
	known[known_count++] = (struct uidl_row){.uidl = c, .state = UIDL_SKIPPED, .done_at = 0};

	todo_make(&todo, &listing, known, known_count, &options);
	assert_int_equal(todo.fetch_count, strcmp(row->expected, "fetch") == 0);
	assert_int_equal(todo.drop_count, strcmp(row->expected, "drop") == 0);
	assert_int_equal(todo.gone_count, strcmp(row->expected, "gone") == 0);
	if (todo.fetch_count > 0)
		assert_ptr_equal(todo.fetch[0], &items[1]);
	if (todo.drop_count > 0)
		assert_int_equal(todo.drop[0]->number, 2);
	if (todo.gone_count > 0)
		assert_string_equal(todo.gone[0], "b");
	todo_release(&todo);
}

static void nothing_known_and_nothing_listed_is_nothing_to_do(void **state)
{
	const struct pop3_listing listing = {0};
	const struct todo_options options = {.now = NOW};
	struct todo todo;

	(void)state;
	todo_make(&todo, &listing, NULL, 0, &options);
	assert_int_equal(todo.fetch_count + todo.drop_count + todo.gone_count, 0);
	todo_release(&todo);
}

struct interval_row {
	const char *name;
	int64_t poll_s, failure_count;
	bool is_local_failure;
	int64_t login_delay_s;
	double random;
	int64_t expected_s;
};

static const struct interval_row interval_rows[] = {
	{"the interval after a success", 300, 0, false, 0, 0.5, 300},
	{"a tenth less", 300, 0, false, 0, 0, 270},
	{"a tenth more", 300, 0, false, 0, 1, 330},
	{"the first failure waits no longer", 300, 1, false, 0, 0.5, 300},
	{"the second twice as long", 300, 2, false, 0, 0.5, 600},
	{"the fourth eight times", 300, 4, false, 0, 0.5, 2400},
	{"but an hour at most", 300, 5, false, 0, 0.5, 3600},
	{"however often it fails", 300, 1000000, false, 0, 0.5, 3600},
	{"an hour also for one that is polled once a day", 86400, 1, false, 0, 0.5, 3600},
	{"our own failure is tried again in a minute", 300, 9, true, 0, 0.5, 60},
	{"or sooner", 10, 9, true, 0, 0.5, 10},
	{"no sooner than the server wants", 10, 0, false, 300, 0.5, 301},
	{"nor after a failure", 10, 9, true, 300, 0.5, 301},
	{"a server that wants less than we do", 300, 0, false, 60, 0.5, 300},
};

static void an_interval_is_chosen(void **state)
{
	const struct interval_row *row = *state;

	assert_int_equal(inbox_interval_s(row->poll_s, row->failure_count, row->is_local_failure,
	                                  row->login_delay_s, row->random),
	                 row->expected_s);
}

int main(void)
{
	struct CMUnitTest tests[1 + COUNT(todo_rows) + COUNT(interval_rows)] = {
		cmocka_unit_test(nothing_known_and_nothing_listed_is_nothing_to_do),
	};
	size_t count = 1;

	for (size_t i = 0; i < COUNT(todo_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = todo_rows[i].name,
		                            .test_func = a_message_is_sorted,
		                            .initial_state = (void *)(uintptr_t)&todo_rows[i]};
	for (size_t i = 0; i < COUNT(interval_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = interval_rows[i].name,
		                            .test_func = an_interval_is_chosen,
		                            .initial_state = (void *)(uintptr_t)&interval_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
