#include "lib/mail/report_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/report_add.h"
#include "lib/mail/scan.h"
#include "lib/mail/subject.h"

#define LINE_BYTES 2000 /* of a line in which an address is looked for */

static bool is_letter(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Is [begin, end) of a line a word that an undeliverable address follows, or a server's code? */
static bool is_recipient_word(const char *line, size_t begin, size_t end)
{
	static const char *const words[] = {
		"to",           "for",          "recipient",  "recipients",
		"user",         "userid",       "address",    "rcpt",
		"following",    "failed",       "mailbox",    "account",
		"an",           "für",          "empfänger",  "à",
		"pour",         "destinataire", "para",       "al",
		"destinatario", "destinatário", "aan",        "voor",
		"odbiorca",     "adresat",      "получатель", "адрес",
		"адресат",      "smtp",         "rfc822",
	};
	/* Of languages that put no blank between words. */
	static const char *const endings[] = {"收件人", "收信人", "收件者",
	                                      "宛先",   "宛て",   "受信者"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strlen(words[i]) == end - begin &&
		    strncasecmp(line + begin, words[i], end - begin) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		size_t length = strlen(endings[i]);

		if (end - begin >= length && memcmp(line + end - length, endings[i], length) == 0)
			return true;
	}
	/* `550 <jane@example.org>...`, `5.1.1 <jane@example.org>` */
	return end - begin >= 3 && (line[begin] == '4' || line[begin] == '5') &&
	       strspn(line + begin, "0123456789.-#") >= end - begin;
}

/* Are the three bytes at s a full-width mark, which no address holds? */
static bool is_wide_mark(const char *s)
{
	static const char *const marks[] = {"：", "，", "。", "、", "（", "）", "「",
	                                    "」", "【", "】", "＜", "＞", "　", "；"};

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		if (memcmp(s, marks[i], 3) == 0)
			return true;
	}
	return false;
}

/* Is the address at `at` of a line one that mail did not reach, by what stands before it? */
static bool follows_recipient_word(const char *line, size_t at)
{
	size_t end = at;
	size_t begin;

	while (end > 0 && strchr(" \t:<\"'*>|([-=", line[end - 1]) != NULL)
		end--;
	while (end >= 3 && is_wide_mark(line + end - 3))
		end -= 3;
	/* A bullet: not all of them are ASCII. */
	if (end == 0 || (end <= 3 && (unsigned char)line[0] >= 0x80))
		return true;
	begin = end;
	while (begin > 0 && (is_letter(line[begin - 1]) || is_digit(line[begin - 1]) ||
	                     strchr(".#", line[begin - 1]) != NULL))
		begin--;
	return is_recipient_word(line, begin, end);
}

/* Does a line tell people whom to ask? */
static bool is_advice(const char *line, size_t length)
{
	static const char *const words[] = {"contact",  "assistance", "send mail to",
	                                    "question", "kontakt",    "support@"};
	char *text = xmemdup0(line, length < LINE_BYTES ? length : LINE_BYTES);
	bool is_hit = false;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		is_hit = is_hit || strcasestr(text, words[i]) != NULL;
	free(text);
	return is_hit;
}

static bool is_address_byte(char c)
{
	return (unsigned char)c > 32 && c != 127 && strchr("<>()[]\",;:'", c) == NULL;
}

/* The address around the @ at `sign` of a line, a heap string, or NULL if the line is not about it. */
static char *address_around(const char *line, size_t length, size_t sign, size_t *end_out)
{
	size_t begin = sign;
	size_t end = sign;
	char *address;
	char *text;

	while (begin > 0 && is_address_byte(line[begin - 1]) &&
	       !(begin >= 3 && is_wide_mark(line + begin - 3)))
		begin--;
	while (end < length && is_address_byte(line[end]) &&
	       !(length - end >= 3 && is_wide_mark(line + end)))
		end++;
	*end_out = end;
	/* `jane@example.org... No such user` */
	while (end > begin && line[end - 1] == '.')
		end--;
	if (begin == sign || end - begin > ADDRESS_MAX_BYTES ||
	    !follows_recipient_word(line, begin))
		return NULL;
	text = xmemdup0(line + begin, end - begin);
	address = address_from_envelope(text);
	free(text);
	return address;
}

