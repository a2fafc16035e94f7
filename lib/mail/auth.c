#include "lib/mail/auth.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/idn.h"
#include "lib/mail/scan.h"

enum method { METHOD_DMARC, METHOD_DKIM, METHOD_SPF, METHOD_COUNT };

static const struct {
	const char *name;
	const char *properties[2]; /* with the domain that the result is of; none: From's */
} methods[METHOD_COUNT] = {
	[METHOD_DMARC] = {"dmarc", {NULL, NULL}},
	[METHOD_DKIM] = {"dkim", {"header.d", "header.i"}},
	[METHOD_SPF] = {"spf", {"smtp.mailfrom", NULL}},
};

/* What is said of one method; of several signatures each has a result. */
struct result {
	bool is_said;
	bool has_pass; /* and for a domain of the author */
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

static bool is_in_domain(const char *domain, const char *parent)
{
	size_t length = strlen(domain);
	size_t parent_length = strlen(parent);

	if (length < parent_length || strcmp(domain + length - parent_length, parent) != 0)
		return false;
	return length == parent_length || domain[length - parent_length - 1] == '.';
}

/* Is the domain of `[local part@]domain` that of the author, one above it or one below it? */
static bool is_aligned(const char *value, size_t length, const char *author_domain)
{
	const char *at_sign = memrchr(value, '@', length);
	struct buffer domain;
	bool is_found = false;

	if (at_sign != NULL) {
		length -= (size_t)(at_sign + 1 - value);
		value = at_sign + 1;
	}
	buffer_init(&domain, ADDRESS_MAX_BYTES);
	if (length > 0 && author_domain[0] != '\0' && idn_append_ascii(&domain, value, length) == 0)
		is_found = is_in_domain(domain.data, author_domain) ||
		           is_in_domain(author_domain, domain.data);
	buffer_release(&domain);
	return is_found;
}

/* Read `name = value` pairs up to the end of the result: is it one of the author's domain? */
static bool read_properties(struct scan *scan, enum method method, const char *author_domain)
{
	const char *const *properties = methods[method].properties;

	if (properties[0] == NULL)
		return true;
	for (;;) {
		const char *name;
		const char *value;
		size_t name_length;
		bool is_named = false;

		skip_space(scan);
		name_length = read_word(scan, "=;(", &name);
		skip_space(scan);
		if (scan->at == scan->length || scan->bytes[scan->at] != '=')
			return false;
		scan->at++;
		skip_space(scan);
		value = scan->bytes + scan->at;
		while (scan->at < scan->length && !scan_is_blank(scan->bytes[scan->at]) &&
		       strchr(";(", scan->bytes[scan->at]) == NULL) {
			if (!scan_quoted(scan))
				scan->at++;
		}
		for (size_t i = 0; i < 2 && properties[i] != NULL; i++)
			is_named = is_named || is_word(name, name_length, properties[i]);
		/* The first speaks; a second could only come from a local part that was cut. */
		if (is_named)
			return is_aligned(value, (size_t)(scan->bytes + scan->at - value),
			                  author_domain);
	}
}

/* Read `method = result` (RFC 8601 2.2). */
static void read_result(struct scan *scan, const char *author_domain, struct result *results)
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
		if (!is_word(method, method_length, methods[i].name))
			continue;
		/* One message has one policy: the first result of DMARC stands. */
		if (i == METHOD_DMARC && results[i].is_said)
			continue;
		results[i].is_said = true;
		if (is_word(value, value_length, "fail"))
			results[i].has_fail = true;
		else if (is_word(value, value_length, "pass") &&
		         read_properties(scan, (enum method)i, author_domain))
			results[i].has_pass = true;
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

static void read_field(const struct field *field, const char *authserv_id,
                       const char *author_domain, struct result *results)
{
	struct scan scan = {.bytes = field->value, .length = field->length};
	const char *id;
	size_t id_length;

	skip_space(&scan);
	id_length = read_word(&scan, ";(", &id);
	if (!is_word(id, id_length, authserv_id) || !has_known_version(&scan))
		return;
	while (next_result(&scan))
		read_result(&scan, author_domain, results);
}

/* The domain of From, "" unless it has one author: others could stand behind the one who passed. */
static char *read_author_domain(const struct header *header)
{
	const struct field *from = header_field(header, "From", 1);
	struct address_list list;
	char *domain;

	if (from == NULL || header_count(header, "From") != 1)
		return xstrdup("");
	address_list_parse(&list, from->value, from->length, 2);
	domain = xstrdup(list.count == 1 ? address_domain(list.items[0].address) : "");
	address_list_release(&list);
	return domain;
}

const char *auth_verdict(const struct header *header, const char *authserv_id)
{
	struct result results[METHOD_COUNT] = {0};
	const struct result *dmarc = &results[METHOD_DMARC];
	char *author_domain;
	bool has_pass;
	bool has_fail;

	if (authserv_id == NULL)
		return "none";
	author_domain = read_author_domain(header);
	for (size_t i = 0; i < header->count; i++) {
		struct result found[METHOD_COUNT] = {0};

		if (strcasecmp(header->fields[i].name, "Authentication-Results") != 0)
			continue;
		read_field(&header->fields[i], authserv_id, author_domain, found);
		for (size_t m = 0; m < METHOD_COUNT; m++) {
			if (!results[m].is_said)
				results[m] = found[m];
		}
	}
	free(author_domain);
	if (dmarc->has_pass || dmarc->has_fail)
		return dmarc->has_pass ? "pass" : "fail";
	has_pass = results[METHOD_DKIM].has_pass || results[METHOD_SPF].has_pass;
	has_fail = results[METHOD_DKIM].has_fail || results[METHOD_SPF].has_fail;
	if (has_pass)
		return "pass";
	return has_fail ? "fail" : "none";
}
