#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/absence.h"
#include "lib/mail/class.h"
#include "lib/mail/notification.h"
#include "lib/mail/report_words.h"
#include "lib/mail/undelivered.h"
#include "lib/mail/wording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_recipient(const struct report_recipient *recipient)
{
	static const char *const actions[] = {"",          "failed",  "delayed",
	                                      "delivered", "relayed", "expanded"};
	bool is_known = false;

	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		is_known = is_known || strcmp(recipient->action, actions[i]) == 0;
	if (!is_known || recipient->address == NULL || strlen(recipient->diagnostic) > 500 ||
	    strpbrk(recipient->diagnostic, "\r\n") != NULL)
		abort();
	if (recipient->status[0] != '\0' &&
	    (strchr("245", recipient->status[0]) == NULL || recipient->status[1] != '.'))
		abort();
}

static void check_facts(const struct classification *found)
{
	if (found->recipient_count > REPORT_RECIPIENTS_MAX || found->returned_ids.count > 50 ||
	    found->field_count > REPORT_FIELDS_MAX || found->rule == NULL)
		abort();
	for (size_t i = 0; i < found->recipient_count; i++)
		check_recipient(&found->recipients[i]);
	for (size_t i = 0; i < found->field_count; i++) {
		if (strpbrk(found->fields[i].value, "\r\n") != NULL)
			abort();
	}
	if (found->class != CLASS_BOUNCE && found->class != CLASS_RECEIPT &&
	    found->class != CLASS_COMPLAINT &&
	    (found->recipient_count > 0 || found->original_msgid != NULL))
		abort();
}

/* A whole message, as a file would hold it. */
static void check_message(const uint8_t *data, size_t size)
{
	struct envelope_facts envelope = {.is_null_sender = size % 2 == 1};
	struct classification found;
	struct header header;
	struct message message = {.header = &header};
	size_t body_at;

	header_init(&header);
	body_at = header_parse(&header, (const char *)data, size);
	message.body = (const char *)data + body_at;
	message.body_length = size - body_at;
	classify(&message, &envelope, &found);
	check_facts(&found);
	classification_release(&found);
	header_release(&header);
}

/* The readers of words on their own, which a whole message reaches seldom. */
static void check_words(const uint8_t *data, size_t size)
{
	char *text = xmemdup0((const char *)data, size);
	char *folded = wording_fold(text, size);
	struct classification found = {.class = CLASS_BOUNCE, .rule = ""};

	if (strlen(folded) > strlen(text))
		abort();
	absence_is_subject(folded);
	absence_may_be_subject(folded);
	undelivered_is_form(folded);
	undelivered_has_refusal(folded);
	report_has_recipient_words((const char *)data, size);
	report_read_words(text, "failed", &found);
	check_facts(&found);
	classification_release(&found);

	memset(&found, 0, sizeof found);
	found.class = CLASS_BOUNCE;
	found.rule = "";
	if (notification_read(text, &found) == NOTIFICATION_NONE && text[0] != '{' &&
	    strchr(" \t\r\n", text[0]) == NULL && found.recipient_count > 0)
		abort();
	check_facts(&found);
	classification_release(&found);
	free(folded);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_message(data, size);
	check_words(data, size);
	return 0;
}
