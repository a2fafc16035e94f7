#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/secret.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NOW   1795305600 /* 2026-11-22 00:00:00 UTC */
#define HEX   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "b 2026-11-01 " HEX "\n"

static char directory[64];
static char path[96];

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "%s", "/tmp/test_secret.XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/keys", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void write_file(const char *text, mode_t mode)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int count_files(void)
{
	DIR *stream = opendir(directory);
	int count = 0;

	assert_non_null(stream);
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(stream);
	return count;
}

static void a_key_file_is_read_in_its_order(void **state)
{
	struct keyring keyring;
	struct error err;

	(void)state;
	write_file("# keys\n\n" KEY_B "7 2025-12-31 " HEX, 0640);
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
	assert_int_equal(keyring.count, 2);
	assert_int_equal(keyring.keys[0].id, 'b');
	assert_string_equal(keyring.keys[0].made_on, "2026-11-01");
	for (int i = 0; i < KEY_BYTES; i++)
		assert_int_equal(keyring.keys[0].bytes[i], i);
	assert_int_equal(keyring.keys[1].id, '7');
	assert_ptr_equal(keyring_find(&keyring, '7'), &keyring.keys[1]);
	assert_ptr_equal(keyring_find(&keyring, 'B'), &keyring.keys[0]);
	assert_null(keyring_find(&keyring, 'c'));
	assert_null(keyring_find(&keyring, '0'));
	keyring_wipe(&keyring);
	assert_int_equal(keyring.count, 0);
	assert_int_equal(keyring.keys[0].bytes[31], 0);
}

struct bad_row {
	const char *name;
	const char *text;
	const char *said; /* part of the error */
};

static const struct bad_row bad_rows[] = {
	{"an empty key file is refused", "", "found no key"},
	{"a key file of comments is refused", "# nothing\n\n", "found no key"},
	{"an id outside base32 is refused", "1 2026-11-01 " HEX "\n", "keys:1: found no key"},
	{"an impossible month is refused", "a 2026-13-01 " HEX "\n", "keys:1: found no key"},
	{"an impossible day is refused", "a 2026-12-00 " HEX "\n", "keys:1: found no key"},
	{"a date of letters is refused", "a 2026-xx-01 " HEX "\n", "keys:1: found no key"},
	{"upper-case hex is refused",
         "a 2026-11-01 AA0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
         "keys:1: found no key"},
	{"a short key is refused", "a 2026-11-01 0001\n", "keys:1: found no key"},
	{"a long key is refused", "a 2026-11-01 " HEX "00\n", "keys:1: found no key"},
	{"a line that is cut is refused", KEY_B "a 2026-11-0", "keys:2: found no key"},
	{"a carriage return is refused", "a 2026-11-01 " HEX "\r\n", "keys:1: found no key"},
	{"an id twice is refused", KEY_B "# again\n" KEY_B, "keys:3: found key id \"b\" twice"},
	{"an id twice in another case is refused", KEY_B "B 2026-11-02 " HEX "\n",
         "keys:2: found key id \"b\" twice"},
};

static void bad_keys_are_refused_with_their_line(void **state)
{
	const struct bad_row *row = *state;
	struct keyring keyring;
	struct error err = {0};

	write_file(row->text, 0600);
	assert_int_equal(keyring_load(&keyring, path, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.text, row->said));
	assert_int_equal(keyring.count, 0);
}

static void an_absent_key_file_is_named_with_the_cure(void **state)
{
	struct keyring keyring;
	struct error err = {0};

	(void)state;
	assert_int_equal(keyring_load(&keyring, path, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "rejoinder keys add"));
}

