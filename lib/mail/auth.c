#include "lib/mail/auth.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/mail/scan.h"

enum method { METHOD_DMARC, METHOD_DKIM, METHOD_SPF, METHOD_COUNT };

static const char *const method_names[METHOD_COUNT] = {
	[METHOD_DMARC] = "dmarc",
	[METHOD_DKIM] = "dkim",
	[METHOD_SPF] = "spf",
};

/* What is said of one method; of several signatures each has a result. */
struct result {
	bool is_said;
	bool has_pass;
	bool has_fail;
};

/* Step over blanks and comments. */
static void skip_space(struct scan *scan)
{
	while (scan->at < scan->length &&
	       (scan_is_blank(scan->bytes[scan->at]) || scan->bytes[scan->at] == '(')) {
		if (!scan_comment(scan)) {
			if (scan->bytes[scan->at] == '(')
				return;
			scan->at++;
		}
	}
}

/* Read a word up to one of the stop characters or a blank; a quoted one without its quotes. */
static size_t read_word(struct scan *scan, const char *stops, const char **begin_out)
{
	size_t begin = scan->at;

	if (scan_quoted(scan)) {
		*begin_out = scan->bytes + begin + 1;
		return scan->at - begin - 2;
	}
	while (scan->at < scan->length && !scan_is_blank(scan->bytes[scan->at]) &&
	       scan->bytes[scan->at] != '\0' && strchr(stops, scan->bytes[scan->at]) == NULL)
		scan->at++;
	*begin_out = scan->bytes + begin;
	return scan->at - begin;
}

static bool is_word(const char *begin, size_t length, const char *word)
{
	return strlen(word) == length && strncasecmp(begin, word, length) == 0;
}

/* Step behind the next semicolon that is not quoted or in a comment. */
static bool next_result(struct scan *scan)
{
	while (scan->at < scan->length) {
		if (scan_comment(scan) || scan_quoted(scan))
			continue;
		if (scan->bytes[scan->at++] == ';')
			return true;
	}
	return false;
}

/* Step over `/ version`. False if it is one we do not know (RFC 8601 2.2 has only 1). */
static bool skip_method_version(struct scan *scan)
{
	const char *version;
	size_t length;

	if (scan->at == scan->length || scan->bytes[scan->at] != '/')
		return true;
	scan->at++;
	skip_space(scan);
	length = read_word(scan, "=;(", &version);
	skip_space(scan);
	return is_word(version, length, "1");
}

/* Read `method = result` (RFC 8601 2.2). */
static void read_result(struct scan *scan, struct result *results)
{
	const char *method;
	const char *value;
	size_t method_length;
	size_t value_length;

	skip_space(scan);
	method_length = read_word(scan, "=;/(", &method);
	skip_space(scan);
	if (!skip_method_version(scan) || scan->at == scan->length || scan->bytes[scan->at] != '=')
		return;
	scan->at++;
	skip_space(scan);
	value_length = read_word(scan, ";(", &value);
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		if (!is_word(method, method_length, method_names[i]))
			continue;
		/* One message has one policy: the first result of DMARC stands. */
		if (i == METHOD_DMARC && results[i].is_said)
			continue;
		results[i].is_said = true;
		results[i].has_pass = results[i].has_pass || is_word(value, value_length, "pass");
		results[i].has_fail = results[i].has_fail || is_word(value, value_length, "fail");
	}
}

/* Is the version after the authserv-id absent or one that we know? */
static bool has_known_version(struct scan *scan)
{
	const char *version;
	size_t length;

	skip_space(scan);
	length = read_word(scan, ";(", &version);
	return length == 0 || is_word(version, length, "1");
}

static void read_field(const struct field *field, const char *authserv_id, struct result *results)
{
	struct scan scan = {.bytes = field->value, .length = field->length};
	const char *id;
	size_t id_length;

	skip_space(&scan);
	id_length = read_word(&scan, ";(", &id);
	if (!is_word(id, id_length, authserv_id) || !has_known_version(&scan))
		return;
	while (next_result(&scan))
		read_result(&scan, results);
}

const char *auth_verdict(const struct header *header, const char *authserv_id)
{
	struct result results[METHOD_COUNT] = {0};
	const struct result *dmarc = &results[METHOD_DMARC];
	bool has_pass;
	bool has_fail;

	if (authserv_id == NULL)
		return "none";
	for (size_t i = 0; i < header->count; i++) {
		struct result found[METHOD_COUNT] = {0};

		if (strcasecmp(header->fields[i].name, "Authentication-Results") != 0)
			continue;
		read_field(&header->fields[i], authserv_id, found);
		for (size_t m = 0; m < METHOD_COUNT; m++) {
			if (!results[m].is_said)
				results[m] = found[m];
		}
	}
	if (dmarc->has_pass || dmarc->has_fail)
		return dmarc->has_pass ? "pass" : "fail";
	has_pass = results[METHOD_DKIM].has_pass || results[METHOD_SPF].has_pass;
	has_fail = results[METHOD_DKIM].has_fail || results[METHOD_SPF].has_fail;
	if (has_pass)
		return "pass";
	return has_fail ? "fail" : "none";
}
