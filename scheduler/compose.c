#include "scheduler/compose.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "scheduler/compose_parts.h"
#include "scheduler/levels.h"
#include "scheduler/mail_text.h"

#define SUBJECT_SIZE (WHEN_DURATION_SIZE + 40)

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

char *compose_answer_address(const struct notice_item *item)
{
	char *address = mail_field_address(item->reply_to);

	return address != NULL ? address : mail_field_address(item->customer);
}

/* What makes the answer to an alert an ordinary message to the customer. */
static void append_links(struct buffer *out, const struct notice *notice,
                         const struct notice_item *item, const struct compose_context *context)
{
	const struct account *account = config_account_by_name(context->config, item->account);
	const char *domain =
		account != NULL ? account->domain : address_domain(context->config->alert_from);
	char *answer = compose_answer_address(item);
	char token[TOKEN_SIZE];

	token_make(token, context->keys, item->conversation, notice->created_at, domain);
	if (answer != NULL)
		buffer_printf(out, "Reply-To: %s\r\n", answer);
	if (mail_is_field_msgid(item->msgid))
		buffer_printf(out, "In-Reply-To: %s\r\n", item->msgid);
	buffer_printf(out, "References: <%s@%s>", token, domain);
	if (mail_is_field_msgid(item->msgid))
		buffer_printf(out, "\r\n %s", item->msgid);
	buffer_append_text(out, "\r\n");
	free(answer);
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

/* The fields that alerts and digests have alike. */
static void append_common(struct buffer *out, const struct notice *notice,
                          const struct notice_item *first, const struct compose_context *context)
{
	char msgid[COMPOSED_MSGID_SIZE], id[CONVERSATION_ID_SIZE];
	const struct mail_head head = {.detail = id,
	                               .from_name = "Rejoinder",
	                               .from_address = context->config->alert_from,
	                               .to = notice->recipient,
	                               .msgid = msgid,
	                               .auto_submitted = "auto-generated",
	                               .created_at = notice->created_at};

	compose_msgid(msgid, notice, context->config);
	conversation_id_format(first->conversation, id);
	mail_append_head(out, &head, context->keys, context->now);
}

static void append_alert(struct buffer *out, const struct notice *notice,
                         const struct notice_item *item, const struct compose_clock *clock,
                         const struct compose_context *context)
{
	char ours[SUBJECT_SIZE], duration[WHEN_DURATION_SIZE];
	char *subject = mail_clean_text(item->subject, MAIL_SUBJECT_BYTES);
	int64_t left_s = compose_time_left(item, context);
	struct buffer plain, html;

	if (left_s > 0)
		snprintf(ours, sizeof(ours),
		         "In %s unreplied:", when_describe_left(duration, left_s));
	else
		snprintf(ours, sizeof(ours), "Unreplied for %s:",
		         when_describe_wait(duration, item->started_at, context->now));
	mail_append_subject(out, ours, subject[0] != '\0' ? subject : "(no subject)");
	append_links(out, notice, item, context);
	free(subject);

	buffer_init(&plain, COMPOSED_MAX_BYTES);
	buffer_init(&html, COMPOSED_MAX_BYTES);
	compose_alert_parts(&plain, &html, notice, item, clock, context);
	mail_append_alternative(out, plain.data, html.data);
	buffer_release(&html);
	buffer_release(&plain);
}

static void append_digest(struct buffer *out, const struct notice_item *const *items,
                          const struct compose_clock *clocks, size_t count, int64_t now)
{
	size_t customers = count_customers(items, count);
	char subject[SUBJECT_SIZE];
	struct buffer plain, html;

	snprintf(subject, sizeof(subject), "%zu %s for an answer", customers,
	         customers == 1 ? "customer waits" : "customers wait");
	mail_append_subject(out, subject, "");

	buffer_init(&plain, COMPOSED_MAX_BYTES);
	buffer_init(&html, COMPOSED_MAX_BYTES);
	compose_digest_parts(&plain, &html, items, clocks, count, now);
	mail_append_alternative(out, plain.data, html.data);
	buffer_release(&html);
	buffer_release(&plain);
}

void compose_timed_notice(struct buffer *out, const struct notice *notice,
                          const struct notice_item *const *items,
                          const struct compose_clock *clocks, size_t count,
                          const struct compose_context *context)
{
	buffer_clear(out);
	append_common(out, notice, items[0], context);
	if (count == 1)
		append_alert(out, notice, items[0], clocks, context);
	else
		append_digest(out, items, clocks, count, context->now);
}
