#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/notify.h"

/* What a supervisor hears, at a real socket. */

#define HEARD_BYTES 2000

static char directory[64];
static char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

/* name: as NOTIFY_SOCKET has it; from now on it names this supervisor. */
static int listen_as(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	else
		size++;
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

/* What has come, "" if nothing has. */
static const char *hear(int fd, char out[HEARD_BYTES])
{
	ssize_t length = recv(fd, out, HEARD_BYTES - 1, MSG_DONTWAIT);

	out[length > 0 ? length : 0] = '\0';
	return out;
}

static int begin(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/rejoinder-notify-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	unlink(socket_path);
	return rmdir(directory);
}

static void each_state_is_told_in_its_words(void **state)
{
	static const struct {
		const char *name;
		enum notify_state state;
		const char *status, *first, *last;
	} rows[] = {
		{"ready", NOTIFY_READY, "listens on unix:/s", "READY=1\n",
	         "\nSTATUS=listens on unix:/s"},
		{"a reload, with the time that a new one is told by", NOTIFY_RELOADING,
	         "reads /a again", "RELOADING=1\nMONOTONIC_USEC=", "\nSTATUS=reads /a again"},
		{"the end", NOTIFY_STOPPING, "writes what waits", "STOPPING=1\n",
	         "\nSTATUS=writes what waits"},
		{"a line break does not become a field", NOTIFY_READY, "a\nMAINPID=1\x7f",
	         "READY=1\n", "\nSTATUS=a?MAINPID=1?"},
	};
	char heard[HEARD_BYTES];
	int fd = listen_as(socket_path);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t tail = strlen(rows[i].last);

		notify_supervisor(rows[i].state, "%s", rows[i].status);
		hear(fd, heard);
		if (strncmp(heard, rows[i].first, strlen(rows[i].first)) != 0 ||
		    strlen(heard) < tail || strcmp(heard + strlen(heard) - tail, rows[i].last) != 0)
			fail_msg("%s: %s", rows[i].name, heard);
		assert_string_equal(hear(fd, heard), "");
	}
	close(fd);
}

static void the_time_of_a_reload_is_the_monotonic_one(void **state)
{
	char heard[HEARD_BYTES];
	struct timespec now;
	long long told_us = 0, now_us;
	int fd = listen_as(socket_path);

	(void)state;
	notify_supervisor(NOTIFY_RELOADING, "again");
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	assert_int_equal(sscanf(hear(fd, heard), "RELOADING=1\nMONOTONIC_USEC=%lld", &told_us), 1);
	assert_true(told_us <= now_us && told_us > now_us - 60000000);
	close(fd);
}

static void an_abstract_socket_is_reached(void **state)
{
	char name[80], heard[HEARD_BYTES];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@%s", directory);
	fd = listen_as(name);
	notify_supervisor(NOTIFY_READY, "here");
	assert_string_equal(hear(fd, heard), "READY=1\nSTATUS=here");
	close(fd);
}

static void a_long_status_is_cut(void **state)
{
	char status[1000], heard[HEARD_BYTES];
	int fd = listen_as(socket_path);

	(void)state;
	memset(status, 'a', sizeof(status) - 1);
	status[sizeof(status) - 1] = '\0';
	notify_supervisor(NOTIFY_READY, "%s", status);
	assert_int_equal(strlen(hear(fd, heard)), strlen("READY=1\nSTATUS=") + 400);
	close(fd);
}

/* As when there is no supervisor, or none of a kind that is known. */
static void nothing_happens_without_a_socket_to_tell(void **state)
{
	char too_long[200];
	const char *const names[] = {NULL,       "",          "/",         "@",
	                             "relative", "vsock:2:1", socket_path, too_long};

	(void)state;
	memset(too_long, '/', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i] != NULL)
			setenv("NOTIFY_SOCKET", names[i], 1);
		else
			unsetenv("NOTIFY_SOCKET");
		notify_supervisor(NOTIFY_READY, "here");
	}
}

/* Its queue is full: the eleventh message or so would wait for ever. */
static void a_supervisor_that_does_not_read_holds_nobody_up(void **state)
{
	int fd = listen_as(socket_path), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	strcpy(address.sun_path, socket_path);
	while (sendto(sender, "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)) == 1)
		;
	alarm(20);
	notify_supervisor(NOTIFY_READY, "here");
	alarm(0);
	close(sender);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_state_is_told_in_its_words, begin, end),
		cmocka_unit_test_setup_teardown(the_time_of_a_reload_is_the_monotonic_one, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(an_abstract_socket_is_reached, begin, end),
		cmocka_unit_test_setup_teardown(a_long_status_is_cut, begin, end),
		cmocka_unit_test_setup_teardown(nothing_happens_without_a_socket_to_tell, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(a_supervisor_that_does_not_read_holds_nobody_up,
	                                        begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
