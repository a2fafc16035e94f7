#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/command.h"
#include "lib/base/buffer.h"
#include "lib/base/memory.h"

/*
 * The configuration of a new company: contrib/rejoinder.conf, which the Makefile
 * makes a string of, with the company's domains in place of its own.
 */

#define EXAMPLE_DOMAIN  "company.example"
#define TEXT_MAX_BYTES  1000000
#define DOMAIN_MAX      100 /* so that no line of the example gets too long */
#define FILE_MODE       0640
#define DEFAULT_FOR_KEY "default_for"

static const char example[] =
#include "ctl/example.inc"
	;

/* Read them as the configuration would; the sentence says which is wrong. */
static int read_domains(const struct invocation *invocation, const char *const *given,
                        struct string_list *domains_out)
{
	const struct option *option = config_options();
	struct config config = {0};
	struct error err;
	int rc = 0;

	while (strcmp(option->name, "domains") != 0)
		option++;
	for (; *given != NULL && rc == 0; given++) {
		rc = option_set(option, &config, *given, &err);
		if (rc < 0)
			command_usage_error(invocation, "--domain: %s", err.text);
	}
	for (size_t i = 0; i < config.domains.count && rc == 0; i++) {
		const char *domain = config.domains.items[i];

		if (strlen(domain) > DOMAIN_MAX) {
			command_usage_error(invocation,
			                    "--domain: found one of %zu bytes, expected at most %d",
			                    strlen(domain), DOMAIN_MAX);
			rc = -1;
		} else if (!string_list_has(domains_out, domain)) {
			string_list_add(domains_out, domain);
		}
	}
	string_list_release(&config.domains);
	if (rc == 0 && domains_out->count == 0) {
		command_usage_error(invocation, "init: a --domain is missing");
		rc = -1;
	}
	return rc;
}

/* A list of all domains: where there are several, in lines of their own. */
static void write_list(struct buffer *text, const char *key, const char *prefix,
                       const struct string_list *domains)
{
	if (domains->count == 1) {
		buffer_printf(text, "%s = %s%s\n", key, prefix, domains->items[0]);
		return;
	}
	buffer_printf(text, "%s =\n", key);
	for (size_t i = 0; i < domains->count; i++)
		buffer_printf(text, "\t%s%s\n", prefix, domains->items[i]);
}

/* Explanations keep the example's domain. */
static void write_line(struct buffer *text, const char *line, size_t length,
                       const struct string_list *domains)
{
	const char *end = line + length, *at;
	bool is_explanation = strncmp(line, "# ", 2) == 0;

	while (!is_explanation && (at = memmem(line, (size_t)(end - line), EXAMPLE_DOMAIN,
	                                       strlen(EXAMPLE_DOMAIN))) != NULL) {
		buffer_append(text, line, (size_t)(at - line));
		buffer_append_text(text, domains->items[0]);
		line = at + strlen(EXAMPLE_DOMAIN);
	}
	buffer_append(text, line, (size_t)(end - line));
	buffer_append_char(text, '\n');
}

static bool is_line(const char *line, size_t length, const char *expected)
{
	return strlen(expected) == length && memcmp(line, expected, length) == 0;
}

static void write_text(struct buffer *text, const struct string_list *domains)
{
	static const char domains_line[] = "domains = " EXAMPLE_DOMAIN;
	static const char staff_line[] = "staff = @" EXAMPLE_DOMAIN;
	static const char default_for_line[] = "#" DEFAULT_FOR_KEY " = " EXAMPLE_DOMAIN;

	for (const char *line = example; *line != '\0';) {
		size_t length = strcspn(line, "\n");

		if (is_line(line, length, domains_line))
			write_list(text, "domains", "", domains);
		else if (is_line(line, length, staff_line))
			write_list(text, "staff", "@", domains);
		else if (domains->count > 1 && is_line(line, length, default_for_line))
			write_list(text, DEFAULT_FOR_KEY, "", domains);
		else
			write_line(text, line, length, domains);
		line += length + (line[length] == '\n');
	}
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

/* A file that is there stays as it is; one that cannot be written whole goes. */
static int make_file(const char *path, const struct buffer *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	int saved_errno;

	if (fd < 0) {
		command_complain("cannot make %s: %s", path, strerror(errno));
		return EX_CANTCREAT;
	}
	/* Whatever the umask is: a password may come into it. */
	if (fchmod(fd, FILE_MODE) < 0 || write_all(fd, text->data, text->length) < 0 ||
	    fsync(fd) < 0) {
		saved_errno = errno;
		close(fd);
		unlink(path);
		command_complain("cannot write %s: %s", path, strerror(saved_errno));
		return EX_IOERR;
	}
	close(fd);
	printf("Wrote %s.  Edit what is marked in it, then:\n"
	       "\trejoinder config\tshow what is in force, or every mistake at once\n"
	       "\trejoinder keys add\tmake the key that signs tokens\n",
	       path);
	return 0;
}

int command_init(struct invocation *invocation)
{
	const char *given[FLAG_VALUES_MAX + 1] = {NULL};
	bool is_given = false;
	const struct flag flags[] = {{"domain", 'd', &is_given, given}, {NULL, 0, NULL, NULL}};
	struct string_list domains = {0};
	const char *path;
	struct buffer text;
	int status;

	if (!command_arguments(invocation, flags, 0, 1, &status))
		return status;
	path = invocation->argc > 0 ? invocation->argv[0] : invocation->config_path;
	if (read_domains(invocation, given, &domains) < 0) {
		string_list_release(&domains);
		return EX_USAGE;
	}
	buffer_init(&text, TEXT_MAX_BYTES);
	write_text(&text, &domains);
	status = 0;
	if (strcmp(path, "-") == 0)
		fputs(text.data, stdout);
	else
		status = make_file(path, &text);
	buffer_release(&text);
	string_list_release(&domains);
	return status;
}
