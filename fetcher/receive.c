#include "fetcher/session.h"

#include <stdio.h>
#include <time.h>

#include "fetcher/deliver.h"
#include "lib/base/log.h"
#include "lib/mail/date.h"

#define BATCH_AGE_MS 200
/* So many refusals without a delivery between them are no matter of the messages. */
#define REFUSED_IN_A_ROW_MAX 5

int session_flush(struct session *session, struct error *err)
{
	struct batch *batch = &session->batch;

	if (batch->count == 0)
		return 0;
	if (store_add_uidls(session->job->store, session->job->account->name, batch->rows,
	                    batch->count, store_clock_ms() + SESSION_RECORD_MS, err) != 0) {
		session->result->is_local_failure = true;
		session->is_store_failure = true;
		return -1;
	}
	batch->count = 0;
	return 0;
}

static int record(struct session *session, const struct pop3_item *item, enum uidl_state state,
                  struct error *err)
{
	struct batch *batch = &session->batch;
	int64_t now_ms = store_clock_ms();

	if (batch->count == 0)
		batch->begun_at_ms = now_ms;
	batch->rows[batch->count++] =
		(struct uidl_row){.uidl = item->uidl, .state = state, .done_at = time(NULL)};
	if (batch->count < batch->max && now_ms - batch->begun_at_ms < BATCH_AGE_MS)
		return 0;
	return session_flush(session, err);
}

bool session_is_old(const struct session *session, const char *bytes, size_t length)
{
	int64_t date;

	return !session->drop.is_chosen && session->drop.old_before != 0 &&
	       date_of_message(bytes, length, &date) == 1 && date < session->drop.old_before;
}

int session_go_on(struct session *session, struct error *err)
{
	const struct poll_job *job = session->job;

	if (job->on_progress != NULL)
		job->on_progress(job->context, session->result->fresh - poll_left(session->result),
		                 session->result->fresh, session->bytes);
	if (!atomic_load(job->is_stopping))
		return 0;
	session->result->is_stopped = true;
	return error_set(err, ERROR_TEMPORARY, "stopped");
}

static int on_refusal(struct session *session, const struct pop3_item *item,
                      const struct error *cause, struct error *err)
{
	log_error("fetch %s: message %s (%llu bytes) is refused and stays on the server: %s",
	          session->job->account->name, item->uidl, (unsigned long long)item->size_bytes,
	          cause->text);
	session->result->refused++;
	session->tried++;
	if (record(session, item, UIDL_REFUSED, err) != 0)
		return -1;
	if (++session->refused_in_a_row < REFUSED_IN_A_ROW_MAX)
		return session_go_on(session, err);
	session->result->is_local_failure = true;
	return error_set(err, ERROR_CONFIG, "every message is refused, the last one: %s",
	                 cause->text);
}

static int on_message(void *context, const struct pop3_item *item, const char *bytes, size_t length,
                      struct error *err)
{
	struct session *session = context;
	const struct poll_job *job = session->job;
	char queue_id[DELIVER_QUEUE_ID_SIZE], name[64], uidl[100];
	struct error cause = {0};

	session->bytes += length;
	if (session_is_old(session, bytes, length)) {
		session->result->skipped++;
		session->tried++;
		if (record(session, item, UIDL_SKIPPED, err) != 0)
			return -1;
		return session_go_on(session, err);
	}
	if (deliver(session->smtp, job->keys, job->account, bytes, length, time(NULL), queue_id,
	            &cause) != 0) {
		if (cause.kind == ERROR_PERMANENT)
			return on_refusal(session, item, &cause, err);
		session->result->is_local_failure = true;
		return error_set(err, cause.kind, "%s", cause.text);
	}
	log_info("%s: account=%s, uidl=%s, bytes=%zu, status=fetched", queue_id,
	         log_value(name, sizeof(name), job->account->name),
	         log_value(uidl, sizeof(uidl), item->uidl), length);
	session->result->delivered++;
	session->tried++;
	session->refused_in_a_row = 0;
	if (job->account->leave_s == 0)
		session->deletes[session->delete_count++] = item->number;
	if (record(session, item, UIDL_DELIVERED, err) != 0)
		return -1;
	return session_go_on(session, err);
}

static int on_too_large(void *context, const struct pop3_item *item, uint64_t length,
                        struct error *err)
{
	struct session *session = context;

	log_error("fetch %s: message %s of %llu bytes is over max_message_size and stays on the "
	          "server",
	          session->job->account->name, item->uidl, (unsigned long long)length);
	session->result->too_large++;
	session->tried++;
	if (record(session, item, UIDL_TOO_LARGE, err) != 0)
		return -1;
	return session_go_on(session, err);
}

/*
 * The other messages are fetched, and QUIT is sent: what was retrieved is
 * delivered, and what the server refused to give it cannot mark as read.
 */
static int on_refused(void *context, const struct pop3_item *item, const char *reply,
                      struct error *err)
{
	struct session *session = context;

	(void)item;
	session->tried++;
	if (session->result->unavailable++ == 0)
		snprintf(session->first_refusal, sizeof(session->first_refusal), "%s", reply);
	return session_go_on(session, err);
}

/* While nothing comes, nothing that is delivered may be forgotten by a crash. */
static int on_idle(void *context, struct error *err)
{
	struct session *session = context;

	if (session_flush(session, err) != 0)
		return -1;
	return session_go_on(session, err);
}

int session_fetch(struct session *session, struct error *err)
{
	const struct pop3_receiver receiver = {.context = session,
	                                       .on_message = on_message,
	                                       .on_too_large = on_too_large,
	                                       .on_refused = on_refused,
	                                       .on_idle = on_idle};
	uint64_t max_bytes = (uint64_t)session->job->account->max_message_bytes;
	struct todo *todo = &session->todo;
	size_t kept = 0;

	for (size_t i = 0; i < todo->fetch_count; i++) {
		if (todo->fetch[i]->size_bytes <= max_bytes)
			todo->fetch[kept++] = todo->fetch[i];
		else if (on_too_large(session, todo->fetch[i], todo->fetch[i]->size_bytes, err) !=
		         0)
			return -1;
	}
	todo->fetch_count = kept;
	session->tried = 0;
	if (kept > 0 &&
	    pop3_retrieve(session->pop3, todo->fetch, kept, max_bytes, &receiver, err) != 0)
		return -1;
	return session_flush(session, err);
}
