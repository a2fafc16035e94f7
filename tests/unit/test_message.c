#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/message.h"

/* A message of raw bytes; the header is the caller's to release. */
static struct message read_message(struct header *header, const char *raw)
{
	size_t length = strlen(raw);
	size_t body_at;

	header_init(header);
	body_at = header_parse(header, raw, length);
	return (struct message){
		.header = header, .body = raw + body_at, .body_length = length - body_at};
}

/* "depth type [content]" of each part that is no multipart. */
static const struct {
	const char *name;
	const char *raw;
	const char *expected;
} trees[] = {
	{"no header: text", "\nHello", "0 text/plain [Hello]\n"},
	{"a broken type is the default", "Content-Type: foo\n\nHello", "0 text/plain [Hello]\n"},
	{"two parts; preamble and epilogue are none",
         "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\n"
         "Content-Type: TEXT/HTML\n\ntwo\n--b--\nepilogue\n",
         "0 multipart/mixed\n1 text/plain [one]\n1 text/html [two]\n"},
	{"CRLF, quoted boundary, blanks behind delimiters",
         "Content-Type: multipart/mixed; boundary=\"b c\"\r\n\r\n--b c \r\n\r\none\r\n--b c--\t\r\n",
         "0 multipart/mixed\n1 text/plain [one]\n"},
	{"a boundary in pieces, in any order",
         "Content-Type: multipart/mixed; boundary*1=c; boundary*0=\"b \"\n\n--b c\n\none\n--b c--\n",
         "0 multipart/mixed\n1 text/plain [one]\n"},
	{"an encoded boundary",
         "Content-Type: multipart/mixed; boundary*=us-ascii'en'b%20c\n\n--b c\n\none\n--b c--\n",
         "0 multipart/mixed\n1 text/plain [one]\n"},
	{"encoded and plain pieces",
         "Content-Type: multipart/mixed; boundary*0*=''%62; boundary*1=%63\n\n--b%63\n\none\n",
         "0 multipart/mixed\n1 text/plain [one\n]\n"},
	{"a whole boundary goes before pieces",
         "Content-Type: multipart/mixed; boundary*0=c; boundary=b\n\n--b\n\none\n--b--\n",
         "0 multipart/mixed\n1 text/plain [one]\n"},
	{"pieces without the first are none",
         "Content-Type: multipart/mixed; boundary*1=b\n\n--b\n\none\n--b--\n",
         "0 multipart/mixed\n"},
	{"a type before a comment", "Content-Type: text/html(x)\n\none", "0 text/html [one]\n"},
	{"the last line break belongs to the delimiter, the one before does not",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n\n--b--\n",
         "0 multipart/mixed\n1 text/plain [one\n]\n"},
	{"an empty part", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--\n",
         "0 multipart/mixed\n1 text/plain []\n"},
	{"a boundary that begins like another",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
         "Content-Type: multipart/alternative; boundary=b2\n\n--b2\n\none\n--b2--\n--b\n\ntwo\n--b--\n",
         "0 multipart/mixed\n1 multipart/alternative\n2 text/plain [one]\n1 text/plain [two]\n"},
	{"an outer delimiter ends inner parts",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
         "Content-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\ntwo\n",
         "0 multipart/mixed\n1 multipart/mixed\n2 text/plain [one]\n1 text/plain [two\n]\n"},
	{"a part without an end", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none",
         "0 multipart/mixed\n1 text/plain [one]\n"},
	{"a part without a blank line",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\none\n--b--\n",
         "0 multipart/mixed\n1 text/plain [one]\n"},
	{"a returned message is one part and is not entered",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
         "Content-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--c--\n--b--\n",
         "0 multipart/mixed\n1 message/rfc822 [Content-Type: multipart/mixed; boundary=c\n\n--c\n\n"
         "one\n--c--]\n"},
	{"the default type in a digest",
         "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\n--b--\n",
         "0 multipart/digest\n1 message/rfc822 [Subject: x\n]\n"},
	{"a multipart without a boundary has no parts",
         "Content-Type: multipart/mixed\n\n--b\n\none\n", "0 multipart/mixed\n"},
	{"a boundary after another parameter with a semicolon in quotes",
         "Content-Type: multipart/mixed; x=\"a;boundary=c\"; Boundary = b\n\n--b\n\none\n--b--\n",
         "0 multipart/mixed\n1 text/plain [one]\n"},
};

static char *draw(const struct part_list *parts)
{
	char *out = xstrdup("");

	for (size_t i = 0; i < parts->count; i++) {
		const struct part *part = &parts->items[i];
		bool is_multipart = strncmp(part->type, "multipart/", 10) == 0;
		char *longer = is_multipart
		                       ? xasprintf("%s%u %s\n", out, part->depth, part->type)
		                       : xasprintf("%s%u %s [%.*s]\n", out, part->depth, part->type,
		                                   (int)part->length, part->content);

		free(out);
		out = longer;
	}
	return out;
}

