#include "scheduler/compose.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/memory.h"
#include "lib/conversation/clock.h"
#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/mail/encoding.h"
#include "lib/mail/phrase.h"
#include "scheduler/levels.h"

#define LINE_COLUMNS   76  /* of a folded field and of quoted-printable (RFC 2045 6.7) */
#define LINE_MAX_BYTES 998 /* RFC 5322 2.1.1 */
#define WORD_BYTES     45  /* of text in one encoded word of 72 columns (RFC 2047 2) */
#define SUBJECT_BYTES  500
#define DURATION_SIZE  64
#define TIME_SIZE      64

static int compare_items(const void *a, const void *b)
{
	const struct notice_item *one = *(const struct notice_item *const *)a;
	const struct notice_item *other = *(const struct notice_item *const *)b;

	if (one->started_at != other->started_at)
		return one->started_at < other->started_at ? -1 : 1;
	if (one->wait != other->wait)
		return one->wait < other->wait ? -1 : 1;
	return (one->level < other->level) - (one->level > other->level);
}

size_t compose_select(const struct notice *notice, const struct notice_item **items)
{
	size_t running = 0, count = 0;

	for (size_t i = 0; i < notice->item_count; i++) {
		if (notice->items[i].is_running)
			items[running++] = &notice->items[i];
	}
	if (running > 0)
		qsort(items, running, sizeof(*items), compare_items);
	for (size_t i = 0; i < running; i++) {
		if (count == 0 || items[count - 1]->wait != items[i]->wait)
			items[count++] = items[i];
	}
	return count;
}

void compose_msgid(char out[COMPOSED_MSGID_SIZE], const struct notice *notice,
                   const struct config *config)
{
	snprintf(out, COMPOSED_MSGID_SIZE, "<rejoinder-notice-%" PRId64 "@%s>", notice->id,
	         address_domain(config->alert_from));
}

/* One line of valid UTF-8 without controls, each run of blanks one, trimmed. NULL gives "". Heap string. */
static char *clean_line(const char *text, size_t length, size_t max_bytes)
{
	struct buffer buffer;
	size_t kept = 0;
	char *line;

	buffer_init(&buffer, max_bytes);
	if (text != NULL)
		utf8_append_clean(&buffer, text, length);
	line = buffer_take(&buffer);
	for (const char *c = line; *c != '\0'; c++) {
		char shown = phrase_is_control(*c) ? ' ' : *c;

		if (shown != ' ' || (kept > 0 && line[kept - 1] != ' '))
			line[kept++] = shown;
	}
	if (kept > 0 && line[kept - 1] == ' ')
		kept--;
	line[kept] = '\0';
	return line;
}

static char *clean_text(const char *text, size_t max_bytes)
{
	return clean_line(text, text != NULL ? strlen(text) : 0, max_bytes);
}

