#include "tests/unit/passwords_fixture.h"

#include <sys/file.h>

#include "lib/store/letter.h"
#include "lib/store/store.h"

#define DAY 86400
#define NOW (20 * DAY + DAY / 2)

static struct settings *settings;

/* As an admin has it: the milter has made the store. */
static int begin_with_store(void **state)
{
	struct error err;
	struct store *store;

	(void)state;
	alarm(TEST_S);
	settings = make_settings("echo x", "password.sock");
	store = store_open(settings->config->store, STORE_WRITE, &err);
	if (store == NULL)
		return -1;
	store_close(store);
	return 0;
}

static int end_with_store(void **state)
{
	static const char *const names[] = {"none.db", "none.db-lock", "none.db-wal",
	                                    "none.db-shm"};

	settings_drop(settings);
	settings = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	return end(state);
}

static int64_t released_of(const char *account, int64_t day)
{
	struct error err;
	struct store *store = store_open(settings->config->store, STORE_READ, &err);
	int64_t released = -1;

	assert_non_null(store);
	assert_int_equal(store_released_of_day(store, account, day, &released, &err), 0);
	store_close(store);
	return released;
}

struct step {
	const char *sentence;
	const char *address;
	int64_t day; /* after the one of NOW */
	size_t askers;

	enum relay_state state;
	size_t may_go;
	int64_t released; /* of the account on that day, afterwards */
};

static const struct step steps[] = {
	{"one goes", "limited@company.test", 0, 1, RELAY_SIGNS_IN, 1, 1},
	{"three at once go", "limited@company.test", 0, 3, RELAY_SIGNS_IN, 3, 4},
	{"of four one goes", "limited@company.test", 0, 4, RELAY_SIGNS_IN, 1, 5},
	{"at the limit nobody goes", "limited@company.test", 0, 1, RELAY_OVER_LIMIT, 0, 5},
	{"the next day those who waited count", "limited@company.test", 1, 2, RELAY_SIGNS_IN, 2, 2},
	{"the day before is what it was", "limited@company.test", 0, 1, RELAY_OVER_LIMIT, 0, 5},
	{"another account has its own limit", "shared@company.test", 0, 1, RELAY_SIGNS_IN, 1, 1},
	{"without a limit nobody is written down", "sales@company.test", 0, 9, RELAY_SIGNS_IN, 9,
         0},
};

static void what_is_released_meets_the_limit_of_its_day(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct step *step = &steps[i];
		const struct account *account =
			config_account_by_address(settings->config, step->address);
		struct relay_secret secret;
		int64_t released;

		relay_secret_get(&secret, settings->config, account, step->askers,
		                 NOW + step->day * DAY);
		released = released_of(account->name, NOW / DAY + step->day);
		if (secret.state != step->state || secret.release_count != step->may_go ||
		    released != step->released)
			fail_msg("%s: state %d, %zu may go, %lld released: %s", step->sentence,
			         (int)secret.state, secret.release_count, (long long)released,
			         secret.reason);
		if ((step->may_go < step->askers) !=
		    (strstr(secret.reason, "daily limit of 5; its mail waits until 00:00 UTC") !=
		     NULL))
			fail_msg("%s: the reason is \"%s\"", step->sentence, secret.reason);
		if ((secret.text != NULL) != (step->may_go > 0))
			fail_msg("%s: there is a password, or none", step->sentence);
		relay_secret_release(&secret);
	}
}

static void each_reply_lets_one_go(void **state)
{
	const struct account *account =
		config_account_by_address(settings->config, "limited@company.test");
	struct relay_secret secret;

	(void)state;
	relay_secret_get(&secret, settings->config, account, 7, NOW);
	for (int i = 0; i < 7; i++) {
		size_t length;
		char *reply = relay_secret_reply(&secret, &length);

		assert_int_equal(strstr(reply, ":OK limited:x,") != NULL, i < 5);
		assert_int_equal(strstr(reply, ":TEMP Limited: ") != NULL, i >= 5);
		free(reply);
	}
	relay_secret_release(&secret);
}

static void without_a_password_nothing_is_released(void **state)
{
	struct settings *broken = make_settings("false", "password.sock");
	const struct account *account =
		config_account_by_address(broken->config, "shared@company.test");
	struct relay_secret secret;

	(void)state;
	relay_secret_get(&secret, broken->config, account, 2, NOW);
	assert_int_equal(secret.state, RELAY_TROUBLE);
	assert_int_equal(released_of("Shared", NOW / DAY), 0);
	relay_secret_release(&secret);
	settings_drop(broken);
}