static void parts_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
		struct header header;
		struct message message = read_message(&header, trees[i].raw);
		struct part_list parts;
		char *found;

		message_parts(&message, &parts);
		found = draw(&parts);
		if (strcmp(found, trees[i].expected) != 0)
			fail_msg("%s: found \"%s\"", trees[i].name, found);
		free(found);
		part_list_release(&parts);
		header_release(&header);
	}
}

static void a_part_is_described(void **state)
{
	struct header header;
	struct message message = read_message(
		&header,
		"Content-Type: multipart/report; report-type=\"Delivery-Status\"; boundary=b\n\n"
		"--b\nContent-Type: text/plain; charset=\"ISO-8859-1\"\n"
		"Content-Transfer-Encoding: Quoted-Printable \n"
		"Content-Disposition: ATTACHMENT; filename=x\n\nx\n--b--\n");
	struct part_list parts;
	(void)state;

	message_parts(&message, &parts);
	assert_int_equal(parts.count, 2);
	assert_string_equal(parts.items[0].report_type, "delivery-status");
	assert_string_equal(parts.items[1].charset, "ISO-8859-1");
	assert_string_equal(parts.items[1].encoding, "quoted-printable");
	assert_true(parts.items[1].is_attachment);
	assert_false(parts.items[0].is_attachment);
	part_list_release(&parts);
	header_release(&header);
}

static void a_message_without_a_body_has_one_part(void **state)
{
	struct header header;
	struct message message = {.header = &header, .body = NULL, .body_length = 0};
	struct part_list parts;
	(void)state;

	header_init(&header);
	message_parts(&message, &parts);
	assert_int_equal(parts.count, 1);
	assert_int_equal(parts.items[0].length, 0);
	part_list_release(&parts);
	header_release(&header);
}

static void parts_are_limited_in_number_and_depth(void **state)
{
	static const char start[] = "Content-Type: multipart/mixed; boundary=b0\n\n";
	char *raw = xmalloc(sizeof start + 500000);
	struct header header;
	struct message message;
	struct part_list parts;
	size_t at = sizeof start - 1;
	(void)state;

	memcpy(raw, start, sizeof start);
	for (int i = 0; i < 100000; i++, at += 5)
		memcpy(raw + at, "--b0\n", 6);
	message = read_message(&header, raw);
	message_parts(&message, &parts);
	assert_int_equal(parts.count, MESSAGE_PARTS_MAX);
	part_list_release(&parts);
	header_release(&header);

	at = sizeof start - 1;
	for (int i = 0; i < 1000; i++)
		at += (size_t)snprintf(raw + at, 100,
		                       "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i,
		                       i + 1);
	message = read_message(&header, raw);
	message_parts(&message, &parts);
	for (size_t i = 0; i < parts.count; i++)
		assert_true(parts.items[i].depth <= MESSAGE_DEPTH_MAX);
	assert_int_equal(parts.items[parts.count - 1].depth, MESSAGE_DEPTH_MAX);
	part_list_release(&parts);
	header_release(&header);
	free(raw);
}

static const struct {
	const char *name;
	const char *encoding;
	const char *content;
	size_t max_bytes;
	const char *expected;
} encodings[] = {
	{"none", "", "Hello", 100, "Hello"},
	{"8bit", "8bit", "Hello", 100, "Hello"},
	{"base64", "base64", "SGVs\r\nbG8=", 100, "Hello"},
	{"base64 without its padding", "base64", "SGVsbG8", 100, "Hello"},
	{"base64 in two pieces, with dirt", "base64", "SGU=\n!bGxv", 100, "Hello"},
	{"quoted-printable", "quoted-printable", "H=65llo=20=\r\nthere=\nx", 100, "Hello therex"},
	{"a blank between = and the line's end", "quoted-printable", "Hel= \r\nlo", 100, "Hello"},
	{"a = that escapes nothing stays", "quoted-printable", "a=b=4", 100, "a=b=4"},
	{"cut to the maximum", "base64", "SGVsbG8=", 3, "Hel"},
	{"an unknown encoding is left", "x-uuencode", "Hello", 100, "Hello"},
};

static void contents_are_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
		struct part part = {.content = encodings[i].content,
		                    .length = strlen(encodings[i].content)};
		size_t length;
		char *found;

		snprintf(part.encoding, sizeof part.encoding, "%s", encodings[i].encoding);
		found = part_decode(&part, encodings[i].max_bytes, &length);
		if (strcmp(found, encodings[i].expected) != 0 || strlen(found) != length)
			fail_msg("%s: found \"%s\"", encodings[i].name, found);
		free(found);
	}
}

