#include "tests/unit/passwords_fixture.h"

#include <poll.h>
#include <sys/resource.h>
#include <time.h>

#include "fetcher/seldom.h"

struct answer_row {
	const char *sentence;
	const char *request, *reply;
};

#define ASK(length, key) length ":relay " key ","

static const struct answer_row answer_rows[] = {
	{"the address of an account", ASK("24", "sales@company.test"), "OK sales:sales-secret"},
	{"in another case", ASK("24", "Sales@Company.Test"), "OK sales:sales-secret"},
	{"with a detail", ASK("28", "sales+x+y@company.test"), "OK sales:sales-secret"},
	{"an address like it", ASK("25", "sales2@company.test"), "NOTFOUND "},
	{"nothing before the detail", ASK("21", "+x@company.test"), "NOTFOUND "},
	{"a delimiter in the domain", ASK("26", "sales@company+x.test"), "NOTFOUND "},
	{"no address", ASK("11", "sales"), "NOTFOUND "},
	{"an empty key", ASK("6", ""), "NOTFOUND "},
	{"an account without a relay", ASK("25", "direct@company.test"), "NOTFOUND "},
	{"an account that is not enabled", ASK("23", "gone@company.test"), "NOTFOUND "},
	{"an account that does not sign in", ASK("23", "open@company.test"), "NOTFOUND "},
	{"the host of a relay", ASK("23", "relay.example.com"), "NOTFOUND "},
	{"a relay that an account uses without signing in", ASK("27", "[open.example.com]:26"),
         "NOTFOUND "},
	{"another port of its host", ASK("28", "[open.example.com]:587"),
         "TEMP no enabled account signs in there; see: rejoinder postfix maps"},
	{"a relay whose accounts all sign in", ASK("29", "[relay.example.com]:587"),
         "TEMP no enabled account signs in there; see: rejoinder postfix maps"},
	{"a relay that no account has now", ASK("28", "[gone.example.com]:587"),
         "TEMP no enabled account signs in there; see: rejoinder postfix maps"},
	{"a password that cannot be had", ASK("25", "broken@company.test"),
         "TEMP Broken: password: false failed: exit status 1"},
	{"a password that is not UTF-8", ASK("24", "latin@company.test"),
         "TEMP Latin: password: found bytes that are not UTF-8, which Postfix drops"},
	{"another map", "25:relays sales@company.test,", "PERM there is only the map relay"},
};

static void each_request_has_its_answer(void **state)
{
	int fd = connect_here();

	(void)state;
	for (size_t i = 0; i < sizeof(answer_rows) / sizeof(answer_rows[0]); i++) {
		print_message("%s\n", answer_rows[i].sentence);
		say(fd, answer_rows[i].request);
		hear(fd, answer_rows[i].reply);
	}
	close(fd);
}

static void a_store_that_cannot_be_read_keeps_mail_waiting(void **state)
{
	struct settings *settings = make_settings("false", "password.sock");
	struct relay_secret secret;
	size_t length;
	char *reply;

	(void)state;
	relay_secret_get(&secret, settings->config,
	                 config_account_by_address(settings->config, "limited@company.test"), 1, 0);
	assert_int_equal(secret.state, RELAY_TROUBLE);
	assert_null(secret.text);
	reply = relay_secret_reply(&secret, &length);
	assert_non_null(strstr(reply, ":TEMP Limited: "));
	free(reply);
	relay_secret_release(&secret);
	settings_drop(settings);
}

static void a_slow_account_holds_up_no_other(void **state)
{
	int slow = connect_here(), quick = connect_here();

	(void)state;
	ask(slow, "slow@company.test");
	ask(quick, "sales@company.test");
	hear(quick, "OK sales:sales-secret");
	feed_fifo("now\n");
	hear(slow, "OK slow:now");
	close(slow);
	close(quick);
}

static void who_asks_during_a_look_up_gets_the_one_after_it(void **state)
{
	int first = connect_here(), second = connect_here();

	(void)state;
	ask(first, "slow@company.test");
	/* One thread serves them in turn: this answer shows that the first has been heard. */
	ask(second, "nobody@company.test");
	hear(second, "NOTFOUND ");
	ask(second, "slow@company.test");
	ask(second, "sales@company.test");
	feed_fifo("one");
	hear(first, "OK slow:one");
	feed_fifo("two");
	hear(second, "OK slow:two");
	hear(second, "OK sales:sales-secret");
	close(first);
	close(second);
}

