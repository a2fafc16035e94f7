#include "ctl/mail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/memory.h"
#include "lib/mail/message.h"

#define HEADER_BYTES (16 * 1024 * 1024) /* of a header that is read */
#define CHUNK_BYTES  (64 * 1024)

/* Where the body begins, or 0 if the header has no end yet. from: what was searched before. */
static size_t find_body(const struct buffer *bytes, size_t from)
{
	const char *at = bytes->data + (from > 2 ? from - 2 : 0);
	const char *end = bytes->data + bytes->length;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		if (at < end && *at == '\n')
			return (size_t)(at + 1 - bytes->data);
		if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at + 2 - bytes->data);
	}
	return 0;
}

/* Read the header and as much of the body as is looked at. Returns 0, or -1 with errno. */
static int read_message(int fd, struct buffer *out)
{
	char *chunk = xmalloc(CHUNK_BYTES);
	size_t limit = HEADER_BYTES;
	size_t body_at = 0;
	ssize_t got = 0;

	while (out->length < limit) {
		size_t before = out->length;
		size_t room = limit - before;

		got = read(fd, chunk, room < CHUNK_BYTES ? room : CHUNK_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		buffer_append(out, chunk, (size_t)got);
		if (body_at == 0) {
			body_at = find_body(out, before);
			if (body_at > 0)
				limit = body_at + MESSAGE_BODY_BYTES;
		}
	}
	free(chunk);
	return got < 0 ? -1 : 0;
}

int mail_file_read(const char *path, struct buffer *out)
{
	bool is_stdin = strcmp(path, MAIL_FILE_STDIN) == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	buffer_init(out, HEADER_BYTES + MESSAGE_BODY_BYTES);
	if (fd < 0)
		return -1;
	rc = read_message(fd, out);
	if (!is_stdin) {
		int cause = errno;

		close(fd);
		errno = cause;
	}
	return rc;
}

bool mail_file_is_of_null_sender(const struct buffer *bytes)
{
	static const char *const beginnings[] = {"From MAILER-DAEMON ", "From <> ",
	                                         "From MAILER_DAEMON "};

	for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
		if (strncasecmp(bytes->data, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}
