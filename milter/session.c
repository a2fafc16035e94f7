#include "milter/session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/base/pattern.h"
#include "lib/conversation/token.h"
#include "milter/limit.h"
#include "milter/mail.h"
#include "milter/outbound.h"
#include "milter/plan.h"

/*
 * pickup(8) hands over one message of sendmail(1) at a time and tries a refused
 * one again every second: a long wait would hold up all the others.
 */
#define LOCAL_TIMEOUT_MS 2000

/* Of an envelope recipient as given, route and all; a longer one is no address of ours. */
#define RCPT_BYTES_MAX 512

/* A message and its plan, kept together since the committer may outlive the callback. */
struct work {
	struct policy_holder *policies;
	struct mail *mail;
	struct plan plan;
};

struct session {
	const struct services *services;
	struct sockaddr_storage client;
	bool has_client;
	struct work *work; /* NULL between messages */
	struct recorded recorded;
	bool is_recorded;
	const char *status;           /* for the log line, or NULL: nothing to tell */
	char reason[LIMIT_TEXT_SIZE]; /* other texts are cut to it */
	bool is_unreadable;           /* and is to come again when it can be read */
};

static void work_free(void *owner)
{
	struct work *work = owner;
	const struct policy *policy;

	if (work == NULL)
		return;
	policy = work->mail->policy;
	plan_release(&work->plan);
	mail_free(work->mail);
	policy_release(work->policies, policy);
	free(work);
}

struct session *session_new(const struct services *services)
{
	struct session *session = xzalloc(sizeof(*session));

	session->services = services;
	return session;
}

void session_abort(struct session *session)
{
	work_free(session->work);
	session->work = NULL;
	recorded_release(&session->recorded);
	memset(&session->recorded, 0, sizeof(session->recorded));
	session->is_recorded = false;
	session->status = NULL;
	session->reason[0] = '\0';
	session->is_unreadable = false;
}

void session_free(struct session *session)
{
	if (session == NULL)
		return;
	session_abort(session);
	free(session);
}

void session_set_client(struct session *session, const struct sockaddr *address)
{
	session->has_client = true;
	if (address != NULL && address->sa_family == AF_INET)
		memcpy(&session->client, address, sizeof(struct sockaddr_in));
	else if (address != NULL && address->sa_family == AF_INET6)
		memcpy(&session->client, address, sizeof(struct sockaddr_in6));
	else
		session->has_client = false;
}

static void describe_client(const struct session *session, struct mail *mail, bool is_authenticated)
{
	const struct sockaddr *address = (const struct sockaddr *)&session->client;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&session->client;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&session->client;
	struct client *client = &mail->client;

	client->is_authenticated = is_authenticated;
	strcpy(client->address, "unknown");
	if (!session->has_client)
		return;
	client->is_internal = host_list_matches(&mail->policy->config->internal_hosts, address);
	/* Postfix shows its own mail and that of sendmail(1) as from port 0 of 127.0.0.1. */
	if (address->sa_family == AF_INET && in->sin_port == 0 &&
	    in->sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
		client->is_local = true;
		strcpy(client->address, "local");
	} else if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, client->address, sizeof(client->address));
	} else {
		inet_ntop(AF_INET6, &in6->sin6_addr, client->address, sizeof(client->address));
	}
}

void session_begin(struct session *session, const char *sender, bool is_authenticated)
{
	struct work *work = xzalloc(sizeof(*work));

	session_abort(session);
	work->policies = session->services->policies;
	work->mail = mail_new(policy_acquire(work->policies));
	work->mail->received_at = time(NULL);
	work->mail->sender = address_from_envelope(sender);
	/* What is no address is not the null sender. */
	if (work->mail->sender == NULL)
		work->mail->sender = xstrdup("?");
	describe_client(session, work->mail, is_authenticated);
	session->work = work;
}

void session_add_rcpt(struct session *session, const char *rcpt)
{
	if (session->work == NULL)
		return;
	if (strlen(rcpt) <= RCPT_BYTES_MAX)
		mail_add_rcpt(session->work->mail, rcpt);
	else
		session->work->mail->rcpts_ignored++;
}

void session_add_field(struct session *session, const char *name, const char *value)
{
	if (session->work != NULL)
		header_add(&session->work->mail->header, name, value, strlen(value));
}

size_t session_add_header(struct session *session, const char *bytes, size_t length)
{
	return header_parse(&session->work->mail->header, bytes, length);
}

/*
 * Ask the store whether it knows an id of the message.  When it cannot be read,
 * mail that is not plainly ours passes: an id of our own would have said so
 * without the store.
 */
