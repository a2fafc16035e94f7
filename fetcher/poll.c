#include "fetcher/poll.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fetcher/session.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"

#define CONNECT_TIMEOUT_MS 30000
#define IDLE_TIMEOUT_MS    60000
#define TOTAL_TIMEOUT_MS   600000 /* 50 MB at 1 Mbit/s take 400 s */
#define SUBMIT_TIMEOUT_MS  300000 /* longer than Postfix waits for its milters */

size_t poll_left(const struct poll_result *result)
{
	return result->fresh - result->delivered - result->refused - result->too_large -
	       result->skipped;
}

static int sign_in(struct session *session, struct error *err)
{
	static const enum security securities[] = {[POP3_SCHEME_TLS] = SECURITY_TLS,
	                                           [POP3_SCHEME_STLS] = SECURITY_STARTTLS,
	                                           [POP3_SCHEME_PLAIN] = SECURITY_NONE};
	const struct account *account = session->job->account;
	char host[ENDPOINT_HOST_SIZE], *password;
	enum pop3_scheme scheme;
	size_t password_length;
	struct server server = {.host = host,
	                        .username = account->username,
	                        .ca_file = session->job->config->ca_file,
	                        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
	                        .idle_timeout_ms = IDLE_TIMEOUT_MS,
	                        .total_timeout_ms = TOTAL_TIMEOUT_MS};

	if (config_pop3(account, &scheme, host, &server.port) != 1)
		return error_set(err, ERROR_CONFIG, "the account has no inbox");
	server.security = securities[scheme];
	if (config_password(account, &password, &password_length, err) != 0)
		return -1;
	server.password = password;
	session->pop3 = pop3_open(&server, err);
	secret_free(password, password_length);
	if (session->pop3 == NULL)
		return -1;
	session->result->login_delay_s = pop3_login_delay_s(session->pop3);
	if (session->is_one_by_one)
		pop3_forbid_pipelining(session->pop3);
	session->batch.max = pop3_can_pipeline(session->pop3) ? SESSION_BATCH_MAX : 1;
	return 0;
}

/* Before the first hand-over: what cannot be recorded would come again and again. */
static int begin(struct session *session, struct error *err)
{
	if (!session->job->is_dry_run &&
	    (session->todo.fetch_count > 0 || session->is_unrecorded) &&
	    session_put_maildrop(session, err) != 0)
		return -1;
	if (!session->drop.is_chosen && session->todo.fetch_count > 0 &&
	    session_leave_old(session, err) != 0)
		return -1;
	session_put_broken_last(session);
	return 0;
}

static int look(struct session *session, const struct uidl_row *known, size_t known_count,
                struct error *err)
{
	const struct poll_job *job = session->job;
	const struct todo_options options = {.leave_s = job->account->leave_s,
	                                     .max_message_bytes = job->account->max_message_bytes,
	                                     .now = session->started_at,
	                                     .retries_now = job->retries_now};

	if (pop3_list(session->pop3, &session->listing, err) != 0 ||
	    session_meet_maildrop(session, known, &known_count, err) != 0)
		return -1;
	todo_make(&session->todo, &session->listing, known, known_count, &options);
	session->result->on_server = session->listing.count;
	session->result->fresh = session->todo.fetch_count;
	session->deletes =
		xreallocarray(NULL, session->listing.count + 1, sizeof(*session->deletes));
	for (size_t i = 0; i < session->todo.drop_count; i++)
		session->deletes[session->delete_count++] = session->todo.drop[i]->number;
	return begin(session, err);
}

static void show_plan(const struct session *session)
{
	const struct poll_job *job = session->job;
	const struct todo *todo = &session->todo;

	for (size_t i = 0; job->on_plan != NULL && i < todo->fetch_count; i++)
		job->on_plan(job->context, POLL_WOULD_FETCH, todo->fetch[i]->uidl,
		             todo->fetch[i]->size_bytes);
	for (size_t i = 0; job->on_plan != NULL && i < todo->drop_count; i++)
		job->on_plan(job->context, POLL_WOULD_DELETE, todo->drop[i]->uidl,
		             todo->drop[i]->size_bytes);
}

/* The last step: what is due is deleted, and the server takes it as done. */
static int finish(struct session *session, struct error *err)
{
	const char *name = session->job->account->name;
	struct pop3 *pop3 = session->pop3;
	const char *words;
	int rc;

	if (session->delete_count > 0 &&
	    pop3_delete(pop3, session->deletes, session->delete_count, err) != 0)
		return -1;
	session->undeleted = pop3_refused_deletions(pop3, &words);
	snprintf(session->first_undeleted, sizeof(session->first_undeleted), "%s", words);
	session->pop3 = NULL; /* pop3_quit() closes it */
	rc = pop3_quit(pop3, err);
	if (rc != 0 && session->delete_count > 0)
		/* What was deleted will be missing in the next listing; the rest is deleted then. */
		return error_prefix(err, "deletions may not have been made");
	if (rc != 0)
		log_warning("fetch %s: %s", name, err->text);
	session->result->deleted = session->delete_count - session->undeleted;
	return 0;
}

