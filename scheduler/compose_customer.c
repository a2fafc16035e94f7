#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "scheduler/compose_html.h"
#include "scheduler/compose_parts.h"
#include "scheduler/levels.h"
#include "scheduler/mail_text.h"

#define NAME_BYTES 100

/* The name that he gave himself, clean; "" if that could pass for an address. */
static char *clean_name(const struct notice_item *item)
{
	char *name = mail_clean_text(item->from_name, NAME_BYTES);

	if (strpbrk(name, "@<>") != NULL)
		name[0] = '\0';
	return name;
}

char *compose_customer(const struct notice_item *item)
{
	char *address = mail_clean_text(item->customer, ADDRESS_MAX_BYTES);
	char *name = clean_name(item), *both;

	if (name[0] == '\0') {
		free(name);
		return address;
	}
	both = xasprintf("%s <%s>", name, address);
	free(name);
	free(address);
	return both;
}

void compose_append_customer_html(struct buffer *out, const struct notice_item *item)
{
	char *address = mail_clean_text(item->customer, ADDRESS_MAX_BYTES);
	char *name = clean_name(item);

	if (name[0] != '\0') {
		html_append_isolated(out, name);
		buffer_append_text(out, "\n&lt;");
	}
	html_append_isolated(out, address);
	if (name[0] != '\0')
		buffer_append_text(out, "&gt;");
	free(name);
	free(address);
}

int64_t compose_time_left(const struct notice_item *item, const struct compose_context *context)
{
	struct told_level told;

	if (!levels_find(context->config, item, &told) || told.kind != CLOCK_WARNING ||
	    told.passes_at <= context->now)
		return 0;
	return told.passes_at - context->now;
}