static void requests_may_come_in_pieces_and_in_heaps(void **state)
{
	int fd = connect_here();

	(void)state;
	say(fd, "2");
	say(fd, "4:relay sales@comp");
	say(fd, "any.test,7:relay a,7:relay b,24:relay sales@company.test,24:rel");
	hear(fd, "OK sales:sales-secret");
	hear(fd, "NOTFOUND ");
	hear(fd, "NOTFOUND ");
	hear(fd, "OK sales:sales-secret");
	say(fd, "ay sales@company.test,");
	hear(fd, "OK sales:sales-secret");
	say(fd, "hello\n");
	hear_the_end(fd);
}

static void who_waits_at_a_reload_is_answered_by_the_new_settings(void **state)
{
	int waits = connect_here(), other = connect_here();

	(void)state;
	ask(waits, "slow@company.test");
	ask(waits, "nobody@company.test");
	/* The answer shows that the one before it has been heard. */
	ask(other, "nobody@company.test");
	hear(other, "NOTFOUND ");
	passwords_reload(running, make_settings("echo new", "password.sock"));
	hear(waits, "OK slow:new");
	hear(waits, "NOTFOUND ");
	/* The look-up under the old settings goes on, and nobody gets what it brings. */
	feed_fifo("old");
	ask(waits, "slow@company.test");
	hear(waits, "OK slow:new");
	close(waits);
	close(other);
}

static void a_reload_may_move_the_socket(void **state)
{
	int fd = connect_here(), other;

	(void)state;
	ask(fd, "nobody@company.test");
	hear(fd, "NOTFOUND ");
	ask(fd, "slow@company.test");
	ask(fd, "sales@company.test");
	passwords_reload(running, make_settings("echo two", "other.sock"));
	hear(fd, "OK slow:two");
	/* Who is connected stays so. */
	hear(fd, "OK sales:sales-secret");
	close(fd);
	assert_int_equal(connect_to("password.sock"), -1);
	other = connect_to("other.sock");
	assert_true(other >= 0);
	ask(other, "slow@company.test");
	hear(other, "OK slow:two");
	close(other);
	close(open(path_of("fifo"), O_RDWR | O_CLOEXEC)); /* if the old command was begun */
	stop();
}

static void the_socket_is_of_its_directory_s_group_and_goes_at_the_end(void **state)
{
	struct stat found;

	(void)state;
	stop();
	assert_int_equal(lstat(path_of("password.sock"), &found), -1);
	if (geteuid() == 0)
		assert_int_equal(chown(directory, 0, 65534), 0);
	start("echo x");
	assert_int_equal(lstat(path_of("password.sock"), &found), 0);
	assert_true(S_ISSOCK(found.st_mode));
	assert_int_equal(found.st_mode & 07777, 0660);
	if (geteuid() == 0)
		assert_int_equal(found.st_gid, 65534);
}

static void what_is_no_socket_is_not_replaced(void **state)
{
	struct stat found;

	(void)state;
	stop();
	write_file("password.sock", "no socket");
	start("echo x");
	assert_int_equal(connect_to("password.sock"), -1);
	stop();
	assert_int_equal(lstat(path_of("password.sock"), &found), 0);
	assert_int_equal(found.st_size, strlen("no socket"));
	unlink(path_of("password.sock"));
}

static void who_is_idle_makes_room_when_there_are_many(void **state)
{
	int fds[PASSWORDS_CLIENTS_MAX], waits, late;

	(void)state;
	waits = connect_here();
	ask(waits, "slow@company.test");
	for (size_t i = 1; i < PASSWORDS_CLIENTS_MAX; i++) {
		fds[i] = connect_here();
		ask(fds[i], "sales@company.test");
		hear(fds[i], "OK sales:sales-secret");
	}
	late = connect_here();
	ask(late, "sales@company.test");
	hear(late, "OK sales:sales-secret");
	feed_fifo("here");
	hear(waits, "OK slow:here");
	/* All but one of the others are still served. */
	for (size_t i = 2; i < PASSWORDS_CLIENTS_MAX; i++) {
		ask(fds[i], "a");
		hear(fds[i], "NOTFOUND ");
		close(fds[i]);
	}
	hear_the_end(fds[1]);
	close(waits);
	close(late);
}

