#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/list.h"
#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "scheduler/compose_html.h"
#include "scheduler/compose_links.h"
#include "scheduler/compose_parts.h"
#include "scheduler/levels.h"
#include "scheduler/mail_text.h"

#define HINT            "Your answer goes to the customer; delete what stands below."
#define NO_ANSWER       "An answer does not reach the customer: he has no usable address."
#define LINKS           "For staff only. Each of these opens a mail that is ready: send it as it is."
#define CUT             "[...]"
#define SUBJECT_BYTES   200
#define REFERENCE_BYTES 100
#define RECIPIENTS_MAX  5 /* of a level, named in a warning */

struct fact {
	const char *label, *value; /* the value may be "": then it is not told */
};
#define FACT_COUNT 4

/* What an alert says, clean. */
struct alert {
	const struct notice_item *item;
	char *customer, *subject, *reference;
	char *answer; /* or NULL */
	/* WARNING customer VERB waited REST: the first sentence; the warning is "" if it is none. */
	char *warning, *rest;
	const char *verb;
	char waited[WHEN_DURATION_SIZE], since[WHEN_SINCE_SIZE], business[WHEN_DURATION_SIZE];
	struct fact facts[FACT_COUNT];
	struct string_list lines;  /* of the customer's text */
	char *links[ACTION_COUNT]; /* all or none are NULL */
};

/* The first lines of a text, blank ones before and after them left out. */
static void take_lines(struct string_list *lines, const char *text)
{
	size_t end = text != NULL ? strlen(text) : 0, at = 0;

	while (end > 0 && (unsigned char)text[end - 1] <= ' ')
		end--;
	while (at < end && lines->count < COMPOSED_LINES_MAX) {
		const char *feed = memchr(text + at, '\n', end - at);
		size_t length = feed != NULL ? (size_t)(feed - text) - at : end - at;
		char *line = mail_clean_line(text + at, length, MAIL_TEXT_LINE_BYTES - 2);

		if (line[0] != '\0' || lines->count > 0)
			string_list_take(lines, line);
		else
			free(line);
		at += length + 1;
	}
	if (at < end)
		string_list_add(lines, CUT);
}

/* Who are told of a level, each once. */
static void list_recipients(struct string_list *out, const struct notice_item *item,
                            const struct alert_level *level, const struct config *config)
{
	for (size_t i = 0; i < level->recipients.count; i++) {
		const char *address = levels_recipient(config, item, level->recipients.items[i]);

		if (!string_list_has_nocase(out, address))
			string_list_add(out, address);
	}
}

/* The same in words: "you, boss@company.test and 2 others". */
static char *name_recipients(const struct notice *notice, const struct notice_item *item,
                             const struct alert_level *level, const struct config *config)
{
	struct string_list recipients = {0};
	size_t count, shown;
	struct buffer out;

	list_recipients(&recipients, item, level, config);
	count = recipients.count;
	shown = count <= RECIPIENTS_MAX ? count : RECIPIENTS_MAX - 1;
	buffer_init(&out, COMPOSED_MAX_BYTES);
	for (size_t i = 0; i < shown; i++) {
		const char *address = recipients.items[i];
		char *name = strcasecmp(address, notice->recipient) == 0
		                     ? xstrdup("you")
		                     : mail_clean_text(address, ADDRESS_MAX_BYTES);

		if (i > 0)
			buffer_append_text(&out, i + 1 == count ? " and " : ", ");
		buffer_append_text(&out, name);
		free(name);
	}
	if (shown < count)
		buffer_printf(&out, " and %zu others", count - shown);
	string_list_release(&recipients);
	return buffer_take(&out);
}

