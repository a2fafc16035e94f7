#include "lib/base/config_reader.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"

#define SHOWN_LINE_BYTES 60

/* The kinds that have a name. */
static const struct {
	enum section section;
	const char *kind;
} named_sections[] = {
	{SECTION_ACCOUNT, "account"},
	{SECTION_COMMON, "common"},
	{SECTION_CALENDAR, "calendar"},
};

int reader_shown_length(const char *text)
{
	size_t length = strlen(text);

	if (length <= SHOWN_LINE_BYTES)
		return (int)length;
	length = SHOWN_LINE_BYTES;
	while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	return (int)length;
}

/*
 * Section titles
 */

static struct option_origin *new_origins(const struct option *table)
{
	size_t count = 0;

	while (table[count].name != NULL)
		count++;
	return xzalloc((count + 1) * sizeof(struct option_origin));
}

static void open_calendar(struct reader *reader, const char *name, size_t length)
{
	struct config *config = reader->config;
	struct named_calendar *calendar;

	config->calendars = xreallocarray(config->calendars, config->calendar_count + 1,
	                                  sizeof(*config->calendars));
	calendar = &config->calendars[config->calendar_count++];
	*calendar = (struct named_calendar){.name = xmemdup0(name, length),
	                                    .line = reader->line_number,
	                                    .origins = new_origins(config_calendar_options())};
	reader->calendar = calendar;
}

/* One more account, or [common] section, behind *count others. */
static void open_account(struct reader *reader, struct account **accounts, size_t *count,
                         const char *name, size_t length)
{
	struct account *account;

	*accounts = xreallocarray(*accounts, *count + 1, sizeof(**accounts));
	account = &(*accounts)[(*count)++];
	*account = (struct account){.name = xmemdup0(name, length), .line = reader->line_number};
	account->origins = new_origins(config_account_options());
	reader->account = account;
}

static void open_named(struct reader *reader, enum section section, const char *name, size_t length)
{
	struct config *config = reader->config;
	struct commons *commons = reader->commons;

	if (section == SECTION_ACCOUNT && config->account_count == CONFIG_ACCOUNTS_MAX)
		mistake_here(reader, "found one more account, expected at most %d",
		             CONFIG_ACCOUNTS_MAX);
	else if (section == SECTION_COMMON && commons->count == CONFIG_COMMONS_MAX)
		mistake_here(reader, "found one more [common] section, expected at most %d",
		             CONFIG_COMMONS_MAX);
	else if (section == SECTION_CALENDAR && config->calendar_count == CONFIG_CALENDARS_MAX)
		mistake_here(reader, "found one more [calendar] section, expected at most %d",
		             CONFIG_CALENDARS_MAX);
	else
		reader->section = section;
	if (reader->section == SECTION_ACCOUNT)
		open_account(reader, &config->accounts, &config->account_count, name, length);
	else if (reader->section == SECTION_COMMON)
		open_account(reader, &commons->items, &commons->count, name, length);
	else if (reader->section == SECTION_CALENDAR)
		open_calendar(reader, name, length);
}

static void open_rejoinder(struct reader *reader)
{
	reader->section = SECTION_REJOINDER;
	if (reader->title_line == 0)
		reader->title_line = reader->line_number;
	else
		mistake_here(reader, "[rejoinder]: found twice, expected once (first on line %d)",
		             reader->title_line);
}

/* The length of the name in `kind "Name"]`, or 0. */
static size_t name_length(const char *title, const char *kind, const char **name_out,
                          const char **after_out)
{
	size_t length;

	if (strncmp(title, kind, strlen(kind)) != 0)
		return 0;
	title += strlen(kind);
	title += strspn(title, " ");
	if (*title != '"')
		return 0;
	length = strcspn(title + 1, "\"");
	if (length == 0 || title[1] == ' ' || title[length] == ' ' ||
	    strncmp(title + 1 + length, "\"]", 2) != 0)
		return 0;
	*name_out = title + 1;
	*after_out = title + 1 + length + 2;
	return length;
}

static void read_title(struct reader *reader)
{
	const char *title = reader->line;
	const char *name = NULL, *after = NULL;
	enum section section = SECTION_REJOINDER;
	size_t length = 0;

	reader->option = NULL;
	reader->has_key = false;
	reader->section = SECTION_UNKNOWN;
	if (strncmp(title, "[rejoinder]", 11) == 0)
		after = title + 11;
	for (size_t i = 0; i < sizeof(named_sections) / sizeof(named_sections[0]) && after == NULL;
	     i++) {
		section = named_sections[i].section;
		length = name_length(title + 1, named_sections[i].kind, &name, &after);
	}
	if (after != NULL)
		after += strspn(after, " ");
	if (after == NULL || strchr(";#", *after) == NULL) {
		mistake_here(reader,
		             "found \"%.*s\", expected [rejoinder], [account \"Name\"], "
		             "[common \"name\"] or [calendar \"Name\"]",
		             reader_shown_length(title), title);
		return;
	}
	if (name != NULL)
		open_named(reader, section, name, length);
	else
		open_rejoinder(reader);
}

