#ifndef REJOINDER_MILTER_PLAN_H
#define REJOINDER_MILTER_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/store/record.h"
#include "milter/action.h"
#include "milter/edits.h"
#include "milter/mail.h"

/*
 * What is to be done with a message: its route, decided at the end of the
 * header, and the record, made at the end of the message.  All of it is pure:
 * the store's part is asked and told by session.c.
 */

enum route {
	ROUTE_PASS,     /* not ours: let go at the end of the header */
	ROUTE_STRIP,    /* not ours, but fields of ours must go */
	ROUTE_OUTBOUND, /* staff to the outside under an account: rewritten and recorded */
	ROUTE_TRACKED,  /* staff to the outside in a known conversation: recorded only */
	ROUTE_INTERNAL, /* staff to staff in a conversation, or to an account of ours */
	ROUTE_INBOUND,  /* to an account, into a known conversation, or a report */
	ROUTE_ALERT,    /* of our scheduler: passes, and its id becomes one of the conversation */
	ROUTE_ACTION,   /* to a link of an alert: what it asks for is done instead */
};

struct plan {
	enum route route;
	/*
	 * Where only the store can tell: the route is if_known when it knows one
	 * of the message's ids.
	 */
	bool asks_store;
	enum route if_known;
	const struct account
		*account; /* outbound: the account it leaves by; else the one it came in by */
	bool is_opted_in; /* outbound: by a field of the message */
	/* Why, in words, for whoever explains it; what the store says comes on top of it. */
	const char *reason;
	const char *account_reason; /* of the account that it leaves by, or NULL */
	struct action_request action;

	/* At the end of the message. */
	struct record record;
	char *subject, *from_name, *text, *reference, *added_msgid, *final_from;
	const char **recipients, **counted;
	struct record_failure *failures;
	struct match_id ids[MATCH_IDS_MAX]; /* those of the mail and of what a report returns */
};

/* Decide by the header. plan is zeroed first; the caller releases it with plan_release(). */
void plan_route(struct plan *plan, const struct mail *mail);

/*
 * Fill plan->record from the whole message.  The route may change here to
 * ROUTE_STRIP: calendar invitations, list mail and unanswerable mail are seen
 * only now.
 */
void plan_record(struct plan *plan, const struct mail *mail);

/* The edits that what was recorded asks for. recorded may be NULL for ROUTE_STRIP. */
void plan_edits(const struct plan *plan, const struct mail *mail, const struct recorded *recorded,
                struct edit_list *edits);

/*
 * The dedupe key of a message, over the From that leaves.  Without a Message-ID also over its recipients, and
 * without a Date too over the hour in which it came: sent again soon it is the same one.
 */
void plan_make_key(unsigned char out[DIGEST_BYTES], const struct plan *plan,
                   const struct mail *mail);

void plan_release(struct plan *plan);

const char *route_name(enum route route);
/* What the log says of a message that was dealt with: "rewritten". */
const char *route_status(enum route route);

#endif
