#include "fetcher/session.h"

#include "lib/base/memory.h"

#define HEADER_MAX_BYTES (256 * 1024)

static int on_idle(void *context, struct error *err)
{
	return session_go_on(context, err);
}

static int on_header(void *context, const struct pop3_item *item, const char *bytes, size_t length,
                     struct error *err)
{
	struct session *session = context;

	if (session_is_old(session, bytes, length))
		session->old[session->old_count++] = (struct uidl_row){
			.uidl = item->uidl, .state = UIDL_SKIPPED, .done_at = session->started_at};
	return session_go_on(session, err);
}

static int on_no_header(void *context, const struct pop3_item *item, uint64_t length,
                        struct error *err)
{
	(void)item;
	(void)length;
	return session_go_on(context, err);
}

static int on_header_refused(void *context, const struct pop3_item *item, const char *reply,
                             struct error *err)
{
	(void)item;
	(void)reply;
	return session_go_on(context, err);
}

static int find_old(struct session *session, struct error *err)
{
	const struct pop3_receiver receiver = {.context = session,
	                                       .on_message = on_header,
	                                       .on_too_large = on_no_header,
	                                       .on_refused = on_header_refused,
	                                       .on_idle = on_idle};
	struct todo *todo = &session->todo;

	if (session->drop.old_before == INT64_MAX) {
		for (size_t i = 0; i < todo->fetch_count; i++)
			session->old[session->old_count++] =
				(struct uidl_row){.uidl = todo->fetch[i]->uidl,
			                          .state = UIDL_SKIPPED,
			                          .done_at = session->started_at};
		return 0;
	}
	/* Without TOP a message is retrieved first, and on_message() decides. */
	if (session->drop.old_before == 0 || !pop3_has_top(session->pop3))
		return 0;
	return pop3_top(session->pop3, todo->fetch, todo->fetch_count, HEADER_MAX_BYTES, &receiver,
	                err);
}

int session_leave_old(struct session *session, struct error *err)
{
	const struct poll_job *job = session->job;
	struct todo *todo = &session->todo;
	size_t kept = 0, old = 0;

	session->old = xreallocarray(NULL, todo->fetch_count + 1, sizeof(*session->old));
	if (find_old(session, err) != 0)
		return -1;
	/* Both are in the order of the listing. */
	for (size_t i = 0; i < todo->fetch_count; i++) {
		if (old < session->old_count && session->old[old].uidl == todo->fetch[i]->uidl)
			old++;
		else
			todo->fetch[kept++] = todo->fetch[i];
	}
	if (job->is_dry_run) {
		todo->fetch_count = kept;
		session->result->skipped = session->old_count;
		return 0;
	}
	if (store_add_uidls(job->store, job->account->name, session->old, session->old_count,
	                    store_clock_ms() + SESSION_RECORD_MS, err) != 0) {
		session->result->is_local_failure = true;
		return -1;
	}
	/* Of `none` the choice is made; what comes from now on is new, whatever goes wrong. */
	if (session->drop.old_before == INT64_MAX) {
		session->drop.is_chosen = true;
		if (session_put_maildrop(session, err) != 0)
			return -1;
	}
	todo->fetch_count = kept;
	session->result->skipped = session->old_count;
	return 0;
}
