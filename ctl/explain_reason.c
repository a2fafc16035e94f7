#include <string.h>
#include <strings.h>

#include "ctl/explain.h"
#include "lib/mail/address.h"

static const char *const edit_names[] = {
	[EDIT_SET_FIELD] = "change field",    [EDIT_DELETE_FIELD] = "delete field",
	[EDIT_INSERT_FIELD] = "insert field", [EDIT_SET_SENDER] = "set sender",
	[EDIT_ADD_RCPT] = "add recipient",    [EDIT_DELETE_RCPT] = "delete recipient",
};

const char *explain_edit_name(enum edit_kind kind)
{
	return edit_names[kind];
}

/* What a tag says. */
static const char *tag_reason(const char *name)
{
	static const char *const reasons[][2] = {
		{"Rejoinder-Conversation", "tag: the conversation that it belongs to"},
		{"Rejoinder-Match", "tag: how that was found"},
		{"Rejoinder-Class", "tag: what kind of mail it is, and by which rule"},
		{"Rejoinder-Sender", "tag: is its author a participant"},
		{"Rejoinder-Auth", "tag: what the verifier before us said"},
		{"Rejoinder-Owner", "tag: who answers"},
		{"Rejoinder-Reference", "tag: the business document"},
		{"Rejoinder-Reference-Type", "tag: what its account calls it"},
		{"Rejoinder-Related", "tag: another conversation that it points to"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcasecmp(name, reasons[i][0]) == 0)
			return reasons[i][1];
	return "tag";
}

static const char *reply_to_reason(const struct explanation *explanation, const char *value)
{
	const struct account *leaving = explanation->decision.plan->account;

	if (strchr(value, '+') != NULL || leaving->reply_to == REPLY_TO_TOKEN)
		return "answers come to the replies address, with the token of the conversation "
		       "where that address takes one";
	return "answers come to the replies address (reply_to = plain)";
}

static const char *field_reason(const struct explanation *explanation, const struct edit *edit)
{
	bool is_deletion = edit->kind == EDIT_DELETE_FIELD;

	if (header_is_ours(edit->name)) {
		if (!is_deletion)
			return tag_reason(edit->name);
		return mail_is_trusted(explanation->decision.mail)
		               ? "a field of ours is for the milter and does not leave it"
		               : "a field of ours from outside is a forgery";
	}
	if (strcasecmp(edit->name, "Delivered-To") == 0)
		return "Postfix would take what the inbox noted for a mail loop";
	if (is_deletion && edit->index > 1)
		return "it stands there once more than it may";
	if (strcasecmp(edit->name, "Reply-To") == 0)
		return reply_to_reason(explanation, edit->value != NULL ? edit->value : "");
	if (strcasecmp(edit->name, "From") == 0)
		return explanation->decision.plan->account->from == FROM_NAME
		               ? "it leaves under the account's name (from = name)"
		               : "it leaves under the account's address (from = account)";
	if (strcasecmp(edit->name, "References") == 0)
		return "an id of ours keeps the thread together, whatever a relay does to others";
	if (strcasecmp(edit->name, "Message-ID") == 0)
		return "it has none";
	return is_deletion ? "it would tell who really wrote" : "it is rewritten";
}

const char *explain_edit_reason(const struct explanation *explanation, const struct edit *edit)
{
	const struct plan *plan = explanation->decision.plan;
	const struct recorded *recorded = explanation->decision.recorded;

	switch (edit->kind) {
	case EDIT_SET_SENDER:
		return "bounces come to the account (envelope_from = account)";
	case EDIT_ADD_RCPT:
		if (plan->route == ROUTE_OUTBOUND)
			return "the account sends a copy there (bcc)";
		return recorded != NULL && address_equal(recorded->owner, edit->value)
		               ? "who owns the conversation gets it (deliver)"
		               : "the account's way of delivery (deliver)";
	case EDIT_DELETE_RCPT:
		return plan->route == ROUTE_INBOUND
		               ? "the owner gets it instead, or nobody (deliver)"
		               : "the token in it has done its work";
	default:
		return field_reason(explanation, edit);
	}
}

const char *explain_status(const struct explanation *explanation)
{
	if (explanation->outcome.is_accepted && explanation->decision.status == NULL)
		return "passed";
	return explanation->decision.status != NULL ? explanation->decision.status : "deferred";
}

const char *explain_match_reason(enum match_reason reason)
{
	static const char *const reasons[] = {
		[MATCH_TOKEN] = "a recipient has its token",
		[MATCH_OWN_ID] = "it names an id of ours, which has its token",
		[MATCH_IN_REPLY_TO] = "In-Reply-To names a message of it",
		[MATCH_REFERENCES] = "References name a message of it",
		[MATCH_NAMED] = "a message of it names an id that this one has or names",
		[MATCH_REPORT] = "what the report returns belongs to it",
		[MATCH_NEW] = "no token, and no id that is known: a new one begins",
		[MATCH_NONE] = "no token, and no id that is known; and it may begin none",
	};

	return reasons[reason];
}

const char *explain_match(const struct explanation *explanation)
{
	const struct recorded *recorded = explanation->decision.recorded;

	if (recorded == NULL || explanation->decision.plan->record.is_action)
		return NULL;
	if (recorded->status == RECORDED_OVER_LIMIT)
		return NULL;
	return recorded->is_repeat ? "the same message was recorded before"
	                           : explain_match_reason(recorded->reason);
}
