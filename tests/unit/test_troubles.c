#include "tests/unit/alert_fixture.h"

#include "lib/store/inbox.h"
#include "lib/store/letter.h"
#include "lib/store/relay.h"
#include "scheduler/letters.h"
#include "scheduler/troubles.h"

#define NOON INT64_C(1795341600)
#define MB   UINT64_C(1000000)
#define GB   UINT64_C(1000000000)

static struct fixture fixture;
static char no_pop3[] = "pop3s://mail.example.org";
static struct account accounts[2];
static struct config config;

static int begin(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	accounts[0] = (struct account){.name = (char *)"Support",
	                               .is_enabled = true,
	                               .pop3 = no_pop3,
	                               .poll_s = 300,
	                               .address = (char *)"support@company.test"};
	config = (struct config){.store = fixture.path,
	                         .accounts = accounts,
	                         .account_count = 1,
	                         .alert_from = (char *)"postmaster@company.test",
	                         .operator_address = (char *)"boss@company.test",
	                         .submit_to = (char *)"127.0.0.1:1",
	                         .commit_timeout_ms = 1000};
	return 0;
}

static int end(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

static void inboxes(void **state)
{
	static const struct {
		const char *sentence;
		int64_t polled_ago, succeeded_ago; /* 0: never */
		int64_t failures, poll_s;
		bool expected;
		int64_t since_ago;
	} rows[] = {
		{"it is well", 100, 90, 0, 300, false, 90},
		{"three polls in half an hour", 10, 1800, 3, 300, true, 1800},
		{"a second less", 10, 1799, 3, 300, false, 1799},
		{"only two polls", 10, 7200, 2, 3600, false, 7200},
		{"three slow polls", 10, 10800, 3, 3600, true, 10800},
		{"many quick polls", 10, 600, 60, 10, false, 600},
		{"it was never well, and two polls failed", 10, 0, 2, 3600, false, 3610},
		{"nor at three polls, the pauses 5 and 10 minutes", 10, 0, 3, 300, false, 910},
		{"nor at four", 10, 0, 4, 300, true, 2110},
		{"the last of the three failed long ago", 1000, 0, 3, 300, true, 1900},
		{"three quick polls", 10, 0, 3, 10, false, 40},
		{"no poll yet", 0, 0, 0, 300, false, 0},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct inbox_row row = {.polled_at = NOON - rows[i].polled_ago,
		                              .succeeded_at = rows[i].succeeded_ago > 0
		                                                      ? NOON - rows[i].succeeded_ago
		                                                      : 0,
		                              .failure_count = rows[i].failures};
		int64_t since;
		bool fails = troubles_inbox_fails(&row, rows[i].poll_s, NOON, &since);

		if (fails != rows[i].expected || since != NOON - rows[i].since_ago)
			fail_msg("%s: %d, %d s ago", rows[i].sentence, fails, (int)(NOON - since));
	}
}

static void disks(void **state)
{
	static const struct {
		const char *sentence;
		uint64_t free_bytes, total_bytes;
		bool is_lasting, expected;
	} rows[] = {
		{"half is free", 50 * GB, 100 * GB, false, false},
		{"5 % is free", 5 * GB, 100 * GB, false, false},
		{"less is", 5 * GB - 1, 100 * GB, false, true},
		{"5 % is not enough when it was low", 5 * GB, 100 * GB, true, true},
		{"6 % is", 6 * GB, 100 * GB, true, false},
		{"200 MB of a small disk", 200 * MB, GB, false, false},
		{"less than 200 MB", 199 * MB, GB, false, true},
		{"200 MB when it was low", 249 * MB, GB, true, true},
		{"250 MB when it was low", 250 * MB, GB, true, false},
		{"nothing", 0, 100 * GB, false, true},
		{"a disk that does not say its size", 0, 0, false, false},
		{"the largest there can be", UINT64_MAX, UINT64_MAX, false, false},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (troubles_disk_is_low(rows[i].free_bytes, rows[i].total_bytes,
		                         rows[i].is_lasting) != rows[i].expected)
			fail_msg("%s", rows[i].sentence);
	}
}

static void put_inbox(const char *account, int64_t succeeded_at, int64_t failures)
{
	const struct inbox_row row = {.account = (char *)account,
	                              .polled_at = NOON - 10,
	                              .succeeded_at = succeeded_at,
	                              .failure_count = failures,
	                              .error = failures > 0 ? (char *)"wrong password" : NULL};

	OK(store_put_inbox(fixture.store, &row, in_five_seconds(), err));
}

/* A look of a scheduler that has just begun. */
static void look(int64_t now)
{
	struct troubles troubles = {0};

	troubles_look(&troubles, &config, fixture.store, now);
	assert_int_equal(troubles.failure.kind, ERROR_NONE);
}

/* The machine's disk is what it is: it is not counted. */
static void letters_are(int64_t began, int64_t ended)
{
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM letter WHERE trouble != 'disk'"
	                                       " AND kind = 'trouble-began'"),
	                 began);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM letter WHERE trouble != 'disk'"
	                                       " AND kind = 'trouble-ended'"),
	                 ended);
}

