#include "lib/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buffer.h"
#include "lib/base/digest.h"
#include "lib/base/memory.h"

#define KEY_FILE_MAX_BYTES 65536
#define DATE_CHARS         10
#define HEX_CHARS          (2 * KEY_BYTES)
#define KEY_LINE_CHARS     (1 + 1 + DATE_CHARS + 1 + HEX_CHARS)
#define KEY_FILE_MODE      0640

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool is_date(const char *text)
{
	int month, day;

	for (int i = 0; i < DATE_CHARS; i++) {
		bool is_digit = text[i] >= '0' && text[i] <= '9';

		if (i == 4 || i == 7 ? text[i] != '-' : !is_digit)
			return false;
	}
	month = (text[5] - '0') * 10 + text[6] - '0';
	day = (text[8] - '0') * 10 + text[9] - '0';
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static int key_parse(struct key *key, const char *line, size_t length)
{
	if (length != KEY_LINE_CHARS || base32_value(line[0]) < 0 || line[1] != ' ' ||
	    !is_date(line + 2) || line[2 + DATE_CHARS] != ' ')
		return -1;
	key->id = base32_char((unsigned)base32_value(line[0]));
	memcpy(key->made_on, line + 2, DATE_CHARS);
	key->made_on[DATE_CHARS] = '\0';
	line += 2 + DATE_CHARS + 1;
	for (int i = 0; i < KEY_BYTES; i++) {
		int high = hex_value(line[2 * i]), low = hex_value(line[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		key->bytes[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

/* The key lines of a file's text; *first_key_at is where the first one begins. */
static int keyring_parse(struct keyring *keyring, const char *text, size_t length, const char *path,
                         size_t *first_key_at, struct error *err)
{
	int line_number = 0;

	keyring->count = 0;
	*first_key_at = length;
	for (size_t at = 0; at < length;) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', length - at);
		size_t line_length = end != NULL ? (size_t)(end - line) : length - at;
		struct key *key = &keyring->keys[keyring->count];

		line_number++;
		if (line_length > 0 && line[0] != '#') {
			if (keyring->count == KEYS_MAX)
				return error_set(err, ERROR_CONFIG,
				                 "%s:%d: found more keys, expected at most %d",
				                 path, line_number, KEYS_MAX);
			if (key_parse(key, line, line_length) != 0)
				return error_set(
					err, ERROR_CONFIG,
					"%s:%d: found no key, expected an id (a-z, 2-7), a date "
					"and 64 lower-case hex digits",
					path, line_number);
			if (keyring_find(keyring, key->id) != NULL)
				return error_set(
					err, ERROR_CONFIG,
					"%s:%d: found key id \"%c\" twice, expected it once", path,
					line_number, key->id);
			if (keyring->count++ == 0)
				*first_key_at = at;
		}
		at += line_length + (end != NULL);
	}
	return 0;
}

int keyring_load(struct keyring *keyring, const char *path, struct error *err)
{
	char *text;
	size_t length, ignored;
	int rc;

	*keyring = (struct keyring){0};
	if (secret_read_file(path, KEY_FILE_MAX_BYTES, &text, &length, err) != 0) {
		if (access(path, F_OK) != 0 && errno == ENOENT)
			error_set(
				err, ERROR_CONFIG,
				"%s: found no key file, expected one: make it with `rejoinder keys add`",
				path);
		return -1;
	}
	rc = keyring_parse(keyring, text, length, path, &ignored, err);
	secret_free(text, length);
	if (rc == 0 && keyring->count == 0)
		rc = error_set(err, ERROR_CONFIG,
		               "%s: found no key, expected one: make it with `rejoinder keys add`",
		               path);
	if (rc != 0)
		keyring_wipe(keyring);
	return rc;
}

const struct key *keyring_find(const struct keyring *keyring, char id)
{
	int value = base32_value(id);

	for (size_t i = 0; value >= 0 && i < keyring->count; i++)
		if (base32_value(keyring->keys[i].id) == value)
			return &keyring->keys[i];
	return NULL;
}

void keyring_wipe(struct keyring *keyring)
{
	digest_wipe(keyring, sizeof(*keyring));
}

/* A new key's line, with its newline; *id_out is the first id not in use. */
static void key_line_make(char line[KEY_LINE_CHARS + 2], const struct keyring *keyring, int64_t now,
                          char *id_out)
{
	unsigned char bytes[KEY_BYTES];
	time_t seconds = (time_t)now;
	struct tm day;
	unsigned value = 0;
	size_t at;

	while (keyring_find(keyring, base32_char(value)) != NULL)
		value++;
	*id_out = base32_char(value);
	if (gmtime_r(&seconds, &day) == NULL || day.tm_year < 0 || day.tm_year > 9999 - 1900)
		day = (struct tm){.tm_year = 70, .tm_mday = 1};
	line[0] = *id_out;
	at = 1 + strftime(line + 1, KEY_LINE_CHARS, " %Y-%m-%d ", &day);
	digest_random(bytes, sizeof(bytes));
	for (int i = 0; i < KEY_BYTES; i++) {
		line[at++] = "0123456789abcdef"[bytes[i] >> 4];
		line[at++] = "0123456789abcdef"[bytes[i] & 15];
	}
	line[at++] = '\n';
	line[at] = '\0';
	digest_wipe(bytes, sizeof(bytes));
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -1;
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

static int sync_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/*
 * Owner, group and mode of the new file are right before it has its name: those of the file
 * that was there, and a new one may be read by the group of its directory.
 */
static int fill_new_file(int fd, const struct stat *like, const char *text, size_t length)
{
	mode_t mode = S_ISREG(like->st_mode) ? like->st_mode & KEY_FILE_MODE : KEY_FILE_MODE;
	struct stat made;

	if (fstat(fd, &made) != 0)
		return -1;
	if ((made.st_uid != like->st_uid || made.st_gid != like->st_gid) &&
	    fchown(fd, like->st_uid, like->st_gid) != 0)
		return -1;
	if (fchmod(fd, mode | S_IRUSR) != 0 || write_all(fd, text, length) != 0)
		return -1;
	return fsync(fd);
}

/* Who reads the key file to write it anew is alone: else a key that was retired came back. */
static int lock_file(const char *path, struct error *err)
{
	char *path_copy = xstrdup(path);
	int fd = open(dirname(path_copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		error_set(err, ERROR_CONFIG, "%s: cannot lock its directory: %s", path,
		          strerror(errno));
	free(path_copy);
	return fd;
}

/* The file that a path leads to: a link stays one. A heap string. */
static char *real_path(const char *path)
{
	char *real = realpath(path, NULL);

	return real != NULL ? real : xstrdup(path);
}

/* Put a file of this text in the place of path, whole or not at all. */
static int replace_file(const char *path, const char *text, size_t length, struct error *err)
{
	char *path_copy = xstrdup(path);
	char *directory = dirname(path_copy);
	char *temporary = xasprintf("%s.XXXXXX", path);
	struct stat like;
	int fd = -1, rc = -1;

	/* No program would read it. */
	if (length > KEY_FILE_MAX_BYTES) {
		error_set(err, ERROR_CONFIG, "%s: it would be over %d bytes: shorten its comments",
		          path, KEY_FILE_MAX_BYTES);
		goto out;
	}
	if (stat(path, &like) != 0 && stat(directory, &like) != 0) {
		error_set(err, ERROR_CONFIG, "%s: cannot make the key file: %s", path,
		          strerror(errno));
		goto out;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		error_set(err, ERROR_CONFIG, "%s: cannot make the key file: %s", path,
		          strerror(errno));
		goto out;
	}
	if (fill_new_file(fd, &like, text, length) != 0 || rename(temporary, path) != 0) {
		enum error_kind kind = errno == ENOSPC ? ERROR_FULL : ERROR_CONFIG;

		error_set(err, kind, "%s: cannot write the key file: %s", path, strerror(errno));
		unlink(temporary);
		goto out;
	}
	if (sync_directory(directory) != 0) {
		error_set(err, ERROR_UNCERTAIN, "%s: cannot sync the directory: %s", path,
		          strerror(errno));
		goto out;
	}
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(temporary);
	free(path_copy);
	return rc;
}

static int add(const char *path, int64_t now, char *id_out, struct error *err)
{
	char line[KEY_LINE_CHARS + 2];
	struct keyring keyring = {0};
	struct buffer text;
	char *old = NULL;
	size_t old_length = 0, first_key_at = 0;
	int rc = -1;

	buffer_init(&text, KEY_FILE_MAX_BYTES + sizeof(line));
	if (access(path, F_OK) == 0 || errno != ENOENT) {
		if (secret_read_file(path, KEY_FILE_MAX_BYTES, &old, &old_length, err) != 0)
			goto out;
		if (keyring_parse(&keyring, old, old_length, path, &first_key_at, err) != 0)
			goto out;
	}
	if (keyring.count == KEYS_MAX) {
		error_set(err, ERROR_CONFIG,
		          "%s: found %d keys, expected fewer: remove the lines of the oldest keys",
		          path, KEYS_MAX);
		goto out;
	}
	key_line_make(line, &keyring, now, id_out);
	/* What stands above the first key is the admin's comment on the file. */
	if (old != NULL)
		buffer_append(&text, old, first_key_at);
	if (text.length > 0 && text.data[text.length - 1] != '\n')
		buffer_append_char(&text, '\n');
	buffer_append_text(&text, line);
	if (old != NULL)
		buffer_append(&text, old + first_key_at, old_length - first_key_at);
	rc = replace_file(path, text.data, text.length, err);
out:
	secret_free(old, old_length);
	digest_wipe(text.data, text.length);
	buffer_release(&text);
	digest_wipe(line, sizeof(line));
	keyring_wipe(&keyring);
	return rc;
}

int keyring_add(const char *path, int64_t now, char *id_out, struct error *err)
{
	char *real = real_path(path);
	int locked = lock_file(real, err);
	int rc = locked >= 0 ? add(real, now, id_out, err) : -1;

	if (locked >= 0)
		close(locked);
	free(real);
	return rc;
}

/* Where the line of a key begins in a text that keyring_parse() has read. */
static size_t find_key_line(const char *text, size_t length, char id)
{
	size_t at = 0;

	while (at < length && (text[at] == '#' || text[at] == '\n' ||
	                       base32_value(text[at]) != base32_value(id))) {
		const char *end = memchr(text + at, '\n', length - at);

		at = end != NULL ? (size_t)(end - text) + 1 : length;
	}
	return at;
}

/* 1 and *at_out, where the key's line begins; 0 or -1 as keyring_remove(). */
static int find_removable(const char *text, size_t length, char id, const char *path,
                          size_t *at_out, struct error *err)
{
	struct keyring keyring = {0};
	const struct key *key;
	size_t ignored;
	int rc = keyring_parse(&keyring, text, length, path, &ignored, err);

	if (rc == 0) {
		key = keyring_find(&keyring, id);
		rc = key != NULL;
		if (key != NULL && key == &keyring.keys[0])
			rc = error_set(err, ERROR_PERMANENT,
			               "%s: key %c signs: make another with `rejoinder keys add` "
			               "first",
			               path, key->id);
	}
	if (rc > 0)
		*at_out = find_key_line(text, length, id);
	keyring_wipe(&keyring);
	return rc;
}

static int remove_key(const char *path, char id, struct error *err)
{
	struct buffer text;
	char *old;
	size_t length, at, after;
	int rc;

	if (secret_read_file(path, KEY_FILE_MAX_BYTES, &old, &length, err) != 0)
		return -1;
	buffer_init(&text, KEY_FILE_MAX_BYTES);
	rc = find_removable(old, length, id, path, &at, err);
	if (rc > 0) {
		after = at + KEY_LINE_CHARS < length ? at + KEY_LINE_CHARS + 1 : length;
		buffer_append(&text, old, at);
		buffer_append(&text, old + after, length - after);
		rc = replace_file(path, text.data, text.length, err) == 0 ? 1 : -1;
	}
	secret_free(old, length);
	digest_wipe(text.data, text.length);
	buffer_release(&text);
	return rc;
}

int keyring_remove(const char *path, char id, struct error *err)
{
	char *real = real_path(path);
	int locked = lock_file(real, err);
	int rc = locked >= 0 ? remove_key(real, id, err) : -1;

	if (locked >= 0)
		close(locked);
	free(real);
	return rc;
}

/* Returns the number of bytes read, at most size, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, bytes + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

static int read_open_file(int fd, const char *path, size_t max_bytes, char **out,
                          size_t *length_out, struct error *err)
{
	struct stat status;
	ssize_t length;
	char *bytes;

	if (fstat(fd, &status) != 0)
		return error_set(err, ERROR_CONFIG, "%s: cannot read: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(err, ERROR_CONFIG, "%s: found no regular file, expected one",
		                 path);
	if (status.st_mode & 007)
		return error_set(err, ERROR_CONFIG,
		                 "%s: found mode %04o, expected nothing for others: chmod o= it",
		                 path, (unsigned)(status.st_mode & 07777));
	bytes = xmalloc(max_bytes + 1);
	length = read_all(fd, bytes, max_bytes + 1);
	if (length < 0 || (size_t)length > max_bytes) {
		int saved_errno = errno;

		secret_free(bytes, max_bytes + 1);
		if (length < 0)
			return error_set(err, ERROR_CONFIG, "%s: cannot read: %s", path,
			                 strerror(saved_errno));
		return error_set(err, ERROR_CONFIG,
		                 "%s: found a larger file, expected at most %zu bytes", path,
		                 max_bytes);
	}
	bytes[length] = '\0';
	*out = bytes;
	*length_out = (size_t)length;
	return 0;
}

int secret_read_file(const char *path, size_t max_bytes, char **out, size_t *length_out,
                     struct error *err)
{
	/* Without O_NONBLOCK, opening a FIFO would wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc;

	*out = NULL;
	*length_out = 0;
	if (fd < 0)
		return error_set(err, ERROR_CONFIG, "%s: cannot open: %s", path, strerror(errno));
	rc = read_open_file(fd, path, max_bytes, out, length_out, err);
	close(fd);
	return rc;
}

void secret_free(char *secret, size_t length)
{
	if (secret == NULL)
		return;
	digest_wipe(secret, length);
	free(secret);
}
