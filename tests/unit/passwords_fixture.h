#ifndef REJOINDER_TESTS_PASSWORDS_FIXTURE_H
#define REJOINDER_TESTS_PASSWORDS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fetcher/passwords.h"
#include "fetcher/relay_secret.h"
#include "lib/base/memory.h"

/* A password service on a socket in a directory of its own, and clients that ask it. */

#define PATIENCE_S 20

/* Of a test that hangs; each takes far less. */
#define TEST_S 60

static char directory[] = "/tmp/test_passwords.XXXXXX";

/* A name in the directory; good until the fourth call after. */
static inline const char *path_of(const char *name)
{
	static char paths[4][sizeof(directory) + 40];
	static size_t next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static inline void write_file(const char *name, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* slow: the password command of account Slow. */
static inline struct settings *make_settings(const char *slow, const char *socket_name)
{
	struct settings *settings;
	struct error err = {0};
	char *text = xasprintf("[rejoinder]\n"
	                       "domains = company.test\n"
	                       "keys = %1$s/keys\n"
	                       "store = %1$s/none.db\n"
	                       "password_socket = %1$s/%3$s\n"
	                       "[account \"Sales\"]\n"
	                       "address = sales@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtp://relay.example.com\n"
	                       "username = sales\n"
	                       "password = sales-secret\n"
	                       "[account \"Slow\"]\n"
	                       "address = slow@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtps://slow.example.com\n"
	                       "username = slow\n"
	                       "password_command = %2$s\n"
	                       "[account \"Broken\"]\n"
	                       "address = broken@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtps://relay.example.com\n"
	                       "username = broken\n"
	                       "password_command = false\n"
	                       "[account \"Open\"]\n"
	                       "address = open@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtp://open.example.com:26\n"
	                       "[account \"Limited\"]\n"
	                       "address = limited@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtps://relay.example.com\n"
	                       "username = limited\n"
	                       "password = x\n"
	                       "daily_limit = 5\n"
	                       "[account \"Direct\"]\n"
	                       "address = direct@company.test\n"
	                       "outgoing = yes\n"
	                       "[account \"Gone\"]\n"
	                       "enabled = no\n"
	                       "address = gone@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtp://gone.example.com\n"
	                       "username = gone\n"
	                       "password = gone-secret\n"
	                       "[account \"Shared\"]\n"
	                       "address = shared@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtp://shared.example.com\n"
	                       "username = shared\n"
	                       "password_command = %2$s\n"
	                       "daily_limit = 3\n"
	                       "[account \"Latin\"]\n"
	                       "address = latin@company.test\n"
	                       "outgoing = yes\n"
	                       "relay = smtp://latin.example.com\n"
	                       "username = latin\n"
	                       "password_file = %1$s/latin\n",
	                       directory, slow, socket_name);

	write_file("rejoinder.conf", text);
	free(text);
	settings = settings_load(path_of("rejoinder.conf"), &err);
	if (settings == NULL)
		fail_msg("%s", err.text);
	return settings;
}

static inline int make_directory(void **state)
{
	struct error err;
	char id;

	(void)state;
	if (mkdtemp(directory) == NULL || mkfifo(path_of("fifo"), 0600) != 0)
		return -1;
	write_file("latin", "caf\xe9\n");
	return keyring_add(path_of("keys"), 1000000000, &id, &err);
}

static inline int remove_directory(void **state)
{
	glob_t found;

	(void)state;
	if (glob(path_of("*"), 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
	return rmdir(directory);
}

static inline const char *from_fifo(void)
{
	static char command[sizeof(directory) + 20];

	snprintf(command, sizeof(command), "cat %s", path_of("fifo"));
	return command;
}

/* Wait for the command that reads the fifo, and let it read this. */
static inline void feed_fifo(const char *text)
{
	int fd = open(path_of("fifo"), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline int connect_to(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline int connect_here(void)
{
	int fd = connect_to("password.sock");

	assert_true(fd >= 0);
	return fd;
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void ask(int fd, const char *key)
{
	char *request = xasprintf("relay %s", key);
	char *netstring = xasprintf("%zu:%s,", strlen(request), request);

	say(fd, netstring);
	free(netstring);
	free(request);
}

/* Hear a whole reply; what comes after it is not read. */
static inline void hear(int fd, const char *payload)
{
	char *expected = xasprintf("%zu:%s,", strlen(payload), payload);
	char got[400] = "";
	size_t length = strlen(expected), at = 0;

	while (at < length) {
		ssize_t more = recv(fd, got + at, length - at, 0);

		/* A call with a time limit is not taken up again after a child has ended. */
		if (more < 0 && errno == EINTR)
			continue;
		if (more <= 0)
			fail_msg("heard \"%s\", expected \"%s\"", got, expected);
		at += (size_t)more;
		if (strncmp(got, expected, at) != 0)
			fail_msg("heard \"%s\", expected \"%s\"", got, expected);
	}
	free(expected);
}

static inline void hear_the_end(int fd)
{
	char byte;
	ssize_t got;

	do
		got = recv(fd, &byte, 1, 0);
	while (got < 0 && errno == EINTR);
	assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
	close(fd);
}

static struct passwords *running; /* by the test in hand */

static inline void start(const char *slow)
{
	running = passwords_start(make_settings(slow, "password.sock"));
}

static inline void stop(void)
{
	struct passwords *passwords = running;

	running = NULL;
	assert_true(passwords_stop(passwords, PATIENCE_S));
}

static inline int begin(void **state)
{
	(void)state;
	alarm(TEST_S);
	start(from_fifo());
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	if (running != NULL)
		stop();
	return 0;
}

#endif
