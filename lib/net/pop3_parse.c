#include "lib/net/pop3_parse.h"

#include <string.h>
#include <strings.h>

#include "lib/net/pop3.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum pop3_status pop3_parse_status(const char *line, size_t length)
{
	if (length >= 3 && strncasecmp(line, "+OK", 3) == 0 && (length == 3 || is_blank(line[3])))
		return POP3_STATUS_OK;
	if (length >= 4 && strncasecmp(line, "-ERR", 4) == 0 && (length == 4 || is_blank(line[4])))
		return POP3_STATUS_ERR;
	return POP3_STATUS_NEITHER;
}

/* The text between the brackets of "-ERR [CODE] text" (RFC 2449 8), or NULL. */
static const char *response_code(const char *line, size_t length, size_t *length_out)
{
	const char *end;
	size_t at = 4;

	while (at < length && is_blank(line[at]))
		at++;
	if (at >= length || line[at] != '[')
		return NULL;
	at++;
	end = memchr(line + at, ']', length - at);
	if (end == NULL)
		return NULL;
	*length_out = (size_t)(end - (line + at));
	return line + at;
}

/* Codes are hierarchical: SYS/TEMP/DISK is a SYS/TEMP. */
static bool code_is(const char *code, size_t length, const char *wanted)
{
	size_t wanted_length = strlen(wanted);

	return length >= wanted_length && strncasecmp(code, wanted, wanted_length) == 0 &&
	       (length == wanted_length || code[wanted_length] == '/');
}

enum error_kind pop3_refusal_kind(const char *line, size_t length)
{
	size_t code_length;
	const char *code = response_code(line, length, &code_length);

	if (code != NULL &&
	    (code_is(code, code_length, "AUTH") || code_is(code, code_length, "SYS/PERM")))
		return ERROR_CONFIG;
	return ERROR_TEMPORARY;
}

bool pop3_has_response_code(const char *line, size_t length)
{
	size_t code_length;

	return response_code(line, length, &code_length) != NULL;
}

/* Cut the next word off the line. Returns its length, 0 at the end. */
static size_t next_word(const char **line, size_t *length, const char **word_out)
{
	size_t word_length = 0;

	while (*length > 0 && is_blank(**line)) {
		(*line)++;
		(*length)--;
	}
	*word_out = *line;
	while (word_length < *length && !is_blank((*line)[word_length]))
		word_length++;
	*line += word_length;
	*length -= word_length;
	return word_length;
}

static bool word_is(const char *word, size_t length, const char *wanted)
{
	return length == strlen(wanted) && strncasecmp(word, wanted, length) == 0;
}

/* Digits only, the largest number instead of a larger one. */
static int parse_number(const char *word, size_t length, uint64_t *number_out)
{
	uint64_t number = 0;
	size_t i;

	if (length == 0)
		return -1;
	for (i = 0; i < length; i++) {
		if (!is_digit(word[i]))
			return -1;
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(word[i] - '0'), &number))
			number = UINT64_MAX;
	}
	*number_out = number;
	return 0;
}

/* More would silence an inbox, and failures wait no longer either. */
#define LOGIN_DELAY_MAX_S 3600

void pop3_parse_capability(struct pop3_capabilities *capabilities, const char *line, size_t length)
{
	const char *word;
	size_t word_length = next_word(&line, &length, &word);
	uint64_t number;

	if (word_is(word, word_length, "PIPELINING")) {
		capabilities->has_pipelining = true;
	} else if (word_is(word, word_length, "UIDL")) {
		capabilities->has_uidl = true;
	} else if (word_is(word, word_length, "TOP")) {
		capabilities->has_top = true;
	} else if (word_is(word, word_length, "LOGIN-DELAY")) {
		word_length = next_word(&line, &length, &word);
		if (parse_number(word, word_length, &number) == 0)
			capabilities->login_delay_s =
				number < LOGIN_DELAY_MAX_S ? (int64_t)number : LOGIN_DELAY_MAX_S;
	} else if (word_length == 4 && memcmp(word, "SASL", 4) == 0) {
		while ((word_length = next_word(&line, &length, &word)) > 0)
			if (word_length == 5 && memcmp(word, "PLAIN", 5) == 0)
				capabilities->has_sasl_plain = true;
	}
}

static int parse_message_number(const char **line, size_t *length, unsigned *number_out)
{
	const char *word;
	size_t word_length = next_word(line, length, &word);
	uint64_t number;

	if (parse_number(word, word_length, &number) != 0 || number == 0 || number > UINT32_MAX)
		return -1;
	*number_out = (unsigned)number;
	return 0;
}