/*
 * Lines for libinih.
 *
 * It splits keys from values and knows which indented line continues which
 * key.  It tells neither line numbers nor which lines it refused, cuts long
 * lines and long titles, and is silent about a section without keys.  So it
 * gets its lines from here: one whole line a call, and only lines that are fit
 * for it.
 */

static void drop_line(struct reader *reader)
{
	reader->drops_indented = true;
	/* Keys under a title that cannot be read belong nowhere. */
	if (reader->line[0] == '[')
		reader->section = SECTION_UNKNOWN;
	reader->line[0] = '\0';
}

/* Take the next line of the file; refuse it unless it is fit for anything. */
static void take_line(struct reader *reader)
{
	const char *end = memchr(reader->text, '\n', reader->length);
	size_t taken = end != NULL ? (size_t)(end - reader->text) + 1 : reader->length;
	size_t length = taken - (end != NULL);

	reader->line_number++;
	if (reader->line_number == 1 && length >= 3 &&
	    memcmp(reader->text, "\xef\xbb\xbf", 3) == 0) {
		reader->text += 3;
		reader->length -= 3;
		taken -= 3;
		length -= 3;
	}
	if (length > 0 && reader->text[length - 1] == '\r')
		length--;
	reader->line[0] = length > 0 ? reader->text[0] : '\0';
	if (length > LINE_MAX_BYTES) {
		mistake_here(reader,
		             "found a line of %zu bytes, expected at most %d: go on in "
		             "indented lines",
		             length, LINE_MAX_BYTES);
		drop_line(reader);
	} else {
		memcpy(reader->line, reader->text, length);
		reader->line[length] = '\0';
		for (size_t i = 0; i < length; i++)
			if (reader->line[i] == '\t')
				reader->line[i] = ' ';
		if (!option_text_is_valid(reader->line, length)) {
			mistake_here(reader, "found control characters or bytes that are not "
			                     "UTF-8, expected text");
			drop_line(reader);
		}
	}
	reader->text += taken;
	reader->length -= taken;
}

/* libinih did not call back for a line that holds something: it found no key. */
static void check_answer(struct reader *reader)
{
	if (!reader->is_awaited)
		return;
	reader->is_awaited = false;
	reader->drops_indented = true;
	if (reader->section == SECTION_UNKNOWN)
		return;
	if (strstr(reader->line, "password") != NULL)
		mistake_here(reader, "found a line not shown here, expected key = value");
	else
		mistake_here(reader, "found \"%.*s\", expected key = value",
		             reader_shown_length(reader->line), reader->line);
}

/* libinih does this too, but not in lines that continue another. */
static void cut_comment(char *line)
{
	for (char *at = strchr(line, ';'); at != NULL; at = strchr(at + 1, ';')) {
		if (at > line && at[-1] == ' ') {
			*at = '\0';
			return;
		}
	}
}

static char *next_line(char *line, int size, void *stream)
{
	struct reader *reader = stream;
	const char *first;

	check_answer(reader);
	if (reader->length == 0 || size <= LINE_MAX_BYTES)
		return NULL;
	take_line(reader);
	first = reader->line + strspn(reader->line, " ");
	reader->is_indented = first > reader->line;
	line[0] = '\0';
	if (strchr("#;", *first) != NULL)
		return line;
	if (!reader->is_indented)
		reader->drops_indented = false;
	if (*first == '[' && !reader->is_indented) {
		read_title(reader);
		/* Any title makes libinih forget the last key. */
		return strcpy(line, "[]");
	}
	if (*first == '[')
		mistake_here(reader,
		             "found \"%.*s\" indented, expected a title at the beginning "
		             "of the line",
		             reader_shown_length(first), first);
	if (*first == '[' || reader->drops_indented) {
		reader->drops_indented = true;
		return line;
	}
	cut_comment(reader->line);
	reader->is_awaited = true;
	return strcpy(line, reader->line);
}

int config_read(struct config *config, struct commons *commons, const char *text, size_t length,
                struct mistakes *mistakes)
{
	struct reader reader = {
		.text = text,
		.length = length,
		.config = config,
		.commons = commons,
		.mistakes = mistakes,
		.section = SECTION_NONE,
	};

	/* Its result names the first refused line only; check_answer() names each. */
	(void)ini_parse_stream(next_line, &reader, reader_take_value, &reader);
	check_answer(&reader);
	digest_wipe(reader.line, sizeof(reader.line));
	return reader.title_line;
}