static void take_all_as_sent(void)
{
	run_sql(fixture.store, "UPDATE letter SET state = 'sent', ended_at = 1, attempts = 1"
	                       " WHERE state = 'open'");
}

static void an_inbox_breaks_and_heals(void **state)
{
	(void)state;
	put_inbox("Support", NOON - 3600, 2);
	look(NOON);
	letters_are(0, 0);
	put_inbox("Support", NOON - 3600, 3);
	look(NOON);
	look(NOON + 60);
	letters_are(1, 0);
	assert_int_equal(number(fixture.store, "SELECT since FROM letter WHERE trouble != 'disk'"),
	                 NOON - 3600);
	take_all_as_sent();
	put_inbox("Support", NOON - 3600, 40);
	look(NOON + 7200);
	letters_are(1, 0);
	put_inbox("Support", NOON + 7300, 0);
	look(NOON + 7320);
	look(NOON + 7400);
	letters_are(1, 1);
}

static void it_was_well_between_two_looks(void **state)
{
	(void)state;
	put_inbox("Support", NOON - 3600, 3);
	look(NOON);
	take_all_as_sent();
	put_inbox("Support", NOON + 10, 1);
	look(NOON + 60);
	letters_are(1, 1);
	look(NOON + 120);
	letters_are(1, 1);
}

static void what_breaks_and_heals_soon_tells_nobody(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 50; i++) {
		put_inbox("Support", NOON + i * 900, 0);
		look(NOON + i * 900);
		put_inbox("Support", NOON + i * 900, 2);
		look(NOON + i * 900 + 600);
		put_inbox("Support", NOON + i * 900, 3);
		look(NOON + i * 900 + 800);
	}
	letters_are(0, 0);
}

static void whose_inbox_nobody_polls_is_forgotten(void **state)
{
	static const struct {
		const char *sentence;
		bool is_enabled, has_pop3, is_named;
	} rows[] = {{"disabled", false, true, true},
	            {"no inbox any more", true, false, true},
	            {"another name", true, true, false}};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(NULL);
		put_inbox("Support", NOON - 3600, 3);
		look(NOON);
		letters_are(1, 0);
		take_all_as_sent();
		accounts[0].is_enabled = rows[i].is_enabled;
		accounts[0].pop3 = rows[i].has_pop3 ? no_pop3 : NULL;
		accounts[0].name = (char *)(rows[i].is_named ? "Support" : "Sales");
		look(NOON + 60);
		letters_are(1, 0);
		if (number(fixture.store, "SELECT count(*) FROM trouble WHERE name != 'disk'") != 0)
			fail_msg("%s: it lasts", rows[i].sentence);
		end(NULL);
	}
}

static void set_relay(const char *failure, int64_t now)
{
	OK(store_set_relay(fixture.store, "Support", failure, now, in_five_seconds(), err));
}

static void a_relay_without_a_password(void **state)
{
	(void)state;
	accounts[0].relay = (char *)"smtps://relay.example.org";
	set_relay("password_file: no such file", NOON);
	set_relay("password_file: it is empty", NOON + 1799);
	look(NOON + 1799);
	letters_are(0, 0);
	look(NOON + 1800);
	look(NOON + 1860);
	letters_are(1, 0);
	assert_int_equal(number(fixture.store, "SELECT since FROM letter WHERE trouble ="
	                                       " 'relay Support' AND detail LIKE '%empty'"),
	                 NOON);
	take_all_as_sent();
	set_relay(NULL, NOON + 3600);
	look(NOON + 3660);
	look(NOON + 3720);
	letters_are(1, 1);
}

