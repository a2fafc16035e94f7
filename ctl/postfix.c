#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/output.h"
#include "ctl/relay_map.h"
#include "lib/base/buffer.h"
#include "lib/base/memory.h"

#define MAP_MODE 0644 /* Postfix's trivial-rewrite reads it as user postfix */
#define MAP_MAX_BYTES                                                                              \
	(4L * 1024 * 1024) /* far over that of all accounts a configuration may have */

static const char heading[] =
	"# Written by `rejoinder postfix maps`, which replaces it: which relay takes the mail\n"
	"# of a sender.  Postfix reads it as texthash, anew after `postfix reload`.\n";

void relay_map_lines(const struct config *config, struct string_list *out)
{
	static const char *const transports[] = {[RELAY_SCHEME_STARTTLS] = "rejoinder-relay",
	                                         [RELAY_SCHEME_TLS] = "rejoinder-relays"};

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		char host[ENDPOINT_HOST_SIZE];
		enum relay_scheme scheme;
		uint16_t port;

		if (account->is_enabled && config_relay(account, &scheme, host, &port) == 1)
			string_list_take(out, xasprintf("%s %s:[%s]:%u", account->address,
			                                transports[scheme], host, (unsigned)port));
	}
}

static char *join(const struct string_list *lines)
{
	struct buffer text;

	buffer_init(&text, MAP_MAX_BYTES);
	buffer_append_text(&text, heading);
	for (size_t i = 0; i < lines->count; i++) {
		buffer_append_text(&text, lines->items[i]);
		buffer_append_char(&text, '\n');
	}
	return buffer_take(&text);
}

char *relay_map_read(const char *path, struct error *err)
{
	struct buffer text;
	char piece[4096];
	size_t got;
	FILE *stream = fopen(path, "re");

	err->kind = ERROR_NONE;
	if (stream == NULL) {
		if (errno != ENOENT)
			error_set(err, ERROR_TEMPORARY, "read %s: %s", path, strerror(errno));
		return NULL;
	}
	buffer_init(&text, MAP_MAX_BYTES);
	while ((got = fread(piece, 1, sizeof(piece), stream)) > 0)
		buffer_append(&text, piece, got);
	if (ferror(stream))
		error_set(err, ERROR_TEMPORARY, "read %s: %s", path, strerror(errno));
	else if (text.is_full)
		error_set(err, ERROR_CONFIG, "read %s: it is too large to be a map of ours", path);
	fclose(stream);
	if (err->kind == ERROR_NONE)
		return buffer_take(&text);
	buffer_release(&text);
	return NULL;
}

void relay_map_split(const char *text, struct string_list *out)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n"), end = length;
		const char *next = text + length + (text[length] == '\n');

		while (end > 0 && strchr(" \t\r", text[end - 1]) != NULL)
			end--;
		if (end > 0 && *text != '#')
			string_list_take(out, xmemdup0(text, end));
		text = next;
	}
}

static void print_missing(const struct string_list *from, const struct string_list *in, char sign)
{
	for (size_t i = 0; i < from->count; i++) {
		char *clean;

		if (string_list_has(in, from->items[i]))
			continue;
		clean = output_clean(from->items[i]);
		printf("%c %s\n", sign, clean);
		free(clean);
	}
}

static void print_changes(const char *earlier, const struct string_list *lines)
{
	struct string_list before = {0};

	relay_map_split(earlier, &before);
	print_missing(&before, lines, '-');
	print_missing(lines, &before, '+');
	string_list_release(&before);
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

/* The owner is that of the file before; who may not give it away keeps it. */
static int fill(int fd, const char *path, const char *text)
{
	struct stat before;

	if (stat(path, &before) == 0 && fchown(fd, before.st_uid, before.st_gid) != 0 &&
	    errno != EPERM)
		return -1;
	if (fchmod(fd, MAP_MODE) != 0 || write_all(fd, text, strlen(text)) != 0)
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

/* Whoever reads it finds the old one or the new one, whole. */
static int replace(const char *path, const char *text, struct error *err)
{
	char *temporary = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC), rc = -1;

	if (fd >= 0) {
		rc = fill(fd, path, text);
		if (close(fd) != 0)
			rc = -1;
		if (rc == 0)
			rc = rename(temporary, path);
		if (rc != 0) {
			error_set(err, ERROR_TEMPORARY, "write %s: %s", path, strerror(errno));
			unlink(temporary);
		}
	} else {
		error_set(err, ERROR_TEMPORARY, "write %s: %s", path, strerror(errno));
	}
	if (rc == 0)
		sync_directory(path);
	free(temporary);
	return rc;
}

static int maps(const struct config *config, const char *path, bool is_dry_run)
{
	struct string_list lines = {0};
	struct error err;
	char *earlier = relay_map_read(path, &err), *text;
	int status = 0;

	if (earlier == NULL && err.kind != ERROR_NONE) {
		command_complain("%s", err.text);
		return EX_IOERR;
	}
	relay_map_lines(config, &lines);
	text = join(&lines);
	if (earlier != NULL && strcmp(earlier, text) == 0) {
		printf("%s is up to date (%zu relay%s).\n", path, lines.count,
		       lines.count == 1 ? "" : "s");
	} else {
		print_changes(earlier != NULL ? earlier : "", &lines);
		if (is_dry_run) {
			printf("%s would be written.\n", path);
		} else if (replace(path, text, &err) == 0) {
			printf("%s is written; Postfix reads it after: postfix reload\n", path);
		} else {
			command_complain("%s", err.text);
			status = EX_IOERR;
		}
	}
	free(text);
	free(earlier);
	string_list_release(&lines);
	return status;
}

int command_postfix(struct invocation *invocation)
{
	bool is_dry_run = false;
	const struct flag flags[] = {{"dry-run", 'n', &is_dry_run, NULL}, {NULL, 0, NULL, NULL}};
	struct config *config;
	const char *path;
	char *real;
	int status;

	if (!command_arguments(invocation, flags, 1, 2, &status))
		return status;
	if (strcmp(invocation->argv[0], "maps") != 0)
		return command_usage_error(invocation, "postfix: unexpected argument \"%s\"",
		                           invocation->argv[0]);
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	path = invocation->argc > 1 ? invocation->argv[1] : config->transport_map;
	/* A link stays one: what it leads to is replaced. */
	real = realpath(path, NULL);
	status = maps(config, real != NULL ? real : path, is_dry_run);
	free(real);
	config_free(config);
	return status;
}
