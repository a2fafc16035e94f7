#include "milter/action.h"

#include <string.h>

#include "lib/base/buffer.h"
#include "lib/base/log.h"
#include "lib/conversation/token.h"

#define NOT_STAFF "Only staff can use this link"
#define NOT_AN_ANSWER                                                                              \
	"This address takes the links of alerts and no answers: write to the customer's address"
#define NOT_VALID "This link is no longer valid"

/* ACTION_MALFORMED: the recipient is no link. */
static enum action_verdict verify(const struct mail *mail, const struct rcpt *rcpt,
                                  enum action *action_out, int64_t *notice_out)
{
	const struct policy *policy = mail->policy;
	const struct account *account;
	const char *detail;
	size_t length;

	if (rcpt->address[0] == '\0')
		return ACTION_MALFORMED;
	account = config_incoming_for_rcpt(policy->config, rcpt->address, &detail, &length);
	if (account == NULL || detail == NULL)
		return ACTION_MALFORMED;
	return action_verify(&policy->keys, detail, length, account->domain, action_out,
	                     notice_out);
}

static bool is_of_staff(const struct mail *mail)
{
	return mail_is_trusted(mail) && mail->has_one_author &&
	       config_is_staff(mail->policy->config, mail_from(mail));
}

void action_read(struct action_request *out, const struct mail *mail)
{
	bool is_found = false;
	size_t links = 0;

	*out = (struct action_request){0};
	for (size_t i = 0; i < mail->rcpt_count; i++) {
		enum action action;
		int64_t notice;
		enum action_verdict verdict = verify(mail, &mail->rcpts[i], &action, &notice);

		if (verdict == ACTION_MALFORMED)
			continue;
		links++;
		out->is_there = true;
		if (verdict != ACTION_VALID)
			out->refusal = NOT_VALID;
		else if (is_found && (action != out->action || notice != out->notice))
			out->refusal = "Several links in one mail: send one to each";
		if (verdict != ACTION_VALID)
			continue;
		is_found = true;
		out->action = action;
		out->notice = notice;
	}
	/* What somebody wrote to people goes its usual way, whoever smuggled a link into it. */
	if (links < mail->rcpt_count || mail->rcpts_ignored > 0) {
		*out = (struct action_request){0};
		return;
	}
	if (out->refusal == NULL && (mail->in_reply_to.count > 0 || mail->references.count > 0))
		out->refusal = NOT_AN_ANSWER;
	/* Mail to an owner goes to him instead of the account: he must be a person. */
	if (is_found && out->refusal == NULL && out->action == ACTION_TAKE_OVER &&
	    config_account_by_address(mail->policy->config, mail_from(mail)) != NULL)
		out->refusal = "An account cannot take it over: send this from your own address";
	/* Whoever is not staff learns nothing of a link. */
	if (out->is_there && !is_of_staff(mail))
		out->refusal = NOT_STAFF;
}

void action_record(const struct action_request *request, const struct mail *mail,
                   struct record *record)
{
	*record = (struct record){.config = mail->policy->config,
	                          .is_action = true,
	                          .action = request->action,
	                          .notice = request->notice,
	                          .from = mail_from(mail),
	                          .received_at = mail->received_at,
	                          .has_copy_keys = mail->msgid != NULL};
	record_key(record->key, mail->msgid, record->from, header_get(&mail->header, "Date"),
	           DIRECTION_INTERNAL, NULL, NULL, 0);
}

const char *action_refusal(const struct recorded *recorded)
{
	switch (recorded->care.result) {
	case CARE_DONE:
		return NULL;
	case CARE_USED:
		return "This link was used before";
	case CARE_CLOSED:
		return "This conversation is closed already";
	case CARE_ENDED:
		return "Nobody waits there any more, so there is nothing to remind of";
	case CARE_NEWER:
		return "Somebody asked anew since that alert, so the conversation stays open";
	case CARE_ABSENT:
	case CARE_SEVERAL:
	case CARE_OLD:
		break;
	}
	return NOT_VALID;
}

void action_edits(struct edit_list *edits)
{
	edits->is_discard = true;
}

void action_log(const struct action_request *request, const struct mail *mail,
                const struct recorded *recorded, const char *status, const char *reason)
{
	const char *queue_id = mail->queue_id[0] != '\0' ? mail->queue_id : "NOQUEUE";
	char conversation[CONVERSATION_ID_SIZE] = "-";
	char from[ADDRESS_MAX_BYTES + 1];
	struct buffer line;

	buffer_init(&line, 900);
	if (recorded != NULL && recorded->conversation != 0)
		conversation_id_format(recorded->conversation, conversation);
	(void)buffer_printf(&line, "conv=%s, from=%s, client=%s, action=%s, status=%s",
	                    conversation, log_value(from, sizeof(from), mail_from(mail)),
	                    mail->client.address,
	                    request->refusal == NULL ? action_name(request->action) : "-", status);
	if (reason != NULL)
		(void)buffer_printf(&line, ", reason=%s", reason);
	if (strcmp(status, "deferred") == 0)
		log_warning("%s: %s", queue_id, line.data);
	else
		log_info("%s: %s", queue_id, line.data);
	buffer_release(&line);
}
