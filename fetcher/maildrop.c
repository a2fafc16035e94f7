#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetcher/session.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"

#define DAY_S      86400
#define BREAKS_MAX 3   /* in a row at one message, until it rests */
#define REST_S     600 /* for the first time; each further break doubles it */
#define REST_MAX_S DAY_S

/* user@host: neither another port nor other security makes it another maildrop. */
static char *name_of(const struct account *account)
{
	char host[ENDPOINT_HOST_SIZE] = "";
	enum pop3_scheme scheme;
	uint16_t port;

	(void)config_pop3(account, &scheme, host, &port);
	for (char *c = host; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return xasprintf("%s@%s", account->username, host);
}

static int64_t old_at_first(const struct session *session)
{
	int64_t first_fetch_s = session->job->account->first_fetch_s;

	if (first_fetch_s < 0)
		return 0;
	return first_fetch_s == 0 ? INT64_MAX : session->started_at - first_fetch_s;
}

/*
 * Does the server list nothing of what it must still have?  It gave new UIDLs to all its mail, or
 * somebody emptied it.
 */
static bool has_vanished(const struct session *session, const struct uidl_row *known,
                         size_t known_count)
{
	const struct todo_options options = {.leave_s = session->job->account->leave_s,
	                                     .now = session->started_at};

	return session->drop.is_chosen && session->listing.unusable_count == 0 &&
	       session->job->earlier->succeeded_at > 0 &&
	       todo_is_all_gone(&session->listing, known, known_count, &options);
}

int session_meet_maildrop(struct session *session, const struct uidl_row *known,
                          size_t *known_count, struct error *err)
{
	const struct poll_job *job = session->job;
	struct maildrop *drop = &session->drop;
	char *name = name_of(job->account);
	int found = store_get_maildrop(job->store, job->account->name, drop, err);

	if (found < 0) {
		free(name);
		session->result->is_local_failure = true;
		return -1;
	}
	session->is_another = drop->name != NULL && strcmp(drop->name, name) != 0;
	if (session->is_another) {
		log_warning(
			"fetch %s: the inbox is another one than before: its mail is fetched as "
			"first_fetch says, and what was known of the other is forgotten",
			job->account->name);
		maildrop_release(drop);
		*known_count = 0;
	}
	session->is_unrecorded = drop->name == NULL;
	free(drop->name);
	drop->name = name;
	if (!drop->is_chosen && drop->old_before == 0) {
		drop->old_before = old_at_first(session);
	} else if (has_vanished(session, known, *known_count)) {
		/* What came before the last good poll was fetched then, whatever it is called now. */
		log_info("fetch %s: the server lists none of the messages that it had; what came "
		         "before the last poll is not fetched again",
		         job->account->name);
		session->is_unrecorded = true;
		drop->is_chosen = false;
		drop->old_before = job->earlier->succeeded_at - DAY_S;
	}
	return 0;
}

int session_put_maildrop(struct session *session, struct error *err)
{
	if (store_put_maildrop(session->job->store, session->job->account->name, &session->drop,
	                       session->is_another, store_clock_ms() + SESSION_RECORD_MS,
	                       err) != 0) {
		session->result->is_local_failure = true;
		return -1;
	}
	session->is_another = session->is_unrecorded = false;
	return 0;
}

/* How long a message at which polls break off rests. */
static int64_t rest_s(const struct session *session)
{
	/* At least every other poll is without it, and ends as it should. */
	int64_t rest = REST_S, least = session->job->account->poll_s * 3 / 2;

	for (int64_t i = BREAKS_MAX; i < session->drop.broken_count && rest < REST_MAX_S; i++)
		rest *= 2;
	if (rest > REST_MAX_S)
		rest = REST_MAX_S;
	return rest > least ? rest : least;
}

static bool rests(const struct session *session)
{
	const struct maildrop *drop = &session->drop;
	int64_t since_s = session->started_at - drop->broken_at;

	return drop->broken_count >= BREAKS_MAX && !session->job->retries_now && since_s >= 0 &&
	       since_s < rest_s(session);
}

void session_put_broken_last(struct session *session)
{
	struct todo *todo = &session->todo;
	const char *uidl = session->drop.broken_uidl;
	const struct pop3_item *broken = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < todo->fetch_count; i++)
		if (uidl != NULL && strcmp(todo->fetch[i]->uidl, uidl) == 0)
			broken = todo->fetch[i];
		else
			todo->fetch[kept++] = todo->fetch[i];
	session->is_resting = broken != NULL && rests(session);
	if (broken != NULL && !session->is_resting)
		todo->fetch[kept++] = broken;
	todo->fetch_count = kept;
}

void session_note_break(struct session *session, int rc, const struct error *cause)
{
	struct maildrop *drop = &session->drop;
	const char *uidl;

	if (rc == 0 && session->is_resting)
		return;
	if (rc == 0) {
		free(drop->broken_uidl);
		drop->broken_uidl = NULL;
		drop->broken_count = 0;
		return;
	}
	/* What fails for every message is no matter of this one. */
	if (session->tried >= session->todo.fetch_count || session->result->is_stopped ||
	    session->is_store_failure ||
	    (session->result->is_local_failure && cause->kind != ERROR_UNCERTAIN &&
	     session->result->delivered == 0))
		return;
	uidl = session->todo.fetch[session->tried]->uidl;
	if (drop->broken_uidl == NULL || strcmp(drop->broken_uidl, uidl) != 0) {
		free(drop->broken_uidl);
		drop->broken_uidl = xstrdup(uidl);
		drop->broken_count = 0;
	}
	drop->broken_count++;
	drop->broken_at = time(NULL);
}