static int64_t processor_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* What is logged meanwhile; dup2() takes it back. */
static int divert_log(void)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	int fd = open(path_of("log"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(saved >= 0 && fd >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	return saved;
}

/* The log again where it was; how many lines that were diverted hold the words. */
static size_t count_logged(int saved, const char *words)
{
	FILE *stream = fopen(path_of("log"), "r");
	char line[1000];
	size_t count = 0;

	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream) != NULL)
		count += strstr(line, words) != NULL;
	fclose(stream);
	return count;
}

static int lowest_free_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void without_descriptors_it_rests_until_a_client_ends(void **state)
{
	int fillers[8], served, other, late, saved = divert_log();
	struct rlimit usual, low;
	struct pollfd answer;
	int64_t before_ms;

	(void)state;
	/* So that all that follow are over the lower limit below. */
	for (size_t i = 0; i < 8; i++)
		fillers[i] = dup(STDIN_FILENO);
	served = connect_here();
	other = connect_here();
	ask(other, "a");
	hear(other, "NOTFOUND ");
	ask(served, "sales@company.test");
	hear(served, "OK sales:sales-secret");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	low = usual;
	/* One for the client of this test, none for the service. */
	low.rlim_cur = (rlim_t)lowest_free_descriptor() + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	late = connect_here();
	ask(late, "sales@company.test");
	before_ms = processor_ms();
	answer = (struct pollfd){.fd = late, .events = POLLIN};
	assert_int_equal(poll(&answer, 1, 1000), 0);
	assert_true(processor_ms() - before_ms < 300);
	/* Who is connected is served, and makes room when he goes. */
	ask(served, "sales@company.test");
	hear(served, "OK sales:sales-secret");
	assert_int_equal(poll(&answer, 1, 0), 0);
	/* One goes, and there is still none to be had: that is not said again. */
	low.rlim_cur = 8;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	close(served);
	ask(other, "a");
	hear(other, "NOTFOUND ");
	assert_int_equal(poll(&answer, 1, 50), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	close(other);
	hear(late, "OK sales:sales-secret");
	assert_int_equal(count_logged(saved, "accept: Too many open files"), 1);
	close(late);
	for (size_t i = 0; i < 8; i++)
		close(fillers[i]);
}

static void nonsense_is_logged_seldom(void **state)
{
	int saved = divert_log();

	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = connect_here();

		say(fd, "hello\n");
		hear_the_end(fd);
	}
	assert_int_equal(count_logged(saved, "hung up"), 1);
}

static void what_is_held_back_is_counted(void **state)
{
	struct seldom seldom = {0};

	(void)state;
	assert_int_equal(seldom_due(&seldom, 5), 1);
	assert_int_equal(seldom_due(&seldom, 6), 0);
	assert_int_equal(seldom_due(&seldom, 5 + SELDOM_MS - 1), 0);
	assert_int_equal(seldom_due(&seldom, 5 + SELDOM_MS), 3);
	assert_int_equal(seldom_due(&seldom, 6 + SELDOM_MS), 0);
	assert_int_equal(seldom_due(&seldom, 5 + 3 * SELDOM_MS), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_request_has_its_answer, begin, end),
		cmocka_unit_test_setup_teardown(a_store_that_cannot_be_read_keeps_mail_waiting,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(a_slow_account_holds_up_no_other, begin, end),
		cmocka_unit_test_setup_teardown(who_asks_during_a_look_up_gets_the_one_after_it,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(requests_may_come_in_pieces_and_in_heaps, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(
			who_waits_at_a_reload_is_answered_by_the_new_settings, begin, end),
		cmocka_unit_test_setup_teardown(a_reload_may_move_the_socket, begin, end),
		cmocka_unit_test_setup_teardown(
			the_socket_is_of_its_directory_s_group_and_goes_at_the_end, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_socket_is_not_replaced, begin, end),
		cmocka_unit_test_setup_teardown(who_is_idle_makes_room_when_there_are_many, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(without_descriptors_it_rests_until_a_client_ends,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(nonsense_is_logged_seldom, begin, end),
		cmocka_unit_test(what_is_held_back_is_counted),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