static void ask_store(struct session *session)
{
	struct work *work = session->work;
	struct error err;
	struct store *store = readers_borrow(session->services->readers, &err);
	int known = -1;

	if (store != NULL) {
		store_set_deadline(store, store_clock_ms() + LOCAL_TIMEOUT_MS);
		known = store_knows_ids(store, work->mail->names, work->mail->name_count, &err);
		readers_return(session->services->readers, store, known < 0);
	}
	if (known > 0)
		work->plan.route = work->plan.if_known;
	else if (known < 0)
		log_warning("%s; a message from %s passes without being matched", err.text,
		            work->mail->client.address);
}

/* What cannot be rewritten although it should be passes, or a client that signed in hears of it. */
static void check_readable(struct session *session)
{
	const struct mail *mail = session->work->mail;
	char reason[OUTBOUND_REASON_SIZE];

	if (!outbound_is_unreadable(&session->work->plan, mail, reason))
		return;
	session->is_unreadable = mail->policy->config->on_unparsable == ON_UNPARSABLE_TEMPFAIL &&
	                         mail->client.is_authenticated && !mail->client.is_local;
	session->status = session->is_unreadable ? "deferred" : "passed";
	snprintf(session->reason, sizeof(session->reason), "not rewritten, %s", reason);
}

/* Once an hour for each sender: one who answers an old message does so again and again. */
static void warn_of_tokens(const struct session *session)
{
	const struct mail *mail = session->work->mail;
	char from[ADDRESS_MAX_BYTES + 1];

	if (mail->bad_tokens == 0 || !hourly_is_due(session->services->bad_token_senders,
	                                            mail_from(mail), mail->received_at))
		return;
	log_warning("%s: a token is not believed: %s, tokens=%u, from=%s, client=%s; not said "
	            "again of this sender for an hour",
	            mail->queue_id[0] != '\0' ? mail->queue_id : "NOQUEUE",
	            token_verdict_name(mail->bad_verdict), mail->bad_tokens,
	            log_value(from, sizeof(from), mail_from(mail)), mail->client.address);
}

bool session_end_header(struct session *session)
{
	struct work *work = session->work;

	if (work == NULL)
		return false;
	mail_read_header(work->mail);
	plan_route(&work->plan, work->mail);
	if (work->plan.asks_store)
		ask_store(session);
	check_readable(session);
	if (work->plan.route == ROUTE_PASS)
		warn_of_tokens(session);
	return work->plan.route != ROUTE_PASS || session->status != NULL;
}

bool session_add_body(struct session *session, const unsigned char *bytes, size_t length)
{
	struct work *work = session->work;

	if (work == NULL || work->plan.route == ROUTE_STRIP || work->plan.route == ROUTE_PASS ||
	    work->plan.route == ROUTE_ACTION)
		return false;
	buffer_append_cut(&work->mail->body, (const char *)bytes, length);
	return work->mail->body.length < MAIL_BODY_BYTES;
}

static int record(struct session *session, struct error *err)
{
	struct work *work = session->work;
	const struct config *config = work->mail->policy->config;
	int64_t timeout_ms = config->commit_timeout_ms;
	int result;

	if (work->mail->client.is_local && timeout_ms > LOCAL_TIMEOUT_MS)
		timeout_ms = LOCAL_TIMEOUT_MS;
	if (session->services->rehearsal != NULL) {
		const struct rehearsal *rehearsal = session->services->rehearsal;

		result = rehearsal->record(rehearsal->context, &work->plan.record,
		                           &session->recorded, err);
		session->is_recorded = result == 0;
		return result;
	}
	result = committer_record(session->services->committer, &work->plan.record,
	                          &session->recorded, store_clock_ms() + timeout_ms, work,
	                          work_free, err);
	session->is_recorded = result == 0;
	if (result < 0 && err->kind == ERROR_UNCERTAIN)
		session->work = NULL;
	return result;
}

static void refuse(struct session *session, const struct error *err, const char *queue_id,
                   struct outcome *outcome)
{
	bool is_full = err->kind == ERROR_FULL;

	strcpy(outcome->reply_code, is_full ? "452" : "451");
	strcpy(outcome->reply_status, is_full ? "4.3.1" : "4.3.0");
	snprintf(outcome->reply_text, sizeof(outcome->reply_text), "%s",
	         is_full ? "Cannot record this message: disk full, try again later"
	                 : "Cannot record this message now, try again later");
	session->status = "deferred";
	snprintf(session->reason, sizeof(session->reason), "%.*s", (int)sizeof(session->reason) - 1,
	         err->text);
	if (session->work == NULL)
		log_warning("%s: status=deferred, reason=%s",
		            queue_id != NULL ? queue_id : "NOQUEUE", err->text);
}

