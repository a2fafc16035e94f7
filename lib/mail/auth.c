#include "lib/mail/auth.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/mail/scan.h"

enum outcome { OUTCOME_NONE, OUTCOME_PASS, OUTCOME_FAIL };

struct results {
	enum outcome dmarc;
	bool has_pass; /* of dkim or spf */
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

/* Read `method = result` (RFC 8601 2.2). */
static void read_result(struct scan *scan, struct results *results)
{
	const char *method;
	const char *value;
	size_t method_length;
	size_t value_length;
	enum outcome outcome = OUTCOME_NONE;

	skip_space(scan);
	method_length = read_word(scan, "=;/(", &method);
	skip_space(scan);
	if (scan->at < scan->length && scan->bytes[scan->at] == '/') {
		const char *version;

		scan->at++;
		skip_space(scan);
		read_word(scan, "=;(", &version);
		skip_space(scan);
	}
	if (scan->at == scan->length || scan->bytes[scan->at] != '=')
		return;
	scan->at++;
	skip_space(scan);
	value_length = read_word(scan, ";(", &value);
	if (is_word(value, value_length, "pass"))
		outcome = OUTCOME_PASS;
	else if (is_word(value, value_length, "fail"))
		outcome = OUTCOME_FAIL;
	if (is_word(method, method_length, "dmarc")) {
		if (results->dmarc == OUTCOME_NONE)
			results->dmarc = outcome;
	} else if (is_word(method, method_length, "dkim") ||
	           is_word(method, method_length, "spf")) {
		results->has_pass = results->has_pass || outcome == OUTCOME_PASS;
		results->has_fail = results->has_fail || outcome == OUTCOME_FAIL;
	}
}

static void read_field(const struct field *field, const char *authserv_id, struct results *results)
{
	struct scan scan = {.bytes = field->value, .length = field->length};
	const char *id;
	size_t id_length;

	skip_space(&scan);
	id_length = read_word(&scan, ";(", &id);
	if (!is_word(id, id_length, authserv_id))
		return;
	while (next_result(&scan))
		read_result(&scan, results);
}

const char *auth_verdict(const struct header *header, const char *authserv_id)
{
	struct results results = {0};

	if (authserv_id == NULL)
		return "none";
	for (size_t i = 0; i < header->count; i++) {
		if (strcasecmp(header->fields[i].name, "Authentication-Results") == 0)
			read_field(&header->fields[i], authserv_id, &results);
	}
	if (results.dmarc == OUTCOME_NONE && results.has_pass)
		return "pass";
	if (results.dmarc == OUTCOME_NONE && results.has_fail)
		return "fail";
	if (results.dmarc == OUTCOME_NONE)
		return "none";
	return results.dmarc == OUTCOME_PASS ? "pass" : "fail";
}
