/*
 * A load generator: SESSIONS concurrent SMTP sessions send numbered messages of
 * one or more kinds, and what became of every number is written down.
 *
 * usage: load --port N --sessions S --messages M [--first NUMBER] [--host ADDR]
 *             [--retry] [--give-up SECONDS] [--result FILE]
 *             --template FILE [--source ADDR] --from ADDR --rcpt ADDR...
 *             [--values FILE] [--template FILE ...]...
 *
 * Each --template begins a kind; the options of its line belong to it.  The
 * numbers FIRST .. FIRST+M-1 take the kinds in turn: of two kinds, each sends
 * half.  In the template, in --from and in --rcpt, @N@ is the number and @V@ a
 * line of --values (line i modulo their count for the i-th message of a kind).
 * --source is the local address to connect from.  A session stays with its kind
 * (session i with kind i modulo their count) until that is used up and then
 * helps the others.
 *
 * With --retry, what was not answered 2xx or 5xx is sent again on a new
 * connection, after a pause that doubles from 0.1 s to 2 s, as an MTA would,
 * until --give-up (default 300 s) after the start.
 *
 * The result has one line a number: `NUMBER REPLY TRIES UNKNOWN`.  REPLY is the
 * last code, `lost` when the connection died after the final dot was sent (the
 * message may have been taken), or `none` when it died before; UNKNOWN counts
 * the tries that were lost.  Printed: `N messages in S s, R messages/s`, the
 * counts of each reply, of retries and of lost tries.  Exit 0 if every number
 * was answered 2xx, 1 if not.
 *
 * Not implemented: PIPELINING (each command waits for its reply), TLS, AUTH, IPv6.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define KINDS_MAX     8
#define RCPTS_MAX     20
#define SESSIONS_MAX  1000
#define FILE_MAX      (16 << 20)
#define REPLY_TIME_S  120
#define PAUSE_FIRST_S 0.1
#define PAUSE_MAX_S   2.0

enum {
	REPLY_NONE = 0, /* the connection died before the message could be taken */
	REPLY_LOST = 1, /* it died after the dot: unknown */
};

struct kind {
	const char *template_path;
	char *template; /* LF line ends */
	const char *source;
	const char *from;
	const char *rcpts[RCPTS_MAX];
	int rcpt_count;
	char **values;
	long value_count;
	long next; /* under lock: the next message of this kind, counted from 0 */
	long count;
};

struct result {
	int reply;
	int tries;
	int unknown;
	double due_at;        /* of the next try */
	struct result *later; /* in the list of those to try again, soonest first */
};

struct session {
	pthread_t thread;
	int home_kind;
	int fd; /* -1: not connected */
	int fd_kind;
	char buffer[4096]; /* bytes received and not yet read */
	size_t start, end;
};

static struct kind kinds[KINDS_MAX];
static int kind_count;
static struct in_addr host;
static int port;
static long first = 1, message_count;
static int session_count = 1;
static bool is_retrying;
static double give_up_at;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static struct result *results; /* by number - first; each has one owner at a time */
static struct result *retries; /* under lock */
static long unfinished;        /* under lock */

static void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "load: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(64);
}

static double clock_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the text of a message ---- */

struct text {
	char *data;
	size_t length, capacity;
};