/* What an alert says first of all. */
static void set_sentence(struct alert *alert, const struct notice *notice,
                         const struct notice_item *item, const struct compose_clock *clock,
                         const struct compose_context *context)
{
	int64_t left_s = compose_time_left(item, context);
	char left[WHEN_DURATION_SIZE], at[WHEN_SINCE_SIZE];
	struct told_level told = {0};
	bool is_found = levels_find(context->config, item, &told);
	char *recipients;

	if (left_s == 0) {
		alert->warning = xstrdup("");
		alert->verb = "has waited";
		when_describe_wait(alert->waited, item->started_at, context->now);
		if (is_found && told.repeat > 0)
			alert->rest = xasprintf(" for an answer (told again, %d of %d).",
			                        told.repeat, told.repeat_count);
		else
			alert->rest =
				xstrdup(item->level >= ALERT_REMINDER_LEVEL &&
			                                item->level < ALERT_DIGEST_LEVEL
			                        ? " for an answer (told again after a snooze)."
			                        : " for an answer.");
		return;
	}
	recipients = name_recipients(notice, item, told.level, context->config);
	alert->verb = "will have waited";
	when_describe_wait(alert->waited, 0, told.level->after_s);
	alert->warning = xasprintf("In %s, %s, ", when_describe_left(left, left_s),
	                           when_describe_since(at, told.passes_at, clock));
	alert->rest = xasprintf("%s for an answer; then an alert goes to %s.",
	                        told.level->is_business ? " of business time" : "", recipients);
	free(recipients);
}

static void alert_init(struct alert *alert, const struct notice *notice,
                       const struct notice_item *item, const struct compose_clock *clock,
                       const struct compose_context *context)
{
	*alert = (struct alert){
		.item = item,
		.customer = compose_customer(item),
		.subject = mail_clean_text(item->subject, SUBJECT_BYTES),
		.reference = mail_clean_text(item->reference, REFERENCE_BYTES),
		.answer = compose_answer_address(item),
	};
	when_describe_since(alert->since, item->started_at, clock);
	set_sentence(alert, notice, item, clock, context);
	when_describe_business(alert->business, clock);
	alert->facts[0] = (struct fact){"Since", alert->since};
	alert->facts[1] = (struct fact){"Business time", alert->business};
	alert->facts[2] = (struct fact){"Subject", alert->subject};
	alert->facts[3] = (struct fact){"Reference", alert->reference};
	take_lines(&alert->lines, item->text);
	for (size_t i = 0; i < ACTION_COUNT; i++)
		alert->links[i] = links_make(notice, item, (enum action)i, context);
}

static void alert_release(struct alert *alert)
{
	for (size_t i = 0; i < ACTION_COUNT; i++)
		free(alert->links[i]);
	string_list_release(&alert->lines);
	free(alert->warning);
	free(alert->rest);
	free(alert->answer);
	free(alert->reference);
	free(alert->subject);
	free(alert->customer);
}

static void write_plain(struct buffer *out, const struct alert *alert)
{
	buffer_printf(out, "%s\n\n", alert->answer != NULL ? HINT : NO_ANSWER);
	buffer_printf(out, "%s%s %s %s%s\n\n", alert->warning, alert->customer, alert->verb,
	              alert->waited, alert->rest);
	for (size_t i = 0; i < FACT_COUNT; i++) {
		const struct fact *fact = &alert->facts[i];

		if (fact->value[0] != '\0')
			buffer_printf(out, "%s:%*s%s\n", fact->label,
			              (int)(15 - strlen(fact->label)), "", fact->value);
	}
	if (alert->lines.count > 0)
		buffer_append_char(out, '\n');
	for (size_t i = 0; i < alert->lines.count; i++) {
		const char *line = alert->lines.items[i];

		buffer_printf(out, "%s%s\n", line[0] != '\0' ? "> " : ">", line);
	}
	if (alert->answer == NULL && alert->links[0] == NULL)
		return;
	buffer_append_text(out, "\n-- \n");
	if (alert->answer != NULL)
		buffer_printf(out, "Just reply: it goes to %s and ends the wait.\n", alert->answer);
	if (alert->links[0] == NULL)
		return;
	buffer_append_text(out, LINKS "\n");
	for (size_t i = 0; i < ACTION_COUNT; i++)
		buffer_printf(out, "\n%s:\n<%s>\n", links_label((enum action)i), alert->links[i]);
}