int pop3_parse_list_line(const char *line, size_t length, unsigned *number_out, uint64_t *size_out)
{
	const char *word;
	size_t word_length;

	if (parse_message_number(&line, &length, number_out) != 0)
		return -1;
	word_length = next_word(&line, &length, &word);
	return parse_number(word, word_length, size_out);
}

int pop3_parse_uidl_line(const char *line, size_t length, unsigned *number_out,
                         const char **uidl_out, size_t *uidl_length_out)
{
	size_t i;

	if (parse_message_number(&line, &length, number_out) != 0)
		return -1;
	while (length > 0 && is_blank(*line)) {
		line++;
		length--;
	}
	while (length > 0 && is_blank(line[length - 1]))
		length--;
	if (length == 0 || length > POP3_UIDL_MAX_BYTES)
		return 1;
	for (i = 0; i < length; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			return 1;
	*uidl_out = line;
	*uidl_length_out = length;
	return 0;
}

const char *pop3_clean(char *out, size_t size, const char *bytes, size_t length)
{
	size_t i;

	if (length > size - 1)
		length = size - 1;
	for (i = 0; i < length; i++)
		out[i] = bytes[i] >= 0x20 && bytes[i] <= 0x7e ? bytes[i] : '?';
	out[length] = '\0';
	return out;
}

void pop3_body_init(struct pop3_body *body, struct buffer *bytes, uint64_t claimed)
{
	*body = (struct pop3_body){.bytes = bytes, .claimed = claimed};
	buffer_clear(bytes);
}

/* Add to the text. */
static void keep(struct pop3_body *body, const char *bytes, size_t length)
{
	if (length == 0)
		return;
	body->length += length;
	body->has_cr = bytes[length - 1] == '\r';
	if (!body->is_too_large && buffer_append(body->bytes, bytes, length) != 0) {
		body->is_too_large = true;
		buffer_clear(body->bytes);
	}
}

/* A LF became part of the text: what does that make of the next line? */
static void begin_line(struct pop3_body *body, bool is_crlf)
{
	if (!body->has_line_end) {
		body->has_line_end = true;
		body->is_lf_framed = !is_crlf;
	}
	body->starts_after_lf = !is_crlf;
	body->place = POP3_BODY_START;
}

static size_t feed_text(struct pop3_body *body, const char *bytes, size_t length)
{
	const char *lf = memchr(bytes, '\n', length);
	size_t taken = lf == NULL ? length : (size_t)(lf - bytes) + 1;
	bool is_crlf = taken > 1 ? bytes[taken - 2] == '\r' : body->has_cr;

	keep(body, bytes, taken);
	if (lf != NULL)
		begin_line(body, is_crlf);
	else
		body->place = POP3_BODY_TEXT;
	return taken;
}

/* Is the line none to the server, since it follows a bare LF in a text framed by CRLF? */
static bool is_within_line(const struct pop3_body *body)
{
	return body->starts_after_lf && !body->is_lf_framed;
}

/* After a dot at the start of a line. Returns whether the byte was taken. */
static bool feed_dot(struct pop3_body *body, char c)
{
	if (c == '\r') {
		body->place = POP3_BODY_DOT_CR;
		return true;
	}
	if (c == '\n' && (body->is_lf_framed || !body->has_line_end)) {
		body->is_complete = body->is_doubtful = true;
		return true;
	}
	/* One dot of two was stuffed in; a lone one cannot have been and stays. */
	if (c != '.' || is_within_line(body))
		keep(body, ".", 1);
	body->place = POP3_BODY_TEXT;
	return false;
}

/* After a dot and a CR at the start of a line. Returns whether the byte was taken. */
static bool feed_dot_cr(struct pop3_body *body, char c)
{
	if (c == '\n' && (!is_within_line(body) || body->length >= body->claimed)) {
		body->is_complete = true;
		body->is_doubtful = body->starts_after_lf;
		return true;
	}
	keep(body, ".\r", 2);
	body->place = POP3_BODY_TEXT;
	return false;
}

size_t pop3_body_feed(struct pop3_body *body, const char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length && !body->is_complete) {
		switch (body->place) {
		case POP3_BODY_START:
			if (bytes[at] == '.') {
				body->place = POP3_BODY_DOT;
				at++;
			} else {
				at += feed_text(body, bytes + at, length - at);
			}
			break;
		case POP3_BODY_DOT:
			at += feed_dot(body, bytes[at]);
			break;
		case POP3_BODY_DOT_CR:
			at += feed_dot_cr(body, bytes[at]);
			break;
		case POP3_BODY_TEXT:
			at += feed_text(body, bytes + at, length - at);
			break;
		}
	}
	return at;
}
