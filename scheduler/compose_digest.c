#include <stdlib.h>
#include <string.h>

#include "lib/conversation/token.h"
#include "scheduler/compose_html.h"
#include "scheduler/compose_parts.h"
#include "scheduler/mail_text.h"

/* Two parts of COMPOSED_ITEMS_MAX rows stay under COMPOSED_MAX_BYTES, encoded and escaped. */
#define SUBJECT_BYTES   200
#define REFERENCE_BYTES 100

#define INTRODUCTION "Who waits for an answer, the longest wait first:"
#define NO_ANSWER    "An answer to this mail reaches no customer."
#define INDENT       14 /* of plain text beside the durations */

/* What a digest says of one wait, clean. */
struct row {
	const struct notice_item *item;
	char *customer, *subject, *reference; /* "" if unknown */
	char conversation[CONVERSATION_ID_SIZE];
	char waited[WHEN_DURATION_SIZE], since[WHEN_SINCE_SIZE], business[WHEN_DURATION_SIZE];
};

static void row_init(struct row *row, const struct notice_item *item,
                     const struct compose_clock *clock, int64_t now)
{
	*row = (struct row){
		.item = item,
		.customer = compose_customer(item),
		.subject = mail_clean_text(item->subject, SUBJECT_BYTES),
		.reference = mail_clean_text(item->reference, REFERENCE_BYTES),
	};
	conversation_id_format(item->conversation, row->conversation);
	when_describe_wait(row->waited, item->started_at, now);
	when_describe_since(row->since, item->started_at, clock);
	when_describe_business(row->business, clock);
}

static void row_release(struct row *row)
{
	free(row->reference);
	free(row->subject);
	free(row->customer);
}

static void write_plain_row(struct buffer *out, const struct row *row)
{
	buffer_printf(out, "\n%*s  %s\n", INDENT - 2, row->waited, row->customer);
	if (row->subject[0] != '\0')
		buffer_printf(out, "%*s%s\n", INDENT, "", row->subject);
	if (row->reference[0] != '\0')
		buffer_printf(out, "%*sReference: %s\n", INDENT, "", row->reference);
	buffer_printf(out, "%*sSince: %s\n", INDENT, "", row->since);
	if (row->business[0] != '\0')
		buffer_printf(out, "%*sBusiness time: %s\n", INDENT, "", row->business);
	buffer_printf(out, "%*sConversation: %s\n", INDENT, "", row->conversation);
}

static void write_html_row(struct buffer *out, const struct row *row)
{
	buffer_printf(out,
	              "<tr><td style=\"padding:8px 12px 8px 0;border-top:1px solid #8a8f98;"
	              "vertical-align:top;white-space:nowrap\"><b>%s</b></td>\n"
	              "<td style=\"padding:8px 0;border-top:1px solid #8a8f98;"
	              "vertical-align:top;" HTML_WRAP "\">",
	              row->waited);
	compose_append_customer_html(out, row->item);
	if (row->subject[0] != '\0') {
		buffer_append_text(out, "<br>\n");
		html_append_isolated(out, row->subject);
	}
	buffer_append_text(out, "\n<div style=\"" HTML_MUTED "\">");
	if (row->reference[0] != '\0') {
		html_append_isolated(out, row->reference);
		buffer_append_text(out, "<br>\n");
	}
	buffer_append_text(out, "since ");
	html_append_escaped(out, row->since);
	if (row->business[0] != '\0')
		buffer_printf(out, "<br>\n%s of business time", row->business);
	buffer_printf(out, "<br>\nconversation %s</div></td></tr>\n", row->conversation);
}

void compose_digest_parts(struct buffer *plain, struct buffer *html,
                          const struct notice_item *const *items,
                          const struct compose_clock *clocks, size_t count, int64_t now)
{
	size_t shown = count < COMPOSED_ITEMS_MAX ? count : COMPOSED_ITEMS_MAX;

	buffer_append_text(plain, INTRODUCTION "\n");
	html_begin(html);
	buffer_append_text(html, "<p style=\"margin:0 0 16px\">" INTRODUCTION "</p>\n"
	                         "<table cellpadding=\"0\" cellspacing=\"0\" style=\"width:100%;"
	                         "border-collapse:collapse;margin:0 0 16px;"
	                         "font-size:16px;line-height:1.5\">\n");
	for (size_t i = 0; i < shown; i++) {
		struct row row;

		row_init(&row, items[i], clocks != NULL ? &clocks[i] : NULL, now);
		write_plain_row(plain, &row);
		write_html_row(html, &row);
		row_release(&row);
	}
	buffer_append_text(html, "</table>\n");
	if (count > shown) {
		buffer_printf(plain, "\nand %zu more: rejoinder list --waiting\n", count - shown);
		buffer_printf(html,
		              "<p style=\"margin:0 0 16px\">and %zu more: "
		              "<code>rejoinder list --waiting</code></p>\n",
		              count - shown);
	}
	buffer_append_text(plain, "\n" NO_ANSWER "\n");
	buffer_append_text(html, "<p style=\"margin:0;" HTML_MUTED "\">" NO_ANSWER "</p>\n");
	html_end(html);
}
