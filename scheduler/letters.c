#include "scheduler/letters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/store/letter.h"
#include "scheduler/compose_letter.h"
#include "scheduler/levels.h"

#define OLD_S 86400 /* a letter that comes later than this tells nobody anything */

static bool is_of_trouble(const struct letter *letter)
{
	return letter->kind == LETTER_TROUBLE_BEGAN || letter->kind == LETTER_TROUBLE_ENDED;
}

int letters_save(struct letters *letters, struct sending *sending, struct error *err)
{
	const struct outcome *outcome = &letters->outcome;
	int result;

	if (!outcome->is_unsaved)
		return 0;
	if (outcome->retry_at > 0)
		result = store_retry_letter(sending->store, outcome->id, outcome->retry_at,
		                            outcome->is_untaken, sending_write_deadline(), err);
	else
		result = store_end_letter(sending->store, outcome->id,
		                          outcome->is_dropped ? LETTER_DROPPED : LETTER_SENT,
		                          time(NULL), sending_write_deadline(), err);
	if (result == 0)
		letters->outcome.is_unsaved = false;
	return result;
}

/* `letter ID: kind=..., conv=..., account=..., to=..., status=`; a trouble has its name before to. */
static void begin_line(struct buffer *line, const struct letter *letter, const char *to)
{
	char conversation[CONVERSATION_ID_SIZE] = "-", account[200], shown[ADDRESS_MAX_BYTES + 1];

	if (letter->conversation != 0)
		conversation_id_format(letter->conversation, conversation);
	buffer_printf(line, "letter %" PRId64 ": kind=%s, conv=%s, account=%s, ", letter->id,
	              letter_kind_name(letter->kind), conversation,
	              log_value(account, sizeof(account), letter->account));
	if (is_of_trouble(letter))
		buffer_printf(line, "trouble=%s, ",
		              log_value(shown, sizeof(shown), letter->trouble));
	buffer_printf(line, "to=%s, status=", log_value(shown, sizeof(shown), to));
}

/* Why a letter is not to be sent any more, or NULL. */
static const char *reason_to_drop(const struct letter *letter, const struct account *account,
                                  int64_t now)
{
	/* That of a beginning is ended with the trouble, and that of an end is owed. */
	if (is_of_trouble(letter))
		return NULL;
	if (now - letter->created_at >= OLD_S)
		return "over a day old";
	if (letter->kind == LETTER_SENDER_CAPPED)
		return NULL;
	if (account == NULL)
		return "there is no such account any more";
	if (letter->kind != LETTER_ACKNOWLEDGEMENT)
		return account->daily_limit > 0 ? NULL : "the account has no limit any more";
	if (!account->is_incoming || account->acknowledge_text == NULL)
		return "the account acknowledges no more";
	return letter->recipient != NULL && letter->conversation != 0
	               ? NULL
	               : "what it acknowledges is gone";
}

/* For an acknowledgement it is the customer's business, else the operator's address is wrong. */
static void log_refusal(const struct letter *letter, const char *line, const char *reason)
{
	if (letter->kind == LETTER_ACKNOWLEDGEMENT)
		log_warning("%sdropped, reason=refused: %s", line, reason);
	else
		log_error("%sdropped, reason=refused: %s", line, reason);
}

static void compose_any(struct buffer *mail, const struct letter *letter,
                        const struct account *account, const struct compose_context *context)
{
	switch (letter->kind) {
	case LETTER_ACKNOWLEDGEMENT:
		compose_acknowledgement(mail, letter, account, context);
		break;
	case LETTER_SENDER_CAPPED:
		compose_capped(mail, letter, context);
		break;
	case LETTER_TROUBLE_BEGAN:
	case LETTER_TROUBLE_ENDED:
		compose_trouble(mail, letter, context);
		break;
	case LETTER_LIMIT_NEAR:
	case LETTER_LIMIT_REACHED:
		compose_limit(mail, letter, account, context);
		break;
	}
}

/* One refusal of the operator's mailbox must not hide a trouble for good. */
static bool is_owed(const struct letter *letter, int64_t now)
{
	return is_of_trouble(letter) &&
	       (letter->kind == LETTER_TROUBLE_BEGAN || now - letter->created_at < OLD_S);
}

static void send_letter(struct letters *letters, struct sending *sending,
                        const struct letter *letter, const struct account *account, const char *to,
                        int64_t now, const char *line)
{
	const struct compose_context context = {sending->config, &sending->keys, now};
	bool is_acknowledgement = letter->kind == LETTER_ACKNOWLEDGEMENT;
	char queue_id[SENDING_QUEUE_ID_SIZE];
	struct buffer mail;
	struct error err;
	int status;

	buffer_init(&mail, COMPOSED_MAX_BYTES);
	compose_any(&mail, letter, account, &context);
	/* No bounce of an acknowledgement comes back, and nobody answers it (RFC 3834 3.3). */
	status = sending_send(sending, is_acknowledgement ? "" : sending->config->alert_from, to,
	                      mail.data, mail.length, queue_id, &err);
	buffer_release(&mail);
	if (status == 0) {
		letters->outcome = outcome_end(letter->id, false);
		log_info("%ssent, queue_id=%s", line, queue_id);
	} else if (err.kind == ERROR_PERMANENT && is_owed(letter, now)) {
		letters->outcome = outcome_retry(letter->id, letter->attempts, time(NULL), &err);
		log_error("%sdeferred, reason=refused: %s", line, err.text);
	} else if (err.kind == ERROR_PERMANENT) {
		letters->outcome = outcome_end(letter->id, true);
		log_refusal(letter, line, err.text);
	} else {
		letters->outcome = outcome_retry(letter->id, letter->attempts, time(NULL), &err);
		log_warning("%sdeferred, %sreason=%s", line, sending_doubt(&err), err.text);
	}
}

static void work_on(struct letters *letters, struct sending *sending, const struct letter *letter,
                    int64_t now)
{
	const struct account *account = config_account_by_name(sending->config, letter->account);
	const char *reason = reason_to_drop(letter, account, now);
	const char *to =
		letter->recipient != NULL ? letter->recipient : sending->config->operator_address;
	struct buffer line;

	buffer_init(&line, 1000);
	begin_line(&line, letter, to);
	if (reason == NULL) {
		send_letter(letters, sending, letter, account, to, now, line.data);
	} else {
		letters->outcome = outcome_end(letter->id, true);
		log_info("%sdropped, reason=%s", line.data, reason);
	}
	buffer_release(&line);
}

int letters_send_next(struct letters *letters, struct sending *sending, int64_t now,
                      struct error *err)
{
	struct letter *taken;
	size_t count;

	if (sending_is_held(sending))
		return 0;
	if (store_take_letters(sending->store, now, sending_lease_s(sending), 1, &taken, &count,
	                       sending_write_deadline(), err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		work_on(letters, sending, &taken[i], now);
	letters_free(taken, count);
	return letters_save(letters, sending, err) < 0 ? -1 : count > 0;
}
