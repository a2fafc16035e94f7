#include "lib/base/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"
#include "lib/base/pattern.h"
#include "lib/base/secret.h"

#define CONFIG_MAX_BYTES      1048576
#define STAFF_FILE_MAX_BYTES  4194304
#define STAFF_FILE_MAX_LINES  10000
#define STAFF_FILE_LINE_BYTES 500 /* the longest valid pattern, 318 bytes, and a remark */

void mistake_add_in(struct mistakes *mistakes, const char *path, int line, const char *format, ...)
{
	char text[MISTAKE_BYTES];
	va_list args;

	if (mistakes->list->count > MISTAKES_MAX)
		return;
	if (mistakes->list->count == MISTAKES_MAX) {
		string_list_take(mistakes->list,
		                 xasprintf("%s: found more mistakes, expected to have these "
		                           "corrected first",
		                           mistakes->path));
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	string_list_take(mistakes->list, line > 0 ? xasprintf("%s:%d: %s", path, line, text)
	                                          : xasprintf("%s: %s", path, text));
}

void mistake_add(struct mistakes *mistakes, int line, const char *format, ...)
{
	char text[MISTAKE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mistake_add_in(mistakes, mistakes->path, line, "%s", text);
}

/* Also tells whether others than owner and group can read the file. */
static char *read_bytes(const char *path, size_t max_bytes, size_t *length_out, bool *is_public_out,
                        struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	struct buffer bytes;
	char block[16384];
	ssize_t got = 0;

	if (fd < 0) {
		error_set(err, ERROR_CONFIG, "cannot open: %s", strerror(errno));
		return NULL;
	}
	*is_public_out = fstat(fd, &status) != 0 || (status.st_mode & S_IROTH) != 0;
	buffer_init(&bytes, max_bytes);
	while (!bytes.is_full &&
	       ((got = read(fd, block, sizeof(block))) > 0 || (got < 0 && errno == EINTR)))
		if (got > 0)
			buffer_append(&bytes, block, (size_t)got);
	if (got < 0)
		error_set(err, ERROR_CONFIG, "cannot read: %s", strerror(errno));
	else if (bytes.is_full)
		error_set(err, ERROR_CONFIG, "found a larger file, expected at most %zu bytes",
		          max_bytes);
	close(fd);
	digest_wipe(block, sizeof(block));
	if (got < 0 || bytes.is_full) {
		buffer_release(&bytes);
		return NULL;
	}
	*length_out = bytes.length;
	return buffer_take(&bytes);
}

/* A line of staff_file: a pattern, a remark after #, or both. */
static void read_staff_line(struct config *config, const char *line, size_t length, int line_number,
                            struct mistakes *mistakes)
{
	char pattern[STAFF_FILE_LINE_BYTES + 1];
	const char *path = config->staff_file;
	size_t first, last;

	if (length > STAFF_FILE_LINE_BYTES || memchr(line, '\0', length) != NULL) {
		mistake_add_in(mistakes, path, line_number,
		               "found a line of over %d bytes or a NUL, expected a pattern",
		               STAFF_FILE_LINE_BYTES);
		return;
	}
	memcpy(pattern, line, length);
	pattern[length] = '\0';
	first = strspn(pattern, " \t\r");
	last = first + strcspn(pattern + first, " \t\r");
	length = last + strspn(pattern + last, " \t\r");
	if (pattern[first] == '\0' || pattern[first] == '#')
		return;
	if (pattern[length] != '\0' && pattern[length] != '#') {
		mistake_add_in(mistakes, path, line_number,
		               "found more after the pattern, expected one pattern a line");
		return;
	}
	pattern[last] = '\0';
	if (pattern_is_valid(pattern + first))
		string_list_add(&config->staff, pattern + first);
	else
		mistake_add_in(mistakes, path, line_number,
		               "found no pattern, expected user@company.example, @company.example, "
		               "*.company.example or *");
}

static void read_staff(struct config *config, struct mistakes *mistakes)
{
	struct error err;
	size_t length, at = 0;
	bool is_public;
	int line_number = 0;
	char *text;

	config->staff_own_count = config->staff.count;
	if (config->staff_file == NULL)
		return;
	text = read_bytes(config->staff_file, STAFF_FILE_MAX_BYTES, &length, &is_public, &err);
	if (text == NULL) {
		mistake_add_in(mistakes, config->staff_file, 0, "%s", err.text);
		return;
	}
	while (at < length) {
		const char *end = memchr(text + at, '\n', length - at);
		size_t line_length = end != NULL ? (size_t)(end - (text + at)) : length - at;

		if (++line_number > STAFF_FILE_MAX_LINES) {
			mistake_add_in(mistakes, config->staff_file, line_number,
			               "found more lines, expected at most %d",
			               STAFF_FILE_MAX_LINES);
			break;
		}
		read_staff_line(config, text + at, line_length, line_number, mistakes);
		at += line_length + (end != NULL);
	}
	free(text);
}

static void set_defaults(const struct option *table, void *base,
                         const struct option_origin *origins)
{
	for (size_t i = 0; table[i].name != NULL; i++) {
		/* A table's own default is valid: a unit test reads them all. */
		if (origins[i].line == 0 && table[i].fallback != NULL &&
		    option_set(&table[i], base, table[i].fallback, NULL) != 0)
			abort();
	}
}

int config_key_line(const struct option *table, const struct option_origin *origins,
                    const char *key)
{
	for (size_t i = 0; table[i].name != NULL; i++)
		if (strcmp(table[i].name, key) == 0)
			return origins[i].line;
	return 0;
}

static bool has_key(const struct account *account, const char *key)
{
	return config_key_line(config_account_options(), account->origins, key) > 0;
}

static void set_account_defaults(struct account *account)
{
	char *at;

	set_defaults(config_account_options(), account, account->origins);
	if (account->display_name == NULL)
		account->display_name = xstrdup(account->name);
	if (account->mailbox == NULL)
		account->mailbox = xstrdup(account->address);
	if (!has_key(account, "envelope_from"))
		account->envelope_from =
			account->from == FROM_KEEP ? ENVELOPE_KEEP : ENVELOPE_ACCOUNT;
	at = account->address != NULL ? strrchr(account->address, '@') : NULL;
	account->domain = at != NULL ? at + 1 : NULL;
	if (!has_key(account, "default_for") && account->domain != NULL)
		string_list_add(&account->default_for, account->domain);
}

/* In a file that everybody can read, no password is one. */
static void check_passwords(const struct config *config, struct mistakes *mistakes)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (has_key(&config->accounts[i], "password"))
			mistake_add(mistakes,
			            config_key_line(config_account_options(),
			                            config->accounts[i].origins, "password"),
			            "password: found in a file that others can read, expected "
			            "password_file, or mode 0640 of this file");
}

int config_load(const char *path, struct config **config_out, struct string_list *mistakes_out)
{
	struct mistakes mistakes = {.list = mistakes_out, .path = path};
	size_t count_before = mistakes_out->count, options = 0, length;
	struct config *config;
	struct error err;
	bool is_public;
	int title_line;
	char *text;

	*config_out = NULL;
	text = read_bytes(path, CONFIG_MAX_BYTES, &length, &is_public, &err);
	if (text == NULL) {
		mistake_add(&mistakes, 0, "%s", err.text);
		return -1;
	}
	while (config_options()[options].name != NULL)
		options++;
	config = xzalloc(sizeof(*config));
	config->path = xstrdup(path);
	config->origins = xzalloc(options * sizeof(*config->origins));
	title_line = config_read(config, text, length, &mistakes);
	secret_free(text, length);
	set_defaults(config_options(), config, config->origins);
	if (config->alert_from == NULL && config->domains.count > 0)
		config->alert_from = xasprintf("postmaster@%s", config->domains.items[0]);
	for (size_t i = 0; i < config->account_count; i++)
		set_account_defaults(&config->accounts[i]);
	read_staff(config, &mistakes);
	config_check(config, title_line, &mistakes);
	if (is_public)
		check_passwords(config, &mistakes);
	if (mistakes_out->count > count_before) {
		config_free(config);
		return -1;
	}
	*config_out = config;
	return 0;
}