static int forget_gone(struct session *session, struct error *err)
{
	const struct todo *todo = &session->todo;

	/* What cannot be told from others for a while is not gone. */
	if (session->listing.unusable_count > 0)
		return 0;
	if (store_forget_uidls(session->job->store, session->job->account->name, todo->gone,
	                       todo->gone_count, store_clock_ms() + SESSION_RECORD_MS, err) == 0)
		return 0;
	session->result->is_local_failure = true;
	return -1;
}

/* All that was listed is judged; an empty listing may be one of a server in trouble. */
static bool is_chosen_now(const struct session *session)
{
	return !session->is_resting && session->result->unavailable == 0 &&
	       (session->listing.count > 0 || session->drop.old_before == INT64_MAX);
}

/* What the next poll has to know, where it differs. */
static int note_end(struct session *session, int rc, const struct error *fetch_error,
                    struct error *err)
{
	bool was_chosen = session->drop.is_chosen, had_break = session->drop.broken_uidl != NULL;

	session_note_break(session, rc, fetch_error);
	if (rc == 0 && is_chosen_now(session))
		session->drop.is_chosen = true;
	if (session->drop.is_chosen == was_chosen && !had_break &&
	    session->drop.broken_uidl == NULL)
		return 0;
	return session_put_maildrop(session, err);
}

static int work(struct session *session, struct error *err)
{
	struct error cause;

	if (session_fetch(session, err) != 0) {
		/* What Postfix took is recorded whatever else went wrong. */
		if (session_flush(session, &cause) != 0)
			log_warning("fetch %s: up to %zu messages will come twice: %s",
			            session->job->account->name, session->batch.count, cause.text);
		if (!pop3_is_doubtful(session->pop3) && note_end(session, -1, err, &cause) != 0)
			log_warning("fetch %s: %s", session->job->account->name, cause.text);
		return -1;
	}
	session->result->is_fetched = true;
	if (note_end(session, 0, NULL, err) != 0)
		return -1;
	if (finish(session, err) != 0 || forget_gone(session, err) != 0)
		return -1;
	if (session->result->unavailable > 0)
		return error_set(err, ERROR_TEMPORARY,
		                 "the server did not give out %zu of the messages: \"%s\"",
		                 session->result->unavailable, session->first_refusal);
	if (session->listing.unusable_count > 0)
		return error_set(err, ERROR_TEMPORARY,
		                 "%zu of the messages cannot be told from others: %s",
		                 session->listing.unusable_count, session->listing.unusable);
	if (session->undeleted > 0)
		return error_set(err, ERROR_TEMPORARY,
		                 "the server did not delete %zu of the messages: %s",
		                 session->undeleted, session->first_undeleted);
	if (session->is_resting)
		return error_set(err, ERROR_TEMPORARY,
		                 "message %s waits: the last %lld polls that tried it broke off "
		                 "there",
		                 session->drop.broken_uidl, (long long)session->drop.broken_count);
	return 0;
}

static int poll_once(const struct poll_job *job, bool is_one_by_one, struct poll_result *result,
                     bool *is_doubtful_out, struct error *err)
{
	struct session session = {.job = job,
	                          .result = result,
	                          .started_at = time(NULL),
	                          .is_one_by_one = is_one_by_one};
	struct uidl_row *known = NULL;
	size_t known_count = 0;
	int rc = -1;

	*is_doubtful_out = false;
	*result = (struct poll_result){0};
	if (store_list_uidls(job->store, job->account->name, &known, &known_count, err) != 0) {
		result->is_local_failure = true;
		return -1;
	}
	session.smtp = smtp_new(job->config->submit_to, SUBMIT_TIMEOUT_MS);
	if (sign_in(&session, err) != 0 || look(&session, known, known_count, err) != 0)
		goto out;
	if (job->is_dry_run)
		show_plan(&session);
	rc = job->is_dry_run ? 0 : work(&session, err);
out:
	*is_doubtful_out = rc != 0 && session.pop3 != NULL && pop3_is_doubtful(session.pop3);
	pop3_close(session.pop3);
	smtp_free(session.smtp);
	todo_release(&session.todo);
	pop3_listing_release(&session.listing);
	free(session.deletes);
	free(session.old);
	maildrop_release(&session.drop);
	uidl_rows_free(known, known_count);
	return rc;
}

int poll_inbox(const struct poll_job *job, struct poll_result *result, struct error *err)
{
	struct poll_result before;
	bool is_doubtful;
	int rc = poll_once(job, false, result, &is_doubtful, err);

	if (rc == 0 || !is_doubtful || result->is_stopped || result->is_local_failure)
		return rc;
	/* Where a message ends is only seen if nothing follows it. */
	log_info("fetch %s: %s; once more, one by one", job->account->name, err->text);
	before = *result;
	rc = poll_once(job, true, result, &is_doubtful, err);
	result->delivered += before.delivered;
	result->refused += before.refused;
	result->too_large += before.too_large;
	result->skipped += before.skipped;
	result->fresh += before.fresh - poll_left(&before);
	return rc;
}
