#include "ctl/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/command.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"

#define BLOCK_BYTES        (256 * 1024)
#define JOURNAL_LINES      "200000"
#define JOURNAL_TIMEOUT_MS 60000
#define DAY_S              86400

static int fail(struct error *err, const char *path)
{
	return error_set(err, ERROR_TEMPORARY, "%s: cannot be read: %s", path, strerror(errno));
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, bytes, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		bytes += done;
		length -= (size_t)done;
	}
	return 0;
}

/* A file without a name, gone with its descriptor. */
static int open_nameless(void)
{
	char path[] = "/tmp/rejoinder-trace-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd >= 0)
		unlink(path);
	return fd;
}

/* Copy what comes, as much as is read of all files. Returns the copy, or -1 with errno. */
static int copy_pipe(int from)
{
	char *block = xmalloc(BLOCK_BYTES);
	int64_t total = 0;
	int to = open_nameless();
	ssize_t got = 0;

	while (to >= 0 && total < TRACE_FILE_BYTES_MAX) {
		got = read(from, block, BLOCK_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || write_all(to, block, (size_t)got) < 0)
			break;
		total += got;
	}
	free(block);
	if (to >= 0 && got < 0) {
		close(to);
		return -1;
	}
	return to;
}

static void add(struct trace_files *files, const char *path, int fd, const struct stat *status)
{
	struct trace_file *file;

	files->items = xreallocarray(files->items, files->count + 1, sizeof(*files->items));
	file = &files->items[files->count++];
	*file = (struct trace_file){.path = xstrdup(path),
	                            .fd = fd,
	                            .end = status->st_size,
	                            .written_at = status->st_mtime};
}

static bool is_compressed(int fd)
{
	unsigned char magic[4];
	ssize_t got = pread(fd, magic, sizeof(magic), 0);

	return (got >= 2 && magic[0] == 0x1f && magic[1] == 0x8b) ||
	       (got == 4 && (memcmp(magic,
	                            "\xfd"
	                            "7zX",
	                            4) == 0 ||
	                     memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0)) ||
	       (got >= 3 && memcmp(magic, "BZh", 3) == 0);
}

int trace_files_add(struct trace_files *files, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return fail(err, path);
	if (fstat(fd, &status) < 0)
		goto failed;
	if (S_ISDIR(status.st_mode)) {
		errno = EISDIR;
		goto failed;
	}
	if (!S_ISREG(status.st_mode)) {
		int copy = copy_pipe(fd);

		if (copy < 0)
			goto failed;
		close(fd);
		fd = copy;
		if (fstat(fd, &status) < 0)
			goto failed;
	}
	if (is_compressed(fd)) {
		close(fd);
		return error_set(err, ERROR_PERMANENT,
		                 "%s: it is compressed and is not read; try: --log <(zcat FILE)",
		                 path);
	}
	add(files, path, fd, &status);
	return 0;
failed:
	fail(err, path);
	close(fd);
	return -1;
}

/* Add bytes as a file of that name. */
static int add_bytes(struct trace_files *files, const char *name, const char *bytes, size_t length,
                     struct error *err)
{
	int fd = open_nameless();
	struct stat status;

	if (fd >= 0 && write_all(fd, bytes, length) == 0 && fstat(fd, &status) == 0) {
		add(files, name, fd, &status);
		return 0;
	}
	fail(err, name);
	if (fd >= 0)
		close(fd);
	return -1;
}

int trace_files_add_journal(struct trace_files *files, struct error *err)
{
	static const char *const command[] = {"journalctl", "-q",          "--no-pager",
	                                      "-o",         "short-iso",   "--facility=mail",
	                                      "-n",         JOURNAL_LINES, NULL};
	char *bytes;
	size_t length;
	int result;

	if (command_output_argv(command, COMMAND_STDERR_DROPPED, JOURNAL_TIMEOUT_MS,
	                        TRACE_FILE_BYTES_MAX, &bytes, &length, err) < 0)
		return -1;
	result = add_bytes(files, "the journal", bytes, length, err);
	secret_free(bytes, length);
	return result;
}