static const struct {
	const char *name;
	const char *raw;
	const char *expected;
} texts[] = {
	{"plain", "\nHello\n\nJane\n", "Hello\n\nJane"},
	{"quoted lines and their introduction go",
         "\nI agree.\n\nOn Mon, 1 Feb 2027 at 10:00, Bob <bob@example.org> wrote:\n> Do you?\n> Bob\n",
         "I agree."},
	{"an introduction broken in two lines",
         "\nI agree.\n\nOn Mon, 1 Feb 2027 at 10:00, Bob\n<bob@example.org> wrote:\n\n> Do you?\n",
         "I agree."},
	{"in another language", "\nJa.\n\nAm 01.02.2027 um 10:00 schrieb Bob:\n> Wirklich?\n",
         "Ja."},
	{"answers between quotations stay", "\nBob wrote on 1.2.2027:\n> One?\nYes.\n> Two?\nNo.\n",
         "Yes.\nNo."},
	{"a sentence with a colon above a quotation stays", "\nYou said this:\n> One.\nNo.\n",
         "You said this:\nNo."},
	{"the signature goes", "\nHello\n-- \nJane\n", "Hello"},
	{"a line of dashes stays", "\nHello\n---\nJane\n", "Hello\n---\nJane"},
	{"the original message of Outlook goes",
         "\nHello\n\n-----Original Message-----\nFrom: Bob\n", "Hello"},
	{"and without its line",
         "\nHello\n\nFrom: Bob <bob@example.org>\nSent: Monday\nTo: Jane\n\nold\n", "Hello"},
	{"and under a ruler",
         "\nHello\n________________________________\nVon: Bob\nGesendet: Montag\n\nold\n", "Hello"},
	{"words that begin like that are text", "\nFrom: here on\nwe walk.\n",
         "From: here on\nwe walk."},
	{"another charset", "Content-Type: text/plain; charset=iso-8859-1\n\nJ\xe4ne\n",
         "J\xc3\xa4ne"},
	{"an encoding", "Content-Transfer-Encoding: base64\n\nSGVsbG8=\n", "Hello"},
	{"the text of an alternative",
         "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n"
         "<p>html</p>\n--b\nContent-Type: text/plain\n\nplain\n--b--\n",
         "plain"},
	{"an attached text is not what was written",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
         "Content-Disposition: attachment\n\nold\n--b\nContent-Type: text/html\n\nnew\n--b--\n",
         "new"},
	{"html",
         "Content-Type: text/html\n\n<html><head><title>t</title><style>p{}</style></head>"
         "<body><p>Hello&nbsp;&amp;  <b>you</b></p>there<br>J&auml;ne &#8364;&#x41;</body>",
         "Hello & you\nthere\nJ\xc3\xa4ne \xe2\x82\xac"
         "A"},
	{"html with a quotation",
         "Content-Type: text/html\n\n<div>Yes.</div><div>On 1.2.2027 Bob wrote:</div>"
         "<blockquote><div>Do you?</div></blockquote>",
         "Yes."},
	{"html of Gmail",
         "Content-Type: text/html\n\n<div>Yes.</div><div class=\"gmail_quote\">On "
         "Monday<br>old</div>",
         "Yes."},
	{"html that is not closed", "Content-Type: text/html\n\na < b <b", "a < b"},
	{"only a quotation", "\n> old\n", ""},
	{"no text at all", "Content-Type: image/png\n\nxx", ""},
};

static void new_text_is_what_the_sender_wrote(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct header header;
		struct message message = read_message(&header, texts[i].raw);
		char *found = message_new_text(&message, 1000);

		if (strcmp(found, texts[i].expected) != 0)
			fail_msg("%s: found \"%s\"", texts[i].name, found);
		free(found);
		header_release(&header);
	}
}

static void new_text_is_cut_at_a_character(void **state)
{
	struct header header;
	struct message message = read_message(&header, "\nab\xe2\x82\xac");
	char *found = message_new_text(&message, 4);
	(void)state;

	assert_string_equal(found, "ab");
	free(found);
	header_release(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_found),
		cmocka_unit_test(a_part_is_described),
		cmocka_unit_test(a_message_without_a_body_has_one_part),
		cmocka_unit_test(parts_are_limited_in_number_and_depth),
		cmocka_unit_test(contents_are_decoded),
		cmocka_unit_test(new_text_is_what_the_sender_wrote),
		cmocka_unit_test(new_text_is_cut_at_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
