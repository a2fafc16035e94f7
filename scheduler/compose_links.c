#include "scheduler/compose_links.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/address.h"
#include "scheduler/levels.h"
#include "scheduler/mail_text.h"

#define URI_MAX_BYTES 2000 /* what clients take */
#define NAMED_BYTES   60   /* of the conversation's subject */
#define BODY          "Send this mail as it is."

static const char *const labels[ACTION_COUNT] = {
	[ACTION_CLOSE] = "Close: no answer is needed",
	[ACTION_SNOOZE] = "Remind me tomorrow",
	[ACTION_TAKE_OVER] = "I take it over",
};
static const char *const subjects[ACTION_COUNT] = {
	[ACTION_CLOSE] = "Close: ",
	[ACTION_SNOOZE] = "Remind me tomorrow: ",
	[ACTION_TAKE_OVER] = "I take it over: ",
};

const char *links_label(enum action action)
{
	return labels[action];
}

/* The account that answers to the conversation come in by, or NULL. */
static const struct account *replies_account(const struct config *config,
                                             const struct notice_item *item)
{
	const struct account *account = config_account_by_name(config, item->account);
	const struct account *replies = NULL;

	if (account == NULL)
		return config_default_incoming(config, address_domain(config->alert_from));
	if (account->reply_to_address != NULL)
		replies = config_account_by_address(config, account->reply_to_address);
	if (replies == NULL || !replies->is_incoming)
		replies = account;
	return replies->is_incoming ? replies : config_default_incoming(config, account->domain);
}

/* Percent-encode (RFC 3986 2.1) all but what is unreserved and what is listed. */
static void append_encoded(struct buffer *out, const char *text, size_t length, const char *kept)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";

	for (size_t i = 0; i < length; i++) {
		if (text[i] != '\0' &&
		    (strchr(unreserved, text[i]) != NULL || strchr(kept, text[i]) != NULL))
			buffer_append_char(out, text[i]);
		else
			buffer_printf(out, "%%%02X", (unsigned)(unsigned char)text[i]);
	}
}

static void append_text(struct buffer *out, const char *text)
{
	append_encoded(out, text, strlen(text), "");
}

char *links_make(const struct notice *notice, const struct notice_item *item, enum action action,
                 const struct compose_context *context)
{
	const struct account *replies = replies_account(context->config, item);
	const char *delimiter = context->config->delimiter;
	char word[ACTION_SIZE], *named;
	struct buffer uri;

	if (replies == NULL || delimiter == NULL || delimiter[0] == '\0')
		return NULL;
	action_make(word, context->keys, action, notice->id, replies->domain);
	named = mail_clean_text(item->subject, NAMED_BYTES);
	buffer_init(&uri, URI_MAX_BYTES);
	buffer_append_text(&uri, "mailto:");
	append_encoded(&uri, replies->address,
	               strlen(replies->address) - strlen(replies->domain) - 1, "+");
	append_encoded(&uri, delimiter, strlen(delimiter), "+");
	buffer_printf(&uri, "%s@%s?subject=", word, replies->domain);
	append_text(&uri, subjects[action]);
	append_text(&uri, named[0] != '\0' ? named : "(no subject)");
	buffer_append_text(&uri, "&body=");
	append_text(&uri, BODY);
	free(named);
	return buffer_take(&uri);
}
