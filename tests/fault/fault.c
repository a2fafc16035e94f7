/*
 * A disk in trouble: preloaded, it makes chosen calls on chosen files slow, or
 * fail.  All is said in the environment of the process:
 *
 * FAULT_PATH     whose files: a part of the path, or a pattern of fnmatch(3) for
 *                the whole of it; unset, any file.
 * FAULT_CALLS    which calls, words with commas between: write (write, pwrite,
 *                writev, pwritev), sync (fdatasync, fsync), truncate, open (of
 *                one who means to write or create), allocate (fallocate), read
 *                (read, pread), rename (by the path before).  Unset: all but read
 *                and rename.
 * FAULT_ERRNO    how they fail: ENOSPC, EIO, EROFS or EDQUOT.  Unset, they do not.
 * FAULT_DELAY_MS how much longer they take.
 * FAULT_AT       the first such call that is hit, 1 if unset.
 * FAULT_COUNT    how many are hit from there on, all if unset.
 * FAULT_WHILE    a control file: calls are hit, and counted, only while it is
 *                there.  Its text may say "ERRNO" or "ERRNO CALLS" and then goes
 *                before FAULT_ERRNO and FAULT_CALLS.
 *
 * A setting that is not understood ends the process, since a fault that does not
 * happen would let a test pass.  Not seen: writes through a mapping (SQLite's
 * -shm), io_uring, sendfile, and the checked forms that _FORTIFY_SOURCE calls.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call {
	CALL_WRITE = 1 << 0,
	CALL_SYNC = 1 << 1,
	CALL_TRUNCATE = 1 << 2,
	CALL_OPEN = 1 << 3,
	CALL_ALLOCATE = 1 << 4,
	CALL_READ = 1 << 5,
	CALL_RENAME = 1 << 6,
};

static const struct {
	const char *word;
	unsigned call;
} call_words[] = {
	{"write", CALL_WRITE},   {"sync", CALL_SYNC},         {"truncate", CALL_TRUNCATE},
	{"open", CALL_OPEN},     {"allocate", CALL_ALLOCATE}, {"read", CALL_READ},
	{"rename", CALL_RENAME},
};

static const struct {
	const char *word;
	int number;
} errno_words[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT}};

struct fault {
	unsigned calls;
	int number; /* errno, or 0: the call is only slow */
};

static struct {
	const char *path, *control;
	struct fault fault;
	long delay_ms, first, count;
} settings;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_long calls_seen;

/* The function behind ours, with the type of ours. */
#define NEXT(name) ((__typeof__(&name))find_next(#name))

static void *find_next(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	if (next == NULL)
		abort();
	return next;
}

static void give_up(const char *name, const char *value)
{
	fprintf(stderr, "fault: cannot understand %s: %s\n", name, value);
	abort();
}

static long read_number(const char *name, long otherwise)
{
	const char *text = getenv(name);
	char *end;
	long number;

	if (text == NULL)
		return otherwise;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0)
		give_up(name, text);
	return number;
}

static int parse_errno(const char *name, const char *text)
{
	for (size_t i = 0; i < sizeof(errno_words) / sizeof(errno_words[0]); i++)
		if (strcmp(text, errno_words[i].word) == 0)
			return errno_words[i].number;
	give_up(name, text);
	return 0;
}

static unsigned parse_calls(const char *name, const char *text)
{
	unsigned calls = 0;

	for (const char *word = text; *word != '\0';) {
		size_t length = strcspn(word, ",");
		unsigned call = 0;

		for (size_t i = 0; i < sizeof(call_words) / sizeof(call_words[0]); i++)
			if (strlen(call_words[i].word) == length &&
			    strncmp(word, call_words[i].word, length) == 0)
				call = call_words[i].call;
		if (call == 0)
			give_up(name, text);
		calls |= call;
		word += length + (word[length] == ',');
	}
	return calls;
}

static void read_settings(void)
{
	const char *number = getenv("FAULT_ERRNO"), *calls = getenv("FAULT_CALLS");

	settings.path = getenv("FAULT_PATH");
	settings.control = getenv("FAULT_WHILE");
	settings.fault.number = number != NULL ? parse_errno("FAULT_ERRNO", number) : 0;
	settings.fault.calls =
		calls != NULL ? parse_calls("FAULT_CALLS", calls)
			      : CALL_WRITE | CALL_SYNC | CALL_TRUNCATE | CALL_OPEN | CALL_ALLOCATE;
	settings.delay_ms = read_number("FAULT_DELAY_MS", 0);
	settings.first = read_number("FAULT_AT", 1);
	settings.count = read_number("FAULT_COUNT", LONG_MAX);
}

