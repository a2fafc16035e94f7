#include "lib/base/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/memory.h"
#include "lib/base/pattern.h"
#include "lib/base/secret.h"
#include "lib/base/spelling.h"

#define CONFIG_MAX_BYTES      1048576
#define STAFF_FILE_MAX_BYTES  4194304
#define STAFF_FILE_MAX_LINES  10000
#define STAFF_FILE_LINE_BYTES 500 /* the longest valid pattern, 318 bytes, and a remark */

void mistake_add_in(struct mistakes *mistakes, const char *path, int line, const char *format, ...)
{
	char text[MISTAKE_BYTES], *mistake;
	va_list args;

	mistakes->found++;
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
	mistake = line > 0 ? xasprintf("%s:%d: %s", path, line, text)
	                   : xasprintf("%s: %s", path, text);
	/* Several accounts may have inherited it. */
	if (string_list_has(mistakes->list, mistake))
		free(mistake);
	else
		string_list_take(mistakes->list, mistake);
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

char *config_read_file(const char *path, size_t max_bytes, size_t *length_out, bool *is_public_out,
                       struct error *err)
{
	/* Without O_NONBLOCK, opening a FIFO would wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	size_t length = 0;
	ssize_t got = 0;
	char *bytes;

	if (fd < 0) {
		error_set(err, ERROR_CONFIG, "cannot open: %s", strerror(errno));
		return NULL;
	}
	*is_public_out = fstat(fd, &status) != 0 || (status.st_mode & S_IROTH) != 0;
	/* What grew would leave passwords behind where it was. */
	bytes = xmalloc(max_bytes + 1);
	while (length <= max_bytes &&
	       ((got = read(fd, bytes + length, max_bytes + 1 - length)) > 0 ||
	        (got < 0 && errno == EINTR)))
		length += got > 0 ? (size_t)got : 0;
	if (got < 0)
		error_set(err, ERROR_CONFIG, "cannot read: %s", strerror(errno));
	else if (length > max_bytes)
		error_set(err, ERROR_CONFIG, "found a larger file, expected at most %zu bytes",
		          max_bytes);
	close(fd);
	if (got < 0 || length > max_bytes) {
		secret_free(bytes, length);
		return NULL;
	}
	bytes[length] = '\0';
	*length_out = length;
	return bytes;
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
	text = config_read_file(config->staff_file, STAFF_FILE_MAX_BYTES, &length, &is_public,
	                        &err);
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
		if (origins[i].line == 0 && origins[i].preset == NULL &&
		    table[i].fallback != NULL &&
		    option_set(&table[i], base, table[i].fallback, NULL) != 0)
			abort();
	}
}

const char *config_nearest_key(const struct option *table, const char *key)
{
	const char *nearest = NULL;
	size_t least = SPELLING_NEAR + 1;

	for (; table->name != NULL; table++) {
		size_t distance = spelling_distance(table->name, key);

		if (distance < least) {
			least = distance;
			nearest = table->name;
		}
	}
	return nearest;
}

const struct option_origin *config_origin(const struct option *table,
                                          const struct option_origin *origins, const char *key)
{
	for (size_t i = 0; table[i].name != NULL; i++)
		if (strcmp(table[i].name, key) == 0)
			return &origins[i];
	abort(); /* no key comes from outside */
}

bool config_account_has(const struct account *account, const char *key)
{
	const struct option_origin *origin =
		config_origin(config_account_options(), account->origins, key);

	return origin->line > 0 || origin->preset != NULL;
}

int config_account_line(const struct account *account, const char *key)
{
	const struct option_origin *origin =
		config_origin(config_account_options(), account->origins, key);

	if (origin->preset != NULL)
		origin = config_origin(config_account_options(), account->origins, "preset");
	return origin->line > 0 ? origin->line : account->line;
}

void config_release_accounts(struct account *accounts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		option_release_all(config_account_options(), &accounts[i]);
		free(accounts[i].origins);
		free(accounts[i].name);
		free(accounts[i].acknowledge_subject);
		free(accounts[i].acknowledge_text);
	}
	free(accounts);
}

static void set_account_defaults(struct account *account)
{
	char *at;

	set_defaults(config_account_options(), account, account->origins);
	if (account->display_name == NULL)
		account->display_name = xstrdup(account->name);
	if (account->mailbox == NULL)
		account->mailbox = xstrdup(account->address);
	if (!config_account_has(account, "envelope_from"))
		account->envelope_from = account->from == FROM_KEEP && account->relay == NULL
		                                 ? ENVELOPE_KEEP
		                                 : ENVELOPE_ACCOUNT;
	at = account->address != NULL ? strrchr(account->address, '@') : NULL;
	account->domain = at != NULL ? at + 1 : NULL;
	if (!config_account_has(account, "default_for") && account->domain != NULL)
		string_list_add(&account->default_for, account->domain);
}

/* In a file that everybody can read, no password is one. */
static void check_public_passwords(const struct account *sections, size_t count,
                                   struct mistakes *mistakes)
{
	for (size_t i = 0; i < count; i++)
		if (config_account_has(&sections[i], "password"))
			mistake_add(mistakes, config_account_line(&sections[i], "password"),
			            "password: found in a file that others can read, expected "
			            "password_file, or mode 0640 of this file");
}

int config_load(const char *path, struct config **config_out, struct string_list *mistakes_out)
{
	struct mistakes mistakes = {.list = mistakes_out, .path = path}, troubles;
	size_t count_before = mistakes_out->count, options = 0, length;
	struct commons commons = {0};
	struct config *config;
	struct error err;
	bool is_public;
	int title_line;
	char *text;

	*config_out = NULL;
	text = config_read_file(path, CONFIG_MAX_BYTES, &length, &is_public, &err);
	if (text == NULL) {
		mistake_add(&mistakes, 0, "%s", err.text);
		return -1;
	}
	while (config_options()[options].name != NULL)
		options++;
	config = xzalloc(sizeof(*config));
	config->path = xstrdup(path);
	config->origins = xzalloc(options * sizeof(*config->origins));
	title_line = config_read(config, &commons, text, length, &mistakes);
	secret_free(text, length);
	config_inherit(config, &commons, &mistakes);
	set_defaults(config_options(), config, config->origins);
	if (config->alert_from == NULL && config->domains.count > 0)
		config->alert_from = xasprintf("postmaster@%s", config->domains.items[0]);
	if (config->operator_address == NULL && config->domains.count > 0)
		config->operator_address = xasprintf("postmaster@%s", config->domains.items[0]);
	for (size_t i = 0; i < config->account_count; i++)
		set_account_defaults(&config->accounts[i]);
	read_staff(config, &mistakes);
	troubles = (struct mistakes){.list = &config->troubles, .path = path};
	config_read_acknowledgements(config, &troubles);
	config_set_calendars(config, &mistakes);
	config_check(config, title_line, &mistakes);
	config_check_password_files(config, &troubles);
	if (is_public) {
		check_public_passwords(config->accounts, config->account_count, &mistakes);
		check_public_passwords(commons.items, commons.count, &mistakes);
	}
	config_release_accounts(commons.items, commons.count);
	if (mistakes_out->count > count_before) {
		string_list_copy(mistakes_out, &config->troubles);
		config_free(config);
		return -1;
	}
	*config_out = config;
	return 0;
}