/* Fields of ours that cannot all be removed would be believed by whoever reads them. */
static void refuse_flood(struct session *session, struct outcome *outcome)
{
	outcome->is_accepted = false;
	strcpy(outcome->reply_code, "554");
	strcpy(outcome->reply_status, "5.6.0");
	snprintf(outcome->reply_text, sizeof(outcome->reply_text),
	         "Too many Rejoinder fields in the header (over %d)", HEADER_OURS_MAX);
	session->status = "rejected";
	snprintf(session->reason, sizeof(session->reason), "over %d Rejoinder fields",
	         HEADER_OURS_MAX);
}

/* A new key or account that we have not read yet: it comes again when we have. */
static void refuse_mark(struct session *session, struct outcome *outcome)
{
	outcome->is_accepted = false;
	strcpy(outcome->reply_code, "451");
	strcpy(outcome->reply_status, "4.3.0");
	snprintf(outcome->reply_text, sizeof(outcome->reply_text),
	         "Rejoinder-Mark not understood: has rejoinder-milter read keys and accounts?");
	session->status = "deferred";
	snprintf(session->reason, sizeof(session->reason),
	         "its Rejoinder-Mark does not verify or names no account: is a reload due?");
}

/* Of one that fits on no day the client must know at once; of another it tries again. */
static void refuse_over_limit(struct session *session, struct outcome *outcome)
{
	const struct plan *plan = &session->work->plan;
	bool is_hopeless = limit_is_hopeless(plan);

	outcome->is_accepted = false;
	strcpy(outcome->reply_code, is_hopeless ? "552" : "450");
	strcpy(outcome->reply_status, is_hopeless ? "5.3.4" : "4.7.1");
	limit_explain(plan, session->reason);
	snprintf(outcome->reply_text, sizeof(outcome->reply_text), "%s: %s",
	         is_hopeless ? "Too many recipients" : "Try again later", session->reason);
	session->status = is_hopeless ? "rejected" : "deferred";
}

/* The mail of that client only: sendmail(1) would hold up others, and programs rarely try again. */
static void refuse_unreadable(const struct session *session, struct outcome *outcome)
{
	outcome->is_accepted = false;
	strcpy(outcome->reply_code, "451");
	strcpy(outcome->reply_status, "4.7.1");
	snprintf(outcome->reply_text, sizeof(outcome->reply_text), "Message %s", session->reason);
}

/* Whoever used the link hears at once that nothing was done. */
static void refuse_action(struct session *session, const char *reason, struct outcome *outcome)
{
	outcome->is_accepted = false;
	strcpy(outcome->reply_code, "550");
	strcpy(outcome->reply_status, "5.7.1");
	snprintf(outcome->reply_text, sizeof(outcome->reply_text), "%s", reason);
	session->status = "rejected";
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
}

/* At the end of a mail to a link of an alert. */
static void end_action(struct session *session, const char *queue_id, struct outcome *outcome)
{
	struct work *work = session->work;
	const char *refusal = work->plan.action.refusal;
	struct error err;

	if (refusal == NULL) {
		plan_record(&work->plan, work->mail);
		if (record(session, &err) < 0) {
			outcome->is_accepted = false;
			refuse(session, &err, queue_id, outcome);
			return;
		}
		refusal = action_refusal(&session->recorded);
	}
	if (refusal != NULL) {
		refuse_action(session, refusal, outcome);
		return;
	}
	plan_edits(&work->plan, work->mail, &session->recorded, &outcome->edits);
	session->status = "done";
}