/* Is the fault on now, and which? */
static bool is_on(struct fault *fault)
{
	char text[128], number[32], calls[64];
	ssize_t length;
	int fd, words;

	*fault = settings.fault;
	if (settings.control == NULL)
		return true;
	fd = NEXT(open)(settings.control, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = NEXT(read)(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	words = sscanf(text, "%31s %63s", number, calls);
	if (words >= 1)
		fault->number = parse_errno(settings.control, number);
	if (words == 2)
		fault->calls = parse_calls(settings.control, calls);
	return true;
}

static bool is_path_meant(const char *path)
{
	return settings.path == NULL || strstr(path, settings.path) != NULL ||
	       fnmatch(settings.path, path, 0) == 0;
}

static void wait_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

/* Called for every call; returns the errno that it is to fail with, or 0. */
static int hit_path(unsigned call, const char *path)
{
	int saved = errno;
	struct fault fault;
	long seen;

	pthread_once(&once, read_settings);
	if (!is_path_meant(path) || !is_on(&fault) || !(fault.calls & call)) {
		errno = saved;
		return 0;
	}
	seen = atomic_fetch_add(&calls_seen, 1) + 1;
	if (seen < settings.first || seen - settings.first >= settings.count)
		fault.number = 0;
	else if (settings.delay_ms > 0)
		wait_ms(settings.delay_ms);
	errno = saved;
	return fault.number;
}

static int hit(unsigned call, int fd)
{
	int saved = errno;
	char link[64], path[PATH_MAX] = "";
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	errno = saved;
	return hit_path(call, path);
}

static int fail(int number)
{
	errno = number;
	return -1;
}

static bool is_to_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
}

/* Each is what it hides, with the 64-bit name that stands for the same. */
#define DEFINE(type, name, call, parameters, arguments)                                            \
	type name parameters                                                                       \
	{                                                                                          \
		int number = hit(call, fd);                                                        \
		return number != 0 ? fail(number) : NEXT(name) arguments;                          \
	}

DEFINE(ssize_t, write, CALL_WRITE, (int fd, const void *bytes, size_t length), (fd, bytes, length))
DEFINE(ssize_t, pwrite, CALL_WRITE, (int fd, const void *bytes, size_t length, off_t at),
       (fd, bytes, length, at))
DEFINE(ssize_t, pwrite64, CALL_WRITE, (int fd, const void *bytes, size_t length, off64_t at),
       (fd, bytes, length, at))
DEFINE(ssize_t, writev, CALL_WRITE, (int fd, const struct iovec *parts, int count),
       (fd, parts, count))
DEFINE(ssize_t, pwritev, CALL_WRITE, (int fd, const struct iovec *parts, int count, off_t at),
       (fd, parts, count, at))
DEFINE(ssize_t, pwritev64, CALL_WRITE, (int fd, const struct iovec *parts, int count, off64_t at),
       (fd, parts, count, at))
DEFINE(ssize_t, read, CALL_READ, (int fd, void *bytes, size_t length), (fd, bytes, length))
DEFINE(ssize_t, pread, CALL_READ, (int fd, void *bytes, size_t length, off_t at),
       (fd, bytes, length, at))
DEFINE(ssize_t, pread64, CALL_READ, (int fd, void *bytes, size_t length, off64_t at),
       (fd, bytes, length, at))
DEFINE(int, fdatasync, CALL_SYNC, (int fd), (fd))
DEFINE(int, fsync, CALL_SYNC, (int fd), (fd))
DEFINE(int, ftruncate, CALL_TRUNCATE, (int fd, off_t length), (fd, length))
DEFINE(int, ftruncate64, CALL_TRUNCATE, (int fd, off64_t length), (fd, length))
DEFINE(int, fallocate, CALL_ALLOCATE, (int fd, int mode, off_t at, off_t length),
       (fd, mode, at, length))
DEFINE(int, fallocate64, CALL_ALLOCATE, (int fd, int mode, off64_t at, off64_t length),
       (fd, mode, at, length))

int rename(const char *from, const char *to)
{
	int number = hit_path(CALL_RENAME, from);

	return number != 0 ? fail(number) : NEXT(rename)(from, to);
}

/* These return their errno. */
int posix_fallocate(int fd, off_t at, off_t length)
{
	int number = hit(CALL_ALLOCATE, fd);

	return number != 0 ? number : NEXT(posix_fallocate)(fd, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length)
{
	int number = hit(CALL_ALLOCATE, fd);

	return number != 0 ? number : NEXT(posix_fallocate64)(fd, at, length);
}

#define DEFINE_OPEN(name, first_parameter, first_argument)                                         \
	int name(first_parameter const char *path, int flags, ...)                                 \
	{                                                                                          \
		int number = is_to_write(flags) ? hit_path(CALL_OPEN, path) : 0;                   \
		mode_t mode = 0;                                                                   \
		va_list more;                                                                      \
                                                                                                   \
		va_start(more, flags);                                                             \
		if (flags & (O_CREAT | __O_TMPFILE))                                               \
			mode = va_arg(more, mode_t);                                               \
		va_end(more);                                                                      \
		return number != 0 ? fail(number) : NEXT(name)(first_argument path, flags, mode);  \
	}

#define NOTHING
#define DIRECTORY_PARAMETER int directory,
#define DIRECTORY_ARGUMENT  directory,

DEFINE_OPEN(open, NOTHING, NOTHING)
DEFINE_OPEN(open64, NOTHING, NOTHING)
DEFINE_OPEN(openat, DIRECTORY_PARAMETER, DIRECTORY_ARGUMENT)
DEFINE_OPEN(openat64, DIRECTORY_PARAMETER, DIRECTORY_ARGUMENT)