static void write_html_head(struct buffer *out, const struct alert *alert)
{
	buffer_printf(out, "<p style=\"margin:0 0 16px;" HTML_MUTED "\">%s</p>\n",
	              alert->answer != NULL ? HINT : NO_ANSWER);
	buffer_append_text(out, "<p style=\"margin:0 0 16px;font-size:20px;line-height:1.35\">");
	html_append_escaped(out, alert->warning);
	compose_append_customer_html(out, alert->item);
	buffer_printf(out, "\n%s <b>%s</b>", alert->verb, alert->waited);
	html_append_escaped(out, alert->rest);
	buffer_append_text(out, "</p>\n");
	buffer_append_text(out, "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" "
	                        "style=\"border-collapse:collapse;margin:0 0 16px;"
	                        "font-size:16px;line-height:1.5\">\n");
	for (size_t i = 0; i < FACT_COUNT; i++) {
		const struct fact *fact = &alert->facts[i];

		if (fact->value[0] == '\0')
			continue;
		buffer_printf(out,
		              "<tr><td style=\"padding:2px 16px 2px 0;vertical-align:top;"
		              "white-space:nowrap;opacity:0.75\">%s</td>\n"
		              "<td style=\"padding:2px 0;vertical-align:top;" HTML_WRAP "\">",
		              fact->label);
		html_append_isolated(out, fact->value);
		buffer_append_text(out, "</td></tr>\n");
	}
	buffer_append_text(out, "</table>\n");
}

static void write_html_lines(struct buffer *out, const struct string_list *lines)
{
	if (lines->count == 0)
		return;
	buffer_append_text(
		out, "<blockquote dir=\"auto\" style=\"margin:0 0 16px;padding:4px 0 4px 12px;"
		     "border-left:4px solid #5b8def\">\n");
	for (size_t i = 0; i < lines->count; i++) {
		html_append_isolated(out, lines->items[i]);
		buffer_append_text(out, i + 1 < lines->count ? "<br>\n" : "\n");
	}
	buffer_append_text(out, "</blockquote>\n");
}

static void write_html_links(struct buffer *out, const struct alert *alert)
{
	buffer_append_text(out, "<p style=\"margin:0 0 8px;" HTML_MUTED "\">" LINKS "</p>\n");
	for (size_t i = 0; i < ACTION_COUNT; i++) {
		buffer_append_text(out, "<a href=\"");
		html_append_escaped(out, alert->links[i]);
		buffer_printf(
			out,
			"\"\nstyle=\"display:inline-block;margin:0 8px 8px 0;padding:8px 12px;"
			"border:1px solid #5b8def;border-radius:6px;color:inherit;"
			"text-decoration:none\">%s</a>\n",
			links_label((enum action)i));
	}
}

static void write_html(struct buffer *out, const struct alert *alert)
{
	html_begin(out);
	write_html_head(out, alert);
	write_html_lines(out, &alert->lines);
	if (alert->answer != NULL) {
		buffer_append_text(out, "<p style=\"margin:0 0 16px\">Just reply: it goes to ");
		html_append_isolated(out, alert->answer);
		buffer_append_text(out, "\nand ends the wait.</p>\n");
	}
	if (alert->links[0] != NULL)
		write_html_links(out, alert);
	html_end(out);
}

void compose_alert_parts(struct buffer *plain, struct buffer *html, const struct notice *notice,
                         const struct notice_item *item, const struct compose_clock *clock,
                         const struct compose_context *context)
{
	struct alert alert;

	alert_init(&alert, notice, item, clock, context);
	write_plain(plain, &alert);
	write_html(html, &alert);
	alert_release(&alert);
}
