#include "tests/unit/alert_fixture.h"

#include "lib/store/letter.h"
#include "lib/store/trouble.h"

#define BEGAN INT64_C(1000000)

static struct fixture fixture;

static int begin(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

static const struct trouble inbox = {.name = (char *)"inbox Support",
                                     .since = BEGAN - 1800,
                                     .detail = (char *)"no route to host"};

static int set(struct store *store, const struct trouble *trouble, int64_t now)
{
	struct error err = {0};
	int status = store_set_trouble(store, trouble, now, in_five_seconds(), &err);

	if (status < 0)
		fail_msg("%s", err.text);
	return status;
}

static int clear(struct store *store, const char *name, int64_t now)
{
	struct error err = {0};
	int status = store_clear_trouble(store, name, now, in_five_seconds(), &err);

	if (status < 0)
		fail_msg("%s", err.text);
	return status;
}

/* Take the only letter that is free; free it with letters_free(). */
static struct letter *take_letter(int64_t now)
{
	struct letter *letters;
	size_t count;

	OK(store_take_letters(fixture.store, now, 60, 10, &letters, &count, in_five_seconds(),
	                      err));
	assert_int_equal(count, 1);
	return letters;
}

static void put_off(int64_t letter, int64_t at, bool is_untaken)
{
	OK(store_retry_letter(fixture.store, letter, at, is_untaken, in_five_seconds(), err));
}

static void end_letter(int64_t letter, enum letter_end how)
{
	OK(store_end_letter(fixture.store, letter, how, BEGAN + 5, in_five_seconds(), err));
}

static void it_begins_once(void **state)
{
	struct trouble worse = inbox;
	struct store *other;
	struct trouble *lasting;
	struct letter *letter;
	struct error err = {0};
	size_t count;
	(void)state;

	assert_int_equal(set(fixture.store, &inbox, BEGAN), 1);
	letter = take_letter(BEGAN + 1);
	assert_int_equal(letter->kind, LETTER_TROUBLE_BEGAN);
	assert_string_equal(letter->trouble, "inbox Support");
	assert_string_equal(letter->detail, "no route to host");
	assert_int_equal(letter->since, BEGAN - 1800);
	assert_int_equal(letter->created_at, BEGAN);
	assert_null(letter->recipient);
	assert_null(letter->account);
	assert_int_equal(letter->count, 0);
	letters_free(letter, 1);

	worse.detail = (char *)"wrong password";
	worse.since = BEGAN;
	assert_int_equal(set(fixture.store, &worse, BEGAN + 60), 0);
	other = store_open(fixture.path, STORE_WRITE, &err);
	assert_non_null(other);
	assert_int_equal(set(other, &worse, BEGAN + 60), 0);
	store_close(other);
	count_is(fixture.store, "SELECT count(*) FROM letter", 1);

	OK(store_lasting_troubles(fixture.store, &lasting, &count, err));
	assert_int_equal(count, 1);
	assert_string_equal(lasting[0].name, "inbox Support");
	assert_string_equal(lasting[0].detail, "no route to host");
	assert_int_equal(lasting[0].since, BEGAN - 1800);
	troubles_free(lasting, count);
}

static void it_ends_once(void **state)
{
	struct letter *letter;
	(void)state;

	assert_int_equal(clear(fixture.store, "inbox Support", BEGAN), 0);
	assert_int_equal(set(fixture.store, &inbox, BEGAN), 1);
	letter = take_letter(BEGAN);
	end_letter(letter->id, LETTER_SENT);
	letters_free(letter, 1);
	assert_int_equal(clear(fixture.store, "inbox Sales", BEGAN + 100), 0);
	assert_int_equal(clear(fixture.store, "inbox Support", BEGAN + 100), 1);
	assert_int_equal(clear(fixture.store, "inbox Support", BEGAN + 101), 0);
	letter = take_letter(BEGAN + 100);
	assert_int_equal(letter->kind, LETTER_TROUBLE_ENDED);
	assert_string_equal(letter->trouble, "inbox Support");
	assert_string_equal(letter->detail, "no route to host");
	assert_int_equal(letter->since, BEGAN - 1800);
	assert_int_equal(letter->created_at, BEGAN + 100);
	letters_free(letter, 1);

	/* On the same day it may break again, and two letters more are due. */
	assert_int_equal(set(fixture.store, &inbox, BEGAN + 200), 1);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE kind = 'trouble-began'", 2);
}

enum beginning {
	UNTRIED,
	UNDER_WAY,
	UNTAKEN,
	TWICE_UNTAKEN,
	UNKNOWN,
	UNKNOWN_ONCE,
	SENT,
	DROPPED,
	GONE
};

static void make_beginning(enum beginning beginning)
{
	struct letter *letter;
	int64_t id;

	if (beginning == UNTRIED)
		return;
	letter = take_letter(BEGAN);
	id = letter->id;
	letters_free(letter, 1);
	switch (beginning) {
	case UNTAKEN:
		put_off(id, BEGAN + 60, true);
		break;
	case UNKNOWN:
		put_off(id, BEGAN + 60, false);
		break;
	case TWICE_UNTAKEN:
	case UNKNOWN_ONCE:
		put_off(id, BEGAN + 60, beginning == TWICE_UNTAKEN);
		letters_free(take_letter(BEGAN + 60), 1);
		put_off(id, BEGAN + 180, true);
		break;
	case SENT:
		end_letter(id, LETTER_SENT);
		break;
	case DROPPED:
		end_letter(id, LETTER_DROPPED);
		break;
	case GONE:
		run_sql(fixture.store, "DELETE FROM letter");
		break;
	case UNTRIED:
	case UNDER_WAY:
		break;
	}
}

static void the_end_is_told_to_who_may_know_of_the_beginning(void **state)
{
	static const struct {
		const char *sentence;
		enum beginning beginning;
		bool is_told;
	} rows[] = {
		{"not sent yet", UNTRIED, false},
		{"under way", UNDER_WAY, true},
		{"Postfix did not take it", UNTAKEN, false},
		{"nor the second time", TWICE_UNTAKEN, false},
		{"nobody knows whether it did", UNKNOWN, true},
		{"nobody knew the first time", UNKNOWN_ONCE, true},
		{"sent", SENT, true},
		{"refused for good", DROPPED, false},
		{"sent so long ago that it was purged", GONE, true},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t open, told;

		begin(NULL);
		set(fixture.store, &inbox, BEGAN);
		make_beginning(rows[i].beginning);
		clear(fixture.store, "inbox Support", BEGAN + 500);
		open = number(fixture.store, "SELECT count(*) FROM letter WHERE state = 'open'"
		                             " AND kind = 'trouble-began'");
		told = number(fixture.store,
		              "SELECT count(*) FROM letter WHERE kind = 'trouble-ended'");
		if (open != 0 || told != rows[i].is_told)
			fail_msg("%s: %d of the beginning, %d of the end", rows[i].sentence,
			         (int)open, (int)told);
		count_is(fixture.store, "SELECT count(*) FROM trouble", 0);
		end(NULL);
	}
}

static void the_last_beginning_counts(void **state)
{
	static const struct {
		const char *sentence;
		enum letter_end first, second;
		int64_t told;
	} rows[] = {
		{"the first was refused, the second sent", LETTER_DROPPED, LETTER_SENT, 1},
		{"the first was sent, the second refused", LETTER_SENT, LETTER_DROPPED, 1},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t told;

		begin(NULL);
		for (int j = 0; j < 2; j++) {
			struct letter *letter;

			set(fixture.store, &inbox, BEGAN + j);
			letter = take_letter(BEGAN + j);
			end_letter(letter->id, j == 0 ? rows[i].first : rows[i].second);
			letters_free(letter, 1);
			clear(fixture.store, "inbox Support", BEGAN + j);
			run_sql(fixture.store, "UPDATE letter SET state = 'sent', ended_at = 1"
			                       " WHERE state = 'open'");
		}
		told = number(fixture.store,
		              "SELECT count(*) FROM letter WHERE kind = 'trouble-ended'");
		if (told != rows[i].told)
			fail_msg("%s: told %d times", rows[i].sentence, (int)told);
		end(NULL);
	}
}

static void what_is_forgotten_is_not_told(void **state)
{
	struct letter *letter;
	(void)state;

	set(fixture.store, &inbox, BEGAN);
	letter = take_letter(BEGAN);
	end_letter(letter->id, LETTER_SENT);
	letters_free(letter, 1);
	OK(store_forget_trouble(fixture.store, "inbox Support", BEGAN + 9, in_five_seconds(), err));
	count_is(fixture.store, "SELECT count(*) FROM trouble", 0);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE kind = 'trouble-ended'", 0);

	set(fixture.store, &inbox, BEGAN + 10);
	OK(store_forget_trouble(fixture.store, "inbox Support", BEGAN + 11, in_five_seconds(),
	                        err));
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE state = 'open'", 0);
}

static void several_last_by_name(void **state)
{
	const struct trouble disk = {
		.name = (char *)"disk", .since = BEGAN, .detail = (char *)"full"};
	struct trouble *lasting;
	size_t count;
	(void)state;

	set(fixture.store, &inbox, BEGAN);
	set(fixture.store, &disk, BEGAN);
	count_is(fixture.store, "SELECT count(*) FROM letter", 2);
	OK(store_lasting_troubles(fixture.store, &lasting, &count, err));
	assert_int_equal(count, 2);
	assert_string_equal(lasting[0].name, "disk");
	assert_string_equal(lasting[1].name, "inbox Support");
	troubles_free(lasting, count);
}

static void what_failed_at_night(void **state)
{
	struct trouble *failed;
	size_t count;
	(void)state;

	OK(store_list_failed_upkeep(fixture.store, &failed, &count, err));
	assert_int_equal(count, 0);
	troubles_free(failed, count);
	run_sql(fixture.store, "INSERT INTO upkeep (task, tried_at, done_at, error) VALUES"
	                       " ('backup', 500, 100, 'no room'), ('check', 501, 501, NULL),"
	                       " ('purge', 502, NULL, 'busy')");
	OK(store_list_failed_upkeep(fixture.store, &failed, &count, err));
	assert_int_equal(count, 2);
	assert_string_equal(failed[0].name, "backup");
	assert_string_equal(failed[0].detail, "no room");
	assert_int_equal(failed[0].since, 500);
	assert_string_equal(failed[1].name, "purge");
	troubles_free(failed, count);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(it_begins_once),
		TEST(it_ends_once),
		cmocka_unit_test(the_end_is_told_to_who_may_know_of_the_beginning),
		cmocka_unit_test(the_last_beginning_counts),
		TEST(what_is_forgotten_is_not_told),
		TEST(several_last_by_name),
		TEST(what_failed_at_night),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