static void text_add(struct text *text, const char *bytes, size_t length)
{
	if (text->length + length + 1 > text->capacity) {
		text->capacity = (text->length + length + 1) * 2;
		text->data = realloc(text->data, text->capacity);
		if (!text->data)
			abort();
	}
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

/* Append a pattern with @N@ and @V@ replaced; as_data: CR LF and doubled dots too. */
static void text_expand(struct text *text, const char *pattern, const char *number,
                        const char *value, bool as_data)
{
	bool is_line_start = true;
	for (const char *p = pattern; *p; p++) {
		if (strncmp(p, "@N@", 3) == 0 || strncmp(p, "@V@", 3) == 0) {
			const char *word = p[1] == 'N' ? number : value;
			text_add(text, word, strlen(word));
			p += 2;
			is_line_start = false;
			continue;
		}
		if (as_data && is_line_start && *p == '.')
			text_add(text, ".", 1);
		if (as_data && *p == '\n')
			text_add(text, "\r", 1);
		text_add(text, p, 1);
		is_line_start = *p == '\n';
	}
}

/* ---- one session ---- */

static void session_close(struct session *session)
{
	if (session->fd != -1)
		close(session->fd);
	session->fd = -1;
	session->start = session->end = 0;
}

static int session_write(struct session *session, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(session->fd, bytes, length, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

static int session_read_char(struct session *session)
{
	if (session->start == session->end) {
		ssize_t n;
		do
			n = recv(session->fd, session->buffer, sizeof(session->buffer), 0);
		while (n == -1 && errno == EINTR);
		if (n <= 0)
			return -1;
		session->start = 0;
		session->end = (size_t)n;
	}
	return (unsigned char)session->buffer[session->start++];
}

/* The code of one reply of any number of lines, or -1 when the connection is gone. */
static int session_reply(struct session *session)
{
	for (;;) {
		char line[1024];
		size_t length = 0;
		int c;
		while ((c = session_read_char(session)) != '\n') {
			if (c == -1)
				return -1;
			if (length < sizeof(line) - 1)
				line[length++] = (char)c;
		}
		line[length] = '\0';
		if (length >= 3 && (length == 3 || line[3] != '-'))
			return (int)strtol(line, NULL, 10);
	}
}

static int session_command(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int session_command(struct session *session, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(line) - 2)
		die("a command is too long: %.60s...", line);
	memcpy(line + length, "\r\n", 2);
	if (session_write(session, line, (size_t)length + 2) == -1)
		return -1;
	return session_reply(session);
}

/* Connect and say EHLO: the code of the refusal, 250, or -1. */
static int session_open(struct session *session, int kind)
{
	session->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (session->fd == -1)
		return -1;
	session->fd_kind = kind;
	struct timeval patience = {.tv_sec = REPLY_TIME_S};
	setsockopt(session->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(session->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (kinds[kind].source) {
		struct sockaddr_in from = {.sin_family = AF_INET};
		inet_pton(AF_INET, kinds[kind].source, &from.sin_addr);
		if (bind(session->fd, (struct sockaddr *)&from, sizeof(from)) == -1)
			return -1;
	}
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr = host,
		.sin_port = htons((uint16_t)port),
	};
	if (connect(session->fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		return -1;
	int reply = session_reply(session);
	if (reply != 220)
		return reply;
	return session_command(session, "EHLO load.example.org");
}

static const char *value_of(const struct kind *kind, long index)
{
	return kind->value_count > 0 ? kind->values[index % kind->value_count] : "";
}

/* MAIL, each RCPT, DATA: 354, the reply that stopped it, or -1. */
static int session_envelope(struct session *session, const struct kind *kind, const char *number,
                            const char *value)
{
	struct text text = {0};
	text_expand(&text, kind->from, number, value, false);
	int reply = session_command(session, "MAIL FROM:<%s>", text.data ? text.data : "");
	for (int i = 0; i < kind->rcpt_count && reply / 100 == 2; i++) {
		text.length = 0;
		text_expand(&text, kind->rcpts[i], number, value, false);
		reply = session_command(session, "RCPT TO:<%s>", text.data);
	}
	if (reply / 100 == 2)
		reply = session_command(session, "DATA");
	free(text.data);
	return reply;
}

/* One try at one message: what the result says of it. */
static int session_send(struct session *session, int kind_index, long index)
{
	const struct kind *kind = &kinds[kind_index];
	char number[24];
	snprintf(number, sizeof(number), "%ld", first + index);
	const char *value = value_of(kind, index / kind_count);
	int reply;
	if (session->fd != -1 && session->fd_kind != kind_index) {
		session_command(session, "QUIT");
		session_close(session);
	}
	if (session->fd == -1) {
		reply = session_open(session, kind_index);
		if (reply != 250)
			return reply == -1 ? REPLY_NONE : reply;
	}
	reply = session_envelope(session, kind, number, value);
	if (reply != 354)
		return reply == -1 ? REPLY_NONE : reply;
	struct text text = {0};
	text_expand(&text, kind->template, number, value, true);
	text_add(&text, ".\r\n", 3);
	/* The dot stands last: a write that fails did not send it. */
	if (session_write(session, text.data, text.length) == -1)
		reply = REPLY_NONE;
	else if ((reply = session_reply(session)) == -1)
		reply = REPLY_LOST;
	free(text.data);
	return reply;
}

/* ---- the work, shared ---- */

/* Called with the lock held. */
static void retry_later(struct result *result)
{
	double pause = PAUSE_FIRST_S;
	for (int i = 1; i < result->tries && pause < PAUSE_MAX_S; i++)
		pause *= 2;
	result->due_at = clock_s() + (pause < PAUSE_MAX_S ? pause : PAUSE_MAX_S);
	struct result **at = &retries;
	while (*at && (*at)->due_at <= result->due_at)
		at = &(*at)->later;
	result->later = *at;
	*at = result;
}

/* The next message to send, by its number - first, or -1 when all have their result. */
static long claim(int home_kind)
{
	long index = -1;
	pthread_mutex_lock(&lock);
	while (index == -1 && unfinished > 0) {
		if (retries && retries->due_at <= clock_s()) {
			index = retries - results;
			retries = retries->later;
		}
		for (int i = 0; i < kind_count && index == -1; i++) {
			int k = (home_kind + i) % kind_count;
			if (kinds[k].next < kinds[k].count)
				index = kinds[k].next++ * kind_count + k;
		}
		if (index != -1)
			break;
		double until = retries ? retries->due_at : clock_s() + 60;
		struct timespec at = {.tv_sec = (time_t)until};
		at.tv_nsec = (long)((until - (double)at.tv_sec) * 1e9);
		pthread_cond_timedwait(&changed, &lock, &at);
	}
	pthread_mutex_unlock(&lock);
	return index;
}

static void finish(long index, int reply)
{
	struct result *result = &results[index];
	pthread_mutex_lock(&lock);
	result->reply = reply;
	result->tries++;
	result->unknown += reply == REPLY_LOST;
	bool is_final = reply / 100 == 2 || reply / 100 == 5;
	if (!is_final && is_retrying && clock_s() < give_up_at)
		retry_later(result);
	else
		unfinished--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void *session_run(void *argument)
{
	struct session *session = argument;
	long index;
	session->fd = -1;
	while ((index = claim(session->home_kind)) != -1) {
		int reply = session_send(session, (int)(index % kind_count), index);
		/* After a milter's error Postfix refuses all that follows in the session. */
		if (reply / 100 != 2)
			session_close(session);
		finish(index, reply);
	}
	if (session->fd != -1)
		session_command(session, "QUIT");
	session_close(session);
	return NULL;
}

/* ---- the command line and the report ---- */

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	if (!file)
		die("cannot open %s: %s", path, strerror(errno));
	char *data = malloc(FILE_MAX + 1);
	if (!data)
		abort();
	size_t length = fread(data, 1, FILE_MAX + 1, file);
	if (ferror(file) || length > FILE_MAX)
		die("cannot read %s, or it is too big", path);
	fclose(file);
	data[length] = '\0';
	return data;
}

static void read_values(struct kind *kind, const char *path)
{
	char *data = read_file(path), *rest = data, *line;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		kind->values = reallocarray(kind->values, (size_t)kind->value_count + 1,
		                            sizeof(*kind->values));
		if (!kind->values)
			abort();
		kind->values[kind->value_count++] = line;
	}
	if (kind->value_count == 0)
		die("%s holds no values", path);
}

static long number_option(const char *name, const char *text, long min, long max)
{
	char *end;
	long number = strtol(text, &end, 10);
	if (*end || end == text || number < min || number > max)
		die("--%s: found \"%s\", expected a number from %ld to %ld", name, text, min, max);
	return number;
}

static void begin_kind(const char *template_path)
{
	if (kind_count == KINDS_MAX)
		die("more than %d templates", KINDS_MAX);
	struct kind *kind = &kinds[kind_count++];
	kind->template_path = template_path;
	kind->template = read_file(template_path);
	size_t length = strlen(kind->template);
	if (length == 0 || kind->template[length - 1] != '\n')
		die("%s does not end with a line end", template_path);
}

static void kind_option(int option, const char *value)
{
	if (kind_count == 0)
		die("--template comes before the options of its kind");
	struct kind *kind = &kinds[kind_count - 1];
	struct in_addr ignored;
	switch (option) {
	case 'S':
		if (inet_pton(AF_INET, value, &ignored) != 1)
			die("--source: found \"%s\", expected an IPv4 address", value);
		kind->source = value;
		break;
	case 'f':
		kind->from = value;
		break;
	case 'r':
		if (kind->rcpt_count == RCPTS_MAX)
			die("more than %d recipients", RCPTS_MAX);
		kind->rcpts[kind->rcpt_count++] = value;
		break;
	case 'v':
		read_values(kind, value);
		break;
	}
}

static const char *parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"host", 1, NULL, 'h'},     {"port", 1, NULL, 'p'},   {"sessions", 1, NULL, 's'},
		{"messages", 1, NULL, 'm'}, {"first", 1, NULL, 'n'},  {"retry", 0, NULL, 'y'},
		{"give-up", 1, NULL, 'g'},  {"result", 1, NULL, 'o'}, {"template", 1, NULL, 't'},
		{"source", 1, NULL, 'S'},   {"from", 1, NULL, 'f'},   {"rcpt", 1, NULL, 'r'},
		{"values", 1, NULL, 'v'},   {NULL, 0, NULL, 0},
	};
	const char *result_path = NULL;
	double give_up = 300;
	int option;
	inet_pton(AF_INET, "127.0.0.1", &host);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			if (inet_pton(AF_INET, optarg, &host) != 1)
				die("--host: found \"%s\", expected an IPv4 address", optarg);
			break;
		case 'p':
			port = (int)number_option("port", optarg, 1, 65535);
			break;
		case 's':
			session_count = (int)number_option("sessions", optarg, 1, SESSIONS_MAX);
			break;
		case 'm':
			message_count = number_option("messages", optarg, 1, 10000000);
			break;
		case 'n':
			first = number_option("first", optarg, 0, 1000000000);
			break;
		case 'y':
			is_retrying = true;
			break;
		case 'g':
			give_up = (double)number_option("give-up", optarg, 1, 86400);
			break;
		case 'o':
			result_path = optarg;
			break;
		case 't':
			begin_kind(optarg);
			break;
		case '?':
			exit(64);
		default:
			kind_option(option, optarg);
		}
	}
	if (optind != argc)
		die("unexpected argument \"%s\"", argv[optind]);
	if (!port || !message_count || !kind_count)
		die("--port, --messages and --template are needed");
	give_up_at = clock_s() + give_up;
	return result_path;
}