static void only_owner_and_group_may_read_it(void **state)
{
	static const struct {
		mode_t mode;
		int expected;
	} rows[] = {{0600, 0},  {0640, 0},  {0660, 0},  {0400, 0},
	            {0644, -1}, {0642, -1}, {0641, -1}, {0604, -1}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct keyring keyring;
		struct error err = {0};
		char *secret;
		size_t length;

		write_file(KEY_B, rows[i].mode);
		assert_int_equal(keyring_load(&keyring, path, &err), rows[i].expected);
		assert_int_equal(secret_read_file(path, 1000, &secret, &length, &err),
		                 rows[i].expected);
		if (rows[i].expected == 0) {
			assert_string_equal(secret, KEY_B);
			assert_int_equal(length, strlen(KEY_B));
			secret_free(secret, length);
		} else {
			assert_int_equal(err.kind, ERROR_CONFIG);
			assert_non_null(strstr(err.text, "found mode 06"));
			assert_null(secret);
		}
		unlink(path);
	}
}

static void a_secret_has_a_limit(void **state)
{
	struct error err = {0};
	char *secret;
	size_t length;

	(void)state;
	write_file("12345", 0600);
	assert_int_equal(secret_read_file(path, 5, &secret, &length, &err), 0);
	assert_string_equal(secret, "12345");
	secret_free(secret, length);
	assert_int_equal(secret_read_file(path, 4, &secret, &length, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_null(secret);
	secret_free(secret, length);
}

static void what_is_no_file_is_refused_at_once(void **state)
{
	struct error err = {0};
	char *secret;
	size_t length;

	(void)state;
	assert_int_equal(secret_read_file(directory, 100, &secret, &length, &err), -1);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(secret_read_file(path, 100, &secret, &length, &err), -1);
	assert_non_null(strstr(err.text, "no regular file"));
}

static void the_first_key_makes_the_file(void **state)
{
	struct keyring keyring;
	struct stat status, parent;
	struct error err = {0};
	char id = 0;

	(void)state;
	assert_int_equal(keyring_add(path, NOW, &id, &err), 0);
	assert_int_equal(id, 'a');
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(stat(directory, &parent), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(status.st_uid, parent.st_uid);
	assert_int_equal(status.st_gid, parent.st_gid);
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
	assert_int_equal(keyring.count, 1);
	assert_string_equal(keyring.keys[0].made_on, "2026-11-22");
}

static void a_new_key_stands_first_and_nothing_is_lost(void **state)
{
	struct keyring keyring;
	struct error err = {0};
	char text[400] = "";
	FILE *stream;
	char id = 0;

	(void)state;
	write_file("# ours\na 2025-01-01 " HEX "\n# old\n" KEY_B, 0600);
	assert_int_equal(keyring_add(path, NOW, &id, &err), 0);
	assert_int_equal(id, 'c');
	assert_int_equal(count_files(), 1);
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
	assert_int_equal(keyring.count, 3);
	assert_int_equal(keyring.keys[0].id, 'c');
	assert_memory_not_equal(keyring.keys[0].bytes, keyring.keys[1].bytes, KEY_BYTES);
	assert_int_equal(keyring.keys[1].id, 'a');
	assert_int_equal(keyring.keys[2].id, 'b');
	stream = fopen(path, "r");
	assert_non_null(stream);
	assert_true(fread(text, 1, sizeof(text) - 1, stream) > 0);
	fclose(stream);
	assert_memory_equal(text, "# ours\nc 2026-11-22 ", 20);
	assert_non_null(strstr(text, "\na 2025-01-01 " HEX "\n# old\n" KEY_B));
}

static void the_file_keeps_its_owner_and_group(void **state)
{
	struct error err = {0};
	struct stat status;
	char id;

	(void)state;
	write_file(KEY_B, 0600);
	/* Another owner takes root; without it the file keeps our own. */
	if (geteuid() == 0)
		assert_int_equal(chown(path, 65534, 65533), 0);
	assert_int_equal(keyring_add(path, NOW, &id, &err), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, geteuid() == 0 ? 65534 : geteuid());
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_link_stays_one(void **state)
{
	struct error err = {0};
	struct stat status;
	char target[sizeof(path) + 10], id;

	(void)state;
	snprintf(target, sizeof(target), "%s.real", path);
	write_file(KEY_B, 0600);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(keyring_add(path, NOW, &id, &err), 0);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(keyring_remove(path, 'b', &err), 1);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(unlink(target), 0);
}

static void several_at_once_lose_nothing(void **state)
{
	enum { ADDERS = 8 };
	struct keyring keyring;
	struct error err = {0};
	pid_t children[ADDERS];
	int status;
	char id;

	(void)state;
	write_file(KEY_B, 0600);
	for (int i = 0; i < ADDERS; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(keyring_add(path, NOW, &id, &err) != 0);
		assert_true(children[i] > 0);
	}
	for (int i = 0; i < ADDERS; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
	assert_int_equal(keyring.count, 1 + ADDERS);
}

/* Afterwards no program could read it. */
static void a_file_that_would_be_too_long_is_left(void **state)
{
	struct error err = {0};
	struct keyring keyring;
	char *text = malloc(65536 + 1), id;

	(void)state;
	assert_non_null(text);
	memset(text, '#', 65536 - sizeof(KEY_B));
	snprintf(text + 65536 - sizeof(KEY_B), sizeof(KEY_B) + 1, "\n%s", KEY_B);
	write_file(text, 0600);
	free(text);
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
	assert_int_equal(keyring_add(path, NOW, &id, &err), -1);
	assert_non_null(strstr(err.text, "shorten its comments"));
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
}

static void readers_see_a_whole_file_whenever_they_look(void **state)
{
	struct error err = {0};
	char before[100] = "";
	char id;
	int fd;

	(void)state;
	write_file(KEY_B, 0600);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(keyring_add(path, NOW, &id, &err), 0);
	/* Who has the old file open still reads the old one: it was replaced, not written over. */
	assert_int_equal(read(fd, before, sizeof(before) - 1), (ssize_t)strlen(KEY_B));
	assert_string_equal(before, KEY_B);
	close(fd);
}

static void sixteen_keys_are_enough(void **state)
{
	struct keyring keyring;
	struct error err = {0};
	char id = 0;

	(void)state;
	for (int i = 0; i < KEYS_MAX; i++)
		assert_int_equal(keyring_add(path, NOW, &id, &err), 0);
	assert_int_equal(id, 'p');
	assert_int_equal(keyring_add(path, NOW, &id, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.text, "remove the lines of the oldest keys"));
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
	assert_int_equal(keyring.count, KEYS_MAX);
	assert_int_equal(keyring.keys[0].id, 'p');
}

static void a_bad_file_is_not_written_over(void **state)
{
	struct keyring keyring;
	struct error err = {0};
	struct stat status;
	char id;

	(void)state;
	write_file("nonsense\n", 0600);
	assert_int_equal(keyring_add(path, NOW, &id, &err), -1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 9);
	write_file(KEY_B, 0644);
	assert_int_equal(keyring_add(path, NOW, &id, &err), -1);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(keyring_load(&keyring, path, &err), 0);
	assert_int_equal(keyring.count, 1);
	assert_int_equal(count_files(), 1);
}

static void a_directory_that_is_not_there_is_said(void **state)
{
	struct error err = {0};
	char id;

	(void)state;
	assert_int_equal(keyring_add("/nonexistent/rejoinder/keys", NOW, &id, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.text, "No such file or directory"));
}

/* What the file holds now, after a call that must say this. */
static void removing_leaves(char id, int expected, const char *text)
{
	char found[1000] = "";
	struct error err = {0};
	FILE *stream;

	if (keyring_remove(path, id, &err) != expected)
		fail_msg("key %c: %s", id, err.text);
	stream = fopen(path, "r");
	assert_non_null(stream);
	found[fread(found, 1, sizeof(found) - 1, stream)] = '\0';
	fclose(stream);
	assert_string_equal(found, text);
	assert_int_equal(count_files(), 1);
}

static void a_key_that_is_taken_away_leaves_all_else(void **state)
{
	static const char a[] = "a 2026-10-01 " HEX "\n", c[] = "c 2026-09-01 " HEX;
	char text[1000], expected[1000];

	(void)state;
	snprintf(text, sizeof(text), "# keys\n\n" KEY_B "# the old ones\n%s%s", a, c);
	write_file(text, 0640);
	snprintf(expected, sizeof(expected), "# keys\n\n" KEY_B "# the old ones\n%s", c);
	removing_leaves('A', 1, expected);
	removing_leaves('a', 0, expected);
	removing_leaves('z', 0, expected);
	removing_leaves('#', 0, expected);
	removing_leaves('c', 1, "# keys\n\n" KEY_B "# the old ones\n");
}

static void the_key_that_signs_cannot_be_taken_away(void **state)
{
	struct error err = {0};

	(void)state;
	write_file(KEY_B "a 2026-10-01 " HEX "\n", 0640);
	removing_leaves('b', -1, KEY_B "a 2026-10-01 " HEX "\n");
	assert_int_equal(keyring_remove(path, 'B', &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	assert_non_null(strstr(err.text, "key b signs"));
	removing_leaves('a', 1, KEY_B);
	removing_leaves('b', -1, KEY_B);
}

static void a_file_that_lost_a_key_keeps_its_mode_and_owner(void **state)
{
	struct stat status;
	struct error err;

	(void)state;
	write_file(KEY_B "a 2026-10-01 " HEX "\n", 0640);
	assert_true(geteuid() != 0 || chown(path, 12, 13) == 0);
	assert_int_equal(keyring_remove(path, 'a', &err), 1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_true(geteuid() != 0 || (status.st_uid == 12 && status.st_gid == 13));
}

static void no_key_is_taken_out_of_a_bad_file(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(keyring_remove(path, 'a', &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	write_file(KEY_B "a nonsense\n", 0640);
	removing_leaves('a', -1, KEY_B "a nonsense\n");
}

#define IN_DIRECTORY(function)                                                                     \
	cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void)
{
	struct CMUnitTest tests[16 + COUNT(bad_rows)] = {
		IN_DIRECTORY(a_key_file_is_read_in_its_order),
		IN_DIRECTORY(an_absent_key_file_is_named_with_the_cure),
		IN_DIRECTORY(only_owner_and_group_may_read_it),
		IN_DIRECTORY(a_secret_has_a_limit),
		IN_DIRECTORY(what_is_no_file_is_refused_at_once),
		IN_DIRECTORY(the_first_key_makes_the_file),
		IN_DIRECTORY(a_new_key_stands_first_and_nothing_is_lost),
		IN_DIRECTORY(the_file_keeps_its_owner_and_group),
		IN_DIRECTORY(a_link_stays_one),
		IN_DIRECTORY(several_at_once_lose_nothing),
		IN_DIRECTORY(a_file_that_would_be_too_long_is_left),
		IN_DIRECTORY(readers_see_a_whole_file_whenever_they_look),
		IN_DIRECTORY(sixteen_keys_are_enough),
		IN_DIRECTORY(a_bad_file_is_not_written_over),
		IN_DIRECTORY(a_directory_that_is_not_there_is_said),
		IN_DIRECTORY(a_key_that_is_taken_away_leaves_all_else),
		IN_DIRECTORY(the_key_that_signs_cannot_be_taken_away),
		IN_DIRECTORY(a_file_that_lost_a_key_keeps_its_mode_and_owner),
		IN_DIRECTORY(no_key_is_taken_out_of_a_bad_file),
	};
	size_t count = 16;

	for (size_t i = 0; i < COUNT(bad_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = bad_rows[i].name,
		                            .test_func = bad_keys_are_refused_with_their_line,
		                            .setup_func = make_directory,
		                            .teardown_func = remove_directory,
		                            .initial_state = (void *)(uintptr_t)&bad_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