static void a_store_that_cannot_be_written_keeps_mail_waiting(void **state)
{
	const struct account *account =
		config_account_by_address(settings->config, "limited@company.test");
	int lock = open(path_of("none.db-lock"), O_RDWR | O_CLOEXEC);
	struct relay_secret secret;

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	relay_secret_get(&secret, settings->config, account, 1, NOW);
	assert_int_equal(secret.state, RELAY_TROUBLE);
	assert_int_equal(secret.release_count, 0);
	assert_null(secret.text);
	assert_non_null(strstr(secret.reason, "Limited: cannot "));
	relay_secret_release(&secret);
	close(lock);
	relay_secret_get(&secret, settings->config, account, 1, NOW);
	assert_int_equal(secret.state, RELAY_SIGNS_IN);
	relay_secret_release(&secret);
}

struct credentials {
	const char *sentence, *username, *password;
	bool is_fit;
};

static const struct credentials credentials[] = {
	{"plain words", "sales", "secret", true},
	{"an address, and a colon in the password", "sales@company.test", ":a:b:", true},
	{"UTF-8", "k\xc3\xa4the", "\xe2\x82\xac\xf0\x9f\x94\x91", true},
	{"a colon in the user name", "a:b", "secret", false},
	{"a user name that is not UTF-8", "k\xe4the", "secret", false},
	{"a password that is not UTF-8", "sales", "caf\xe9", false},
	{"one that stops within a character", "sales", "caf\xc3", false},
	{"an overlong form", "sales", "\xc0\xaf", false},
};

static void what_postfix_would_misread_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(credentials) / sizeof(credentials[0]); i++) {
		const struct credentials *row = &credentials[i];
		struct error err = {0};
		int rc = relay_secret_check(row->username, row->password, strlen(row->password),
		                            &err);

		if ((rc == 0) != row->is_fit)
			fail_msg("%s: %d, \"%s\"", row->sentence, rc, err.text);
		if (rc != 0)
			assert_null(strstr(err.text, row->password));
	}
}

/* Hear a reply of any length: is it OK? */
static bool hear_ok(int fd)
{
	char got[400] = "";
	size_t at = 0;

	while (at == 0 || got[at - 1] != ',') {
		ssize_t more = recv(fd, got + at, 1, 0);

		if (more < 0 && errno == EINTR)
			continue;
		assert_int_equal(more, 1);
		assert_true(++at < sizeof(got) - 1);
	}
	if (strstr(got, ":OK ") == NULL && strstr(got, ":TEMP ") == NULL)
		fail_msg("heard \"%s\"", got);
	return strstr(got, ":OK ") != NULL;
}

enum { ASKERS = 12 };

static void those_who_share_a_look_up_take_a_release_each(void **state)
{
	int fds[5], other;
	size_t ok_count = 0;

	(void)state;
	start(from_fifo());
	other = connect_here();
	for (size_t i = 0; i < 5; i++) {
		fds[i] = connect_here();
		ask(fds[i], "shared@company.test");
		/* The answer shows that the one before it has been heard. */
		ask(other, "a");
		hear(other, "NOTFOUND ");
	}
	feed_fifo("one");
	assert_true(hear_ok(fds[0]));
	feed_fifo("two");
	for (size_t i = 1; i < 5; i++)
		ok_count += hear_ok(fds[i]);
	assert_int_equal(ok_count, 2);
	/* At the limit the command is not even run: nobody feeds it. */
	ask(fds[0], "shared@company.test");
	assert_false(hear_ok(fds[0]));
	for (size_t i = 0; i < 5; i++)
		close(fds[i]);
	close(other);
}

static void who_asks_at_once_gets_no_more_than_the_limit(void **state)
{
	int fds[ASKERS];
	size_t ok_count = 0;

	(void)state;
	start("echo x");
	for (size_t i = 0; i < ASKERS; i++)
		fds[i] = connect_here();
	for (size_t i = 0; i < ASKERS; i++)
		ask(fds[i], "limited@company.test");
	for (size_t i = 0; i < ASKERS; i++)
		ok_count += hear_ok(fds[i]);
	assert_int_equal(ok_count, 5);
	for (size_t i = 0; i < ASKERS; i++)
		close(fds[i]);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin_with_store, end_with_store)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_postfix_would_misread_is_refused),
		EACH(what_is_released_meets_the_limit_of_its_day),
		EACH(each_reply_lets_one_go),
		EACH(without_a_password_nothing_is_released),
		EACH(a_store_that_cannot_be_written_keeps_mail_waiting),
		EACH(those_who_share_a_look_up_take_a_release_each),
		EACH(who_asks_at_once_gets_no_more_than_the_limit),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
