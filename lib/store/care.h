#ifndef REJOINDER_STORE_CARE_H
#define REJOINDER_STORE_CARE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/conversation/action.h"
#include "lib/store/store.h"

/*
 * What people do to a conversation by hand: close and open it, let it rest until
 * a moment, give it to somebody; by command, or by a link of an alert.
 *
 * The functions of the command return 1, 0 if there is no such conversation, or
 * -1 with *err; each is one transaction.  deadline_ms is of the monotonic clock.
 */

/*
 * Close or open.  Closing ends the conversation's waits for good: who writes afterwards
 * begins to wait anew.  Both end a snooze.  config: or NULL; its calendars say how long the
 * waits were in business time.
 */
int store_set_closed(struct store *store, const struct config *config, int64_t conversation,
                     bool is_closed, int64_t now, int64_t deadline_ms,
                     struct error *err) MUST_CHECK;

/*
 * No level of the conversation's waits is passed before `until` (Unix seconds, 0: they
 * are again passed as they come), whoever writes or answers meanwhile.  Closing, opening and
 * assigning end it.
 */
int store_snooze(struct store *store, int64_t conversation, int64_t until, int64_t now,
                 int64_t deadline_ms, struct error *err) MUST_CHECK;

/*
 * Give it to an owner, an address, who stays that whoever answers; a snooze ends.  NULL: the
 * owner is again who answers next.
 */
int store_assign(struct store *store, int64_t conversation, const char *owner, int64_t now,
                 int64_t deadline_ms, struct error *err) MUST_CHECK;

#define CARE_LINK_S   (30 * 86400) /* how long after the notice was created its links are good */
#define CARE_SNOOZE_S 86400        /* what a link snoozes for */

/* What came of a link. */
enum care_result {
	CARE_DONE,
	CARE_ABSENT,  /* there is no such notice, or what it was about is gone */
	CARE_SEVERAL, /* it tells of several waits: it has no links */
	CARE_OLD,     /* it was created longer ago than CARE_LINK_S */
	CARE_USED,    /* this was done before */
	CARE_CLOSED,  /* the conversation is closed: nothing to close or to snooze */
	CARE_ENDED,   /* the wait has ended: nothing to snooze */
	CARE_NEWER,   /* the wait has ended, and another began that it did not tell of */
};

struct care_outcome {
	enum care_result result;
	int64_t conversation; /* 0 where it is not known */
};

/*
 * Do what a link of a notice asks for, and remember it: one transaction.  by: the
 * address of the staff sender, who becomes the pinned owner by ACTION_TAKE_OVER.  config: as
 * above.
 * Returns 0 and *out, or -1 with *err: nothing was done.
 */
int store_do_action(struct store *store, const struct config *config, enum action action,
                    int64_t notice, const char *by, int64_t now, int64_t deadline_ms,
                    struct care_outcome *out, struct error *err) MUST_CHECK;

#endif