static void check_kinds(void)
{
	for (int i = 0; i < kind_count; i++) {
		if (!kinds[i].from || kinds[i].rcpt_count == 0)
			die("%s needs --from and --rcpt", kinds[i].template_path);
		kinds[i].count = (message_count - i + kind_count - 1) / kind_count;
	}
}

static const char *reply_name(char out[16], int reply)
{
	if (reply == REPLY_NONE)
		return "none";
	if (reply == REPLY_LOST)
		return "lost";
	snprintf(out, 16, "%d", reply);
	return out;
}

static bool report(const char *result_path, double seconds)
{
	static long counts[1000];
	long retried = 0, unknown = 0, accepted = 0;
	char name[16];
	FILE *file = result_path ? fopen(result_path, "w") : NULL;
	if (result_path && !file)
		die("cannot write %s: %s", result_path, strerror(errno));
	for (long i = 0; i < message_count; i++) {
		const struct result *result = &results[i];
		if (file)
			fprintf(file, "%ld %s %d %d\n", first + i, reply_name(name, result->reply),
			        result->tries, result->unknown);
		counts[result->reply < 0 || result->reply > 999 ? 999 : result->reply]++;
		retried += result->tries - 1;
		unknown += result->unknown;
		accepted += result->reply / 100 == 2;
	}
	if (file && fclose(file) != 0)
		die("cannot write %s: %s", result_path, strerror(errno));
	printf("%ld messages in %.3f s, %.1f messages/s\n", message_count, seconds,
	       (double)message_count / seconds);
	for (int i = 0; i < 1000; i++)
		if (counts[i])
			printf("%s: %ld\n", reply_name(name, i), counts[i]);
	printf("retries: %ld\nlost: %ld\n", retried, unknown);
	return accepted == message_count;
}

int main(int argc, char **argv)
{
	const char *result_path = parse_options(argc, argv);
	check_kinds();
	signal(SIGPIPE, SIG_IGN);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attributes);
	results = calloc((size_t)message_count, sizeof(*results));
	struct session *sessions = calloc((size_t)session_count, sizeof(*sessions));
	if (!results || !sessions)
		abort();
	unfinished = message_count;

	double start = clock_s();
	for (int i = 0; i < session_count; i++) {
		sessions[i].home_kind = i % kind_count;
		if (pthread_create(&sessions[i].thread, NULL, session_run, &sessions[i]) != 0)
			die("cannot start thread %d", i);
	}
	for (int i = 0; i < session_count; i++)
		pthread_join(sessions[i].thread, NULL);
	bool is_all_accepted = report(result_path, clock_s() - start);
	free(sessions);
	free(results);
	return is_all_accepted ? 0 : 1;
}