static bool is_ascii(const char *text)
{
	while ((unsigned char)*text >= 1 && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* ` word word`, folded at blanks; column is where the line stands. */
static void append_words(struct buffer *out, const char *text, size_t column)
{
	while (*text != '\0') {
		size_t length = strcspn(text, " ");

		if (column + 1 + length > LINE_COLUMNS) {
			buffer_append_text(out, "\r\n");
			column = 0;
		}
		buffer_append_char(out, ' ');
		buffer_append(out, text, length);
		column += 1 + length;
		text += length + (text[length] == ' ');
	}
}

/* Encoded words, no character in two of them, each on a line of its own. */
static void append_encoded_words(struct buffer *out, const char *text)
{
	size_t length = strlen(text);
	size_t at = 0;

	while (at < length) {
		char encoded[(WORD_BYTES + 2) / 3 * 4 + 1] = {0};
		size_t run = 0, step;

		while ((step = utf8_char_length(text + at + run, length - at - run)) > 0 &&
		       run + step <= WORD_BYTES)
			run += step;
		base64_encode((const unsigned char *)text + at, run, encoded);
		buffer_printf(out, "\r\n =?UTF-8?B?%s?=", encoded);
		at += run;
	}
}

/* `Subject: ours theirs`: ours is ASCII, theirs clean UTF-8. */
static void append_subject(struct buffer *out, const char *ours, const char *theirs)
{
	size_t begin = out->length;

	buffer_append_text(out, "Subject:");
	append_words(out, ours, strlen("Subject:"));
	if (is_ascii(theirs) && strstr(theirs, "=?") == NULL)
		append_words(out, theirs, out->length - begin);
	else
		append_encoded_words(out, theirs);
	buffer_append_text(out, "\r\n");
}

/* An address as a field may carry it, a heap string, or NULL. */
static char *field_address(const char *address)
{
	char *read;

	for (const char *c = address; c != NULL && *c != '\0'; c++) {
		if (phrase_is_control(*c))
			return NULL;
	}
	read = address != NULL ? address_from_envelope(address) : NULL;
	if (read != NULL && read[0] != '\0' && address_equal(read, address))
		return read;
	free(read);
	return NULL;
}

/* `<...>` of one line and without blanks. */
static bool is_field_msgid(const char *msgid)
{
	size_t length = msgid != NULL ? strlen(msgid) : 0;

	if (length < 3 || length > LINE_MAX_BYTES - strlen("In-Reply-To: ") || msgid[0] != '<' ||
	    msgid[length - 1] != '>')
		return false;
	for (size_t i = 1; i + 1 < length; i++) {
		if (msgid[i] == ' ' || msgid[i] == '<' || msgid[i] == '>' ||
		    phrase_is_control(msgid[i]))
			return false;
	}
	return true;
}

/* Where answers go, a heap string, or NULL. */
static char *answer_address(const struct notice_item *item)
{
	char *address = field_address(item->reply_to);

	return address != NULL ? address : field_address(item->customer);
}

/* What makes the answer to an alert an ordinary message to the customer. */
static void append_links(struct buffer *out, const struct notice *notice,
                         const struct notice_item *item, const struct compose_context *context)
{
	const struct account *account = levels_account(context->config, item->account);
	const char *domain =
		account != NULL ? account->domain : address_domain(context->config->alert_from);
	char *answer = answer_address(item);
	char token[TOKEN_SIZE];

	token_make(token, context->keys, item->conversation, notice->created_at, domain);
	if (answer != NULL)
		buffer_printf(out, "Reply-To: %s\r\n", answer);
	if (is_field_msgid(item->msgid))
		buffer_printf(out, "In-Reply-To: %s\r\n", item->msgid);
	buffer_printf(out, "References: <%s@%s>", token, domain);
	if (is_field_msgid(item->msgid))
		buffer_printf(out, "\r\n %s", item->msgid);
	buffer_append_text(out, "\r\n");
	free(answer);
}

/* Local time with its zone (RFC 5322 3.3): "Sun, 22 Nov 2026 10:00:05 +0100"; both return out. */
static const char *format_date(char out[TIME_SIZE], int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm local;

	if (localtime_r(&seconds, &local) == NULL ||
	    strftime(out, TIME_SIZE, "%a, %d %b %Y %H:%M:%S %z", &local) == 0)
		out[0] = '\0';
	return out;
}

/* "2026-11-22 10:00 +0100" */
static const char *describe_time(char out[TIME_SIZE], int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm local;

	if (localtime_r(&seconds, &local) == NULL ||
	    strftime(out, TIME_SIZE, "%Y-%m-%d %H:%M %z", &local) == 0)
		out[0] = '\0';
	return out;
}

static void describe_wait(char out[DURATION_SIZE], int64_t started_at, int64_t now)
{
	clock_describe(now > started_at ? now - started_at : 0, out, DURATION_SIZE);
}

/* "2026-11-22 10:00 +0100 (45 min)" */
static void append_since(struct buffer *out, int64_t started_at, int64_t now)
{
	char duration[DURATION_SIZE], begin[TIME_SIZE];

	describe_wait(duration, started_at, now);
	buffer_printf(out, "%s (%s)", describe_time(begin, started_at), duration);
}

/* A line of the body; text is untrusted. Nothing for an empty one. */
static void append_line(struct buffer *body, const char *before, const char *text)
{
	char *line = clean_text(text, LINE_MAX_BYTES - strlen(before));

	if (line[0] != '\0')
		buffer_printf(body, "%s%s\n", before, line);
	free(line);
}

/* The last lines of a text, marked as quoted. */
static void append_text(struct buffer *body, const char *text)
{
	size_t end = strlen(text), begin;
	unsigned lines = 1;

	while (end > 0 && ((unsigned char)text[end - 1] <= ' '))
		end--;
	for (begin = end; begin > 0; begin--) {
		if (text[begin - 1] == '\n' && ++lines > COMPOSED_LINES_MAX)
			break;
	}
	while (begin < end) {
		const char *feed = memchr(text + begin, '\n', end - begin);
		size_t length = feed != NULL ? (size_t)(feed - text) - begin : end - begin;
		char *line = clean_line(text + begin, length, LINE_MAX_BYTES - 2);

		buffer_printf(body, "%s%s\n", line[0] != '\0' ? "> " : ">", line);
		free(line);
		begin += length + 1;
	}
}

static void append_alert(struct buffer *body, const struct notice_item *item, int64_t now)
{
	char *customer = clean_text(item->customer, ADDRESS_MAX_BYTES);
	char *answer = answer_address(item);

	buffer_printf(body, "%s has waited for an answer since ", customer);
	append_since(body, item->started_at, now);
	buffer_append_text(body, ".\n\n");
	append_line(body, "Subject: ", item->subject);
	append_line(body, "Reference: ", item->reference);
	if (item->text != NULL && item->text[0] != '\0') {
		buffer_append_text(body, "\n");
		append_text(body, item->text);
	}
	if (answer != NULL)
		buffer_printf(body, "\nAnswer this mail: it goes to %s.\n", answer);
	free(answer);
	free(customer);
}

static void append_digest(struct buffer *body, const struct notice_item *const *items, size_t count,
                          int64_t now)
{
	buffer_append_text(body, "While alerts could not be sent, these came due. "
	                         "The longest wait is first.\n");
	for (size_t i = 0; i < count && i < COMPOSED_ITEMS_MAX; i++) {
		char id[CONVERSATION_ID_SIZE];
		char *customer = clean_text(items[i]->customer, ADDRESS_MAX_BYTES);

		conversation_id_format(items[i]->conversation, id);
		buffer_printf(body, "\n%s\n  since ", customer);
		append_since(body, items[i]->started_at, now);
		buffer_append_text(body, "\n");
		append_line(body, "  ", items[i]->subject);
		append_line(body, "  Reference: ", items[i]->reference);
		buffer_printf(body, "  Conversation: %s\n", id);
		free(customer);
	}
	if (count > COMPOSED_ITEMS_MAX)
		buffer_printf(body, "\nand %zu more: rejoinder list --waiting\n",
		              count - COMPOSED_ITEMS_MAX);
	buffer_append_text(body, "\nAn answer to this mail reaches no customer.\n");
}

static int compare_customers(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t count_customers(const struct notice_item *const *items, size_t count)
{
	const char **customers = xreallocarray(NULL, count, sizeof(*customers));
	size_t different = 1;

	for (size_t i = 0; i < count; i++)
		customers[i] = items[i]->customer != NULL ? items[i]->customer : "";
	qsort(customers, count, sizeof(*customers), compare_customers);
	for (size_t i = 1; i < count; i++)
		different += strcmp(customers[i - 1], customers[i]) != 0;
	free(customers);
	return different;
}

/* Quoted-printable (RFC 2045 6.7) of text with LF line ends. */
static void append_quoted_printable(struct buffer *out, const char *text)
{
	size_t column = 0;

	for (const char *c = text; *c != '\0'; c++) {
		bool is_line_end = c[1] == '\n' || c[1] == '\0';
		bool is_plain = *c >= ' ' && *c < 0x7f && *c != '=' && (*c != ' ' || !is_line_end);
		size_t width = is_plain ? 1 : 3;

		if (*c == '\n') {
			buffer_append_text(out, "\r\n");
			column = 0;
			continue;
		}
		/* The last column is for the `=` of a soft break. */
		if (column + width > LINE_COLUMNS - (is_line_end ? 0 : 1)) {
			buffer_append_text(out, "=\r\n");
			column = 0;
		}
		if (is_plain)
			buffer_append_char(out, *c);
		else
			buffer_printf(out, "=%02X", (unsigned)(unsigned char)*c);
		column += width;
	}
}

static void append_body(struct buffer *out, const char *body)
{
	bool is_plain = is_ascii(body);

	buffer_printf(out,
	              "MIME-Version: 1.0\r\n"
	              "Content-Type: text/plain; charset=utf-8\r\n"
	              "Content-Transfer-Encoding: %s\r\n\r\n",
	              is_plain ? "7bit" : "quoted-printable");
	if (!is_plain) {
		append_quoted_printable(out, body);
		return;
	}
	while (*body != '\0') {
		size_t length = strcspn(body, "\n");

		buffer_append(out, body, length);
		buffer_append_text(out, "\r\n");
		body += length + (body[length] == '\n');
	}
}

/* The fields that alerts and digests have alike. */
static void append_common(struct buffer *out, const struct notice *notice,
                          const struct notice_item *first, const struct compose_context *context)
{
	char msgid[COMPOSED_MSGID_SIZE], mark[MARK_SIZE], date[TIME_SIZE], id[CONVERSATION_ID_SIZE];
	char *from = address_format("Rejoinder", context->config->alert_from, strlen("From"));
	char *to = field_address(notice->recipient);

	compose_msgid(msgid, notice, context->config);
	conversation_id_format(first->conversation, id);
	/* A mark is believed for days, a notice may be older: it gets the day of the try. */
	mark_make(mark, context->keys, MARK_ALERT, id, context->now);
	buffer_printf(out,
	              MARK_FIELD ": %s\r\n"
	                         "From: %s\r\n"
	                         "To: %s\r\n"
	                         "Date: %s\r\n"
	                         "Message-ID: %s\r\n"
	                         "Auto-Submitted: auto-generated\r\n",
	              mark, from, to != NULL ? to : "undisclosed-recipients:;",
	              format_date(date, notice->created_at), msgid);
	free(from);
	free(to);
}

void compose_notice(struct buffer *out, const struct notice *notice,
                    const struct notice_item *const *items, size_t count,
                    const struct compose_context *context)
{
	char ours[DURATION_SIZE + 40], duration[DURATION_SIZE];
	struct buffer body;

	buffer_clear(out);
	buffer_init(&body, COMPOSED_MAX_BYTES);
	append_common(out, notice, items[0], context);
	if (count == 1) {
		char *subject = clean_text(items[0]->subject, SUBJECT_BYTES);

		describe_wait(duration, items[0]->started_at, context->now);
		snprintf(ours, sizeof(ours), "Unreplied for %s:", duration);
		append_subject(out, ours, subject[0] != '\0' ? subject : "(no subject)");
		append_links(out, notice, items[0], context);
		append_alert(&body, items[0], context->now);
		free(subject);
	} else {
		size_t customers = count_customers(items, count);

		snprintf(ours, sizeof(ours), "%zu %s for an answer", customers,
		         customers == 1 ? "customer waits" : "customers wait");
		append_subject(out, ours, "");
		append_digest(&body, items, count, context->now);
	}
	append_body(out, body.data);
	buffer_release(&body);
}
