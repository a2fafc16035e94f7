#include "ctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"

#define FILE_MAX_BYTES (4L * 1024 * 1024)

bool file_bytes_equal(const struct file_bytes *a, const struct file_bytes *b)
{
	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

int file_read(const char *path, struct file_bytes *out, struct error *err)
{
	FILE *stream = fopen(path, "re");
	struct buffer text;
	char piece[4096];
	size_t got;
	int rc = 1;

	*out = (struct file_bytes){0};
	if (stream == NULL && errno == ENOENT)
		return 0;
	if (stream == NULL)
		return error_set(err, ERROR_TEMPORARY, "read %s: %s", path, strerror(errno));
	buffer_init(&text, FILE_MAX_BYTES);
	while (!text.is_full && (got = fread(piece, 1, sizeof(piece), stream)) > 0)
		buffer_append(&text, piece, got);
	if (ferror(stream))
		rc = error_set(err, ERROR_TEMPORARY, "read %s: %s", path, strerror(errno));
	else if (text.is_full)
		rc = error_set(err, ERROR_CONFIG, "read %s: it is larger than %ld bytes", path,
		               FILE_MAX_BYTES);
	fclose(stream);
	out->length = text.length;
	out->data = buffer_take(&text);
	if (rc < 0) {
		free(out->data);
		*out = (struct file_bytes){0};
	}
	return rc;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno != EINTR)
			return -1;
		bytes += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

/* Mode and owner are those of the file before. */
static int fill(int fd, const char *path, const struct file_bytes *bytes, int mode)
{
	struct stat before;

	if (stat(path, &before) == 0) {
		mode = (int)(before.st_mode & 07777);
		if (fchown(fd, before.st_uid, before.st_gid) != 0 && errno != EPERM)
			return -1;
	}
	if (fchmod(fd, (mode_t)mode) != 0 || write_all(fd, bytes->data, bytes->length) != 0)
		return -1;
	return fsync(fd);
}

static void sync_directory(const char *path)
{
	char *copy = xstrdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

int file_stage(const char *path, const struct file_bytes *bytes, int mode, struct file_stage *out,
               struct error *err)
{
	char *real = realpath(path, NULL);
	int fd, rc = -1;

	out->target = real != NULL ? real : xstrdup(path);
	out->temporary = xasprintf("%s" FILE_STAGE_MARK "XXXXXX", out->target);
	fd = mkostemp(out->temporary, O_CLOEXEC);
	if (fd >= 0) {
		rc = fill(fd, out->target, bytes, mode);
		if (close(fd) != 0)
			rc = -1;
		if (rc == 0)
			return 0;
	}
	error_set(err, ERROR_TEMPORARY, "write %s: %s", out->target, strerror(errno));
	file_release(out);
	return -1;
}

int file_commit(struct file_stage *stage, struct error *err)
{
	if (rename(stage->temporary, stage->target) != 0)
		return error_set(err, ERROR_TEMPORARY, "write %s: %s", stage->target,
		                 strerror(errno));
	free(stage->temporary);
	stage->temporary = NULL;
	sync_directory(stage->target);
	return 0;
}

void file_release(struct file_stage *stage)
{
	if (stage->temporary != NULL)
		unlink(stage->temporary);
	free(stage->temporary);
	free(stage->target);
	*stage = (struct file_stage){0};
}

int file_write(const char *path, const struct file_bytes *bytes, int mode, struct error *err)
{
	struct file_stage stage;
	int rc = file_stage(path, bytes, mode, &stage, err);

	if (rc == 0) {
		rc = file_commit(&stage, err);
		file_release(&stage);
	}
	return rc;
}