static void whose_relay_is_gone_is_forgotten(void **state)
{
	(void)state;
	accounts[0].relay = (char *)"smtps://relay.example.org";
	set_relay("password_file: no such file", NOON);
	look(NOON + 1800);
	take_all_as_sent();
	accounts[0].relay = NULL;
	look(NOON + 1860);
	letters_are(1, 0);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM trouble WHERE name != 'disk'"),
	                 0);
}

static void the_case_of_a_name_is_no_other_trouble(void **state)
{
	(void)state;
	put_inbox("Support", NOON - 3600, 3);
	look(NOON);
	accounts[0].name = (char *)"SUPPORT";
	look(NOON + 60);
	letters_are(1, 0);
}

static void what_is_done_at_night(void **state)
{
	(void)state;
	run_sql(fixture.store, "INSERT INTO upkeep (task, tried_at, error)"
	                       " VALUES ('backup', 500, 'no room')");
	look(NOON);
	look(NOON + 60);
	letters_are(1, 0);
	take_all_as_sent();
	run_sql(fixture.store, "UPDATE upkeep SET tried_at = 600, error = 'no room again'");
	look(NOON + 86400);
	letters_are(1, 0);
	run_sql(fixture.store, "UPDATE upkeep SET tried_at = 700, done_at = 700, error = NULL");
	look(NOON + 2 * 86400);
	letters_are(1, 1);
}

static void it_is_looked_at_once_a_minute(void **state)
{
	static const struct {
		const char *sentence;
		int64_t looked_ago;
		bool expected;
	} rows[] = {{"never", NOON, true},
	            {"just now", 0, false},
	            {"a second less than a minute ago", 59, false},
	            {"a minute ago", 60, true},
	            {"before the clock was set back", -5, true}};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct troubles troubles = {.looked_at = NOON - rows[i].looked_ago};

		begin(NULL);
		put_inbox("Support", NOON - 3600, 3);
		if (troubles_look(&troubles, &config, fixture.store, NOON) != rows[i].expected)
			fail_msg("%s", rows[i].sentence);
		letters_are(rows[i].expected, 0);
		end(NULL);
	}
}

static void a_look_that_fails_is_made_again(void **state)
{
	struct troubles troubles = {0};
	(void)state;

	run_sql(fixture.store, "ALTER TABLE upkeep RENAME TO away");
	put_inbox("Support", NOON - 3600, 3);
	troubles_look(&troubles, &config, fixture.store, NOON);
	assert_int_not_equal(troubles.failure.kind, ERROR_NONE);
	letters_are(1, 0);
	run_sql(fixture.store, "ALTER TABLE away RENAME TO upkeep");
	troubles_look(&troubles, &config, fixture.store, NOON + 60);
	assert_int_equal(troubles.failure.kind, ERROR_NONE);
	letters_are(1, 0);
}

/* Nobody listens: what was not sent before it was well is not sent at all, however old. */
static void what_could_not_be_told_is_dropped_with_its_end(void **state)
{
	struct sending sending = {.config = &config,
	                          .keys = {.keys = {{.id = 'c'}}, .count = 1},
	                          .store = fixture.store};
	struct letters letters = {0};
	(void)state;

	run_sql(fixture.store, "INSERT INTO upkeep (task, tried_at, error)"
	                       " VALUES ('backup', 500, 'no room')");
	look(NOON);
	run_sql(fixture.store, "DELETE FROM letter WHERE trouble = 'disk'");
	OK(letters_send_next(&letters, &sending, NOON + 2 * 86400, err));
	sending_rest(&sending);
	count_is(fixture.store,
	         "SELECT count(*) FROM letter WHERE state = 'open' AND attempts = 1 AND count = 1",
	         1);
	run_sql(fixture.store, "UPDATE upkeep SET error = NULL");
	look(NOON + 3 * 86400);
	letters_are(1, 0);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE state = 'dropped'", 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inboxes),
		cmocka_unit_test(disks),
		TEST(an_inbox_breaks_and_heals),
		TEST(it_was_well_between_two_looks),
		TEST(what_breaks_and_heals_soon_tells_nobody),
		cmocka_unit_test(whose_inbox_nobody_polls_is_forgotten),
		TEST(a_relay_without_a_password),
		TEST(whose_relay_is_gone_is_forgotten),
		TEST(the_case_of_a_name_is_no_other_trouble),
		TEST(what_is_done_at_night),
		cmocka_unit_test(it_is_looked_at_once_a_minute),
		TEST(a_look_that_fails_is_made_again),
		TEST(what_could_not_be_told_is_dropped_with_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