void trace_files_release(struct trace_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		close(files->items[i].fd);
		free(files->items[i].path);
	}
	free(files->items);
	*files = (struct trace_files){0};
}

void trace_files_limit(struct trace_files *files, struct string_list *notes)
{
	int64_t left = TRACE_FILE_BYTES_MAX;

	for (size_t i = files->count; i-- > 0;) {
		struct trace_file *file = &files->items[i];

		if (file->end - file->begin > left) {
			file->begin = file->end - left;
			string_list_take(
				notes, left == 0 ? xasprintf("%s was not read: there is too "
			                                     "much before it",
			                                     file->path)
						 : xasprintf("of %s only the last %lld MB "
			                                     "were read",
			                                     file->path, (long long)(left >> 20)));
		}
		left -= file->end - file->begin;
	}
}

/* A line that goes on over the end of a block. */
struct carry {
	char *bytes;
	size_t length;
};

static void add_to_line(struct carry *carry, const char *bytes, size_t length)
{
	size_t room = TRACE_LINE_BYTES_MAX - carry->length;

	if (length > room)
		length = room;
	memcpy(carry->bytes + carry->length, bytes, length);
	carry->length += length;
}

int trace_file_read(const struct trace_file *file,
                    void (*on_line)(void *context, const char *line, size_t length), void *context)
{
	struct carry carry = {xmalloc(TRACE_LINE_BYTES_MAX), 0};
	char *block = xmalloc(BLOCK_BYTES);
	int64_t at = file->begin;
	bool is_first = file->begin > 0; /* and begins somewhere in the middle */
	ssize_t got = 0;

	while (at < file->end) {
		size_t wanted =
			file->end - at < BLOCK_BYTES ? (size_t)(file->end - at) : BLOCK_BYTES;
		const char *begin = block, *end;

		got = pread(file->fd, block, wanted, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		at += got;
		while ((end = memchr(begin, '\n', (size_t)(block + got - begin))) != NULL) {
			if (carry.length > 0 || is_first) {
				add_to_line(&carry, begin, (size_t)(end - begin));
				if (!is_first)
					on_line(context, carry.bytes, carry.length);
				carry.length = 0;
				is_first = false;
			} else {
				size_t length = (size_t)(end - begin);

				on_line(context, begin,
				        length < TRACE_LINE_BYTES_MAX ? length
				                                      : TRACE_LINE_BYTES_MAX);
			}
			begin = end + 1;
		}
		add_to_line(&carry, begin, (size_t)(block + got - begin));
	}
	if (carry.length > 0 && !is_first && got >= 0)
		on_line(context, carry.bytes, carry.length);
	free(block);
	free(carry.bytes);
	return got < 0 ? -1 : 0;
}

int64_t trace_stamp_us(const struct maillog_stamp *stamp, int64_t written_at)
{
	struct tm fields = {.tm_year = stamp->year - 1900,
	                    .tm_mon = stamp->month - 1,
	                    .tm_mday = stamp->day,
	                    .tm_hour = stamp->hour,
	                    .tm_min = stamp->minute,
	                    .tm_sec = stamp->second,
	                    .tm_isdst = -1};
	struct tm tries;
	time_t written = (time_t)written_at;
	int64_t at;

	if (!stamp->is_there)
		return 0;
	if (stamp->has_offset)
		return ((int64_t)timegm(&fields) - stamp->offset_s) * 1000000 + stamp->microsecond;
	if (!stamp->has_year && localtime_r(&written, &tries) != NULL)
		fields.tm_year = tries.tm_year;
	tries = fields;
	at = mktime(&tries);
	if (!stamp->has_year && at > written_at + DAY_S) {
		tries = fields;
		tries.tm_year--;
		at = mktime(&tries);
	}
	return at * 1000000 + stamp->microsecond;
}