void session_end_message(struct session *session, const char *queue_id, struct outcome *outcome)
{
	struct work *work = session->work;
	struct error err;

	memset(outcome, 0, sizeof(*outcome));
	outcome->is_accepted = true;
	if (work == NULL)
		return;
	if (queue_id != NULL)
		snprintf(work->mail->queue_id, sizeof(work->mail->queue_id), "%s", queue_id);
	if (session->is_unreadable) {
		refuse_unreadable(session, outcome);
		return;
	}
	if (work->plan.route == ROUTE_PASS)
		return;
	if (work->plan.route != ROUTE_ACTION)
		warn_of_tokens(session);

	if (work->mail->header.is_flooded) {
		refuse_flood(session, outcome);
		return;
	}
	if (work->mail->has_bad_mark) {
		refuse_mark(session, outcome);
		return;
	}
	if (work->plan.route == ROUTE_ACTION) {
		end_action(session, queue_id, outcome);
		return;
	}
	if (work->plan.route != ROUTE_STRIP) {
		mail_read_body(work->mail);
		plan_record(&work->plan, work->mail);
	}
	if (limit_is_hopeless(&work->plan)) {
		refuse_over_limit(session, outcome);
		return;
	}
	if (work->plan.route != ROUTE_STRIP && record(session, &err) < 0) {
		outcome->is_accepted = false;
		refuse(session, &err, queue_id, outcome);
		return;
	}
	if (session->is_recorded && session->recorded.status == RECORDED_OVER_LIMIT) {
		refuse_over_limit(session, outcome);
		return;
	}
	plan_edits(&work->plan, work->mail, session->is_recorded ? &session->recorded : NULL,
	           &outcome->edits);
	/* A report of somebody else's mail, an invitation: looked at, and nothing done. */
	if (outcome->edits.count > 0 || (session->is_recorded && session->recorded.status == 0))
		session->status = route_status(session->work->plan.route);
	if (session->is_recorded && session->recorded.status != 0 && !work->mail->has_account_rcpt)
		session->status = outcome->edits.count > 0 ? "stripped" : NULL;
}

void session_decision(const struct session *session, struct decision *out)
{
	*out = (struct decision){.mail = session->work->mail,
	                         .plan = &session->work->plan,
	                         .recorded = session->is_recorded ? &session->recorded : NULL,
	                         .status = session->status,
	                         .reason = session->reason[0] != '\0' ? session->reason : NULL};
}

static void write_log_line(const struct session *session, bool are_applied)
{
	const struct work *work = session->work;
	const struct record *record = &work->plan.record;
	const struct recorded *recorded = &session->recorded;
	const char *queue_id = work->mail->queue_id[0] != '\0' ? work->mail->queue_id : "NOQUEUE";
	bool is_found = session->is_recorded && recorded->status == 0;
	char conversation[CONVERSATION_ID_SIZE] = "-";
	char from[ADDRESS_MAX_BYTES + 1], account[64];
	struct buffer line;

	buffer_init(&line, 900);
	if (is_found)
		conversation_id_format(recorded->conversation, conversation);
	if (session->is_recorded)
		(void)buffer_printf(&line,
		                    "conv=%s, dir=%s, class=%s, rule=%s, match=%s, account=%s, ",
		                    conversation, direction_name(record->direction),
		                    class_name(is_found ? recorded->class : record->class),
		                    is_found ? recorded->rule : record->rule,
		                    match_reason_name(is_found ? recorded->reason : MATCH_NONE),
		                    log_value(account, sizeof(account), record->account));
	(void)buffer_printf(&line, "from=%s, client=%s",
	                    log_value(from, sizeof(from), mail_from(work->mail)),
	                    work->mail->client.address);
	if (is_found && recorded->is_repeat)
		(void)buffer_append_text(&line, ", repeat=yes");
	if (is_found && recorded->is_capped)
		(void)buffer_append_text(&line, ", capped=yes");
	if (is_found && recorded->is_crowded)
		(void)buffer_append_text(&line, ", crowded=yes");
	if (work->mail->bad_tokens > 0)
		(void)buffer_printf(&line, ", bad_tokens=%u", work->mail->bad_tokens);
	if (work->mail->header.is_truncated)
		(void)buffer_append_text(&line, ", header=truncated");
	(void)buffer_printf(&line, ", status=%s", are_applied ? session->status : "deferred");
	if (!are_applied && session->reason[0] == '\0')
		(void)buffer_append_text(&line, ", reason=Postfix did not take every edit");
	if (session->reason[0] != '\0')
		(void)buffer_printf(&line, ", reason=%s", session->reason);

	if (are_applied && session->reason[0] == '\0')
		log_info("%s: %s", queue_id, line.data);
	else
		log_warning("%s: %s", queue_id, line.data);
	buffer_release(&line);
}

void session_finish(struct session *session, bool are_applied)
{
	const struct work *work = session->work;

	if (work != NULL && session->status != NULL && work->plan.route == ROUTE_ACTION)
		action_log(&work->plan.action, work->mail,
		           session->is_recorded ? &session->recorded : NULL,
		           are_applied ? session->status : "deferred",
		           session->reason[0] != '\0' ? session->reason : NULL);
	else if (work != NULL && session->status != NULL)
		write_log_line(session, are_applied);
	session_abort(session);
}
