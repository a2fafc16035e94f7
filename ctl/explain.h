#ifndef REJOINDER_CTL_EXPLAIN_H
#define REJOINDER_CTL_EXPLAIN_H

#include <stdbool.h>

#include "ctl/command.h"
#include "lib/base/list.h"
#include "milter/session.h"

/*
 * What the milter would do with a message: decided by the milter's own session,
 * with a look at the store in place of recording.
 */

struct explanation {
	const char *file;
	/* What Postfix would have said of it. */
	char *sender; /* "" for the null sender */
	struct string_list recipients;
	bool is_sender_assumed, are_recipients_assumed; /* from its header */

	const struct config *config;
	struct store *store; /* NULL: store_error says why */
	struct error store_error;
	struct decision decision;
	struct outcome outcome;
};

/* What is done to the message, in words: "change field". */
const char *explain_edit_name(enum edit_kind kind);
/* Why, a static sentence without its capital. */
const char *explain_edit_reason(const struct explanation *explanation, const struct edit *edit);
/* What becomes of the message as a whole, in a word of the milter's log or "passed". */
const char *explain_status(const struct explanation *explanation);
/* How a conversation was found, a static sentence. */
const char *explain_match_reason(enum match_reason reason);
/* How its conversation was found, a static sentence; NULL where none was looked for. */
const char *explain_match(const struct explanation *explanation);

void explain_print_text(const struct explanation *explanation);
void explain_print_json(const struct explanation *explanation);

#endif