/* The address that a line of the report's words is about, a heap string, or NULL. *end_out: behind it. */
static char *address_in_line(const char *line, size_t length, size_t *end_out)
{
	size_t at = 0;

	if (length > LINE_BYTES)
		length = LINE_BYTES;
	if (memchr(line, '@', length) == NULL || is_advice(line, length))
		return NULL;
	while (at < length) {
		const char *sign = memchr(line + at, '@', length - at);
		char *address;

		if (sign == NULL)
			return NULL;
		address = address_around(line, length, (size_t)(sign - line), end_out);
		if (address != NULL)
			return address;
		at = *end_out > (size_t)(sign - line) ? *end_out : (size_t)(sign - line) + 1;
	}
	return NULL;
}

char report_reply_class(const char *line, size_t length)
{
	for (size_t i = 0; i + 3 <= length; i++) {
		if ((line[i] == '4' || line[i] == '5') && line[i + 1] >= '0' &&
		    line[i + 1] <= '7' && is_digit(line[i + 2]) &&
		    (i == 0 || strchr(" '\"(:;#<[=", line[i - 1]) != NULL) &&
		    (i + 3 == length || strchr(" -#", line[i + 3]) != NULL))
			return line[i];
	}
	return 0;
}

/* Add to a recipient what a line says of the reason; a server's own words are the best. */
static void take_reason(struct report_recipient *recipient, const char *line, size_t length)
{
	const char *known = recipient->diagnostic;

	while (length > 0 && (scan_is_blank(*line) || strchr(">:,;.)\"-", *line) != NULL)) {
		line++;
		length--;
	}
	if (length == 0)
		return;
	if (recipient->status[0] == '\0')
		report_set_status(recipient, line, length);
	if (known[0] == '\0' ||
	    (!report_reply_class(known, strlen(known)) && report_reply_class(line, length))) {
		free(recipient->diagnostic);
		recipient->diagnostic = subject_decode(line, length, DIAGNOSTIC_MAX_BYTES);
	}
}

/* Is a line one of the few that a report repeats of the message it speaks of? */
static bool is_repeated_field(const char *line)
{
	static const char *const names[] = {
		"subject:",  "betreff:", "objet:", "objet :", "asunto:", "assunto:",
		"oggetto:",  "temat:",   "тема:",  "sent:",   "date:",   "datum:",
		"gesendet:", "envoyé",   "from:",  "von:",    "件名",    "主题",
	};

	line += strspn(line, " \t");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* Whom a line is about: another recipient, or one that is named again with a reason. */
static struct report_recipient *find_or_add(struct classification *out, char *address,
                                            const char *action)
{
	struct report_recipient *recipient = report_find_recipient(out, address);

	if (recipient == NULL) {
		recipient = report_add_recipient(out, address);
		if (recipient != NULL)
			report_set_action(recipient, action);
		return recipient;
	}
	free(address);
	if (!report_reply_class(recipient->diagnostic, strlen(recipient->diagnostic)))
		recipient->diagnostic[0] = '\0';
	return recipient;
}

void report_read_words(const char *words, const char *action, struct classification *out)
{
	struct report_recipient *recipient = NULL;

	while (*words != '\0') {
		size_t length = strcspn(words, "\n");
		size_t after = 0;
		char *address = address_in_line(words, length, &after);

		if (address != NULL) {
			struct report_recipient *before = recipient;
			bool is_whole_reason = before != NULL &&
			                       address_equal(before->address, address) &&
			                       report_reply_class(words, length) != 0;

			recipient = find_or_add(out, address, action);
			if (recipient == NULL)
				return;
			if (is_whole_reason)
				take_reason(recipient, words, length);
			else
				take_reason(recipient, words + after, length - after);
		} else if (recipient != NULL && !is_repeated_field(words)) {
			take_reason(recipient, words, length);
		}
		words += length + (words[length] == '\n');
	}
}

bool report_has_recipient_words(const char *words, size_t length)
{
	size_t at = 0;

	while (at < length) {
		const char *newline = memchr(words + at, '\n', length - at);
		size_t line = newline == NULL ? length - at : (size_t)(newline - words) - at;
		size_t after;
		char *address = address_in_line(words + at, line, &after);

		if (address != NULL) {
			free(address);
			return true;
		}
		at += line + 1;
	}
	return false;
}
