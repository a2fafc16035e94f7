#ifndef REJOINDER_CONVERSATION_MATCH_H
#define REJOINDER_CONVERSATION_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * Which conversation a message belongs to.  Pure: it looks up through a struct
 * of functions, which lib/store fills.  Never by subject text, never by sender.
 */

enum match_reason {
	MATCH_TOKEN,       /* a valid token in a recipient */
	MATCH_OWN_ID,      /* our own id in In-Reply-To or References */
	MATCH_IN_REPLY_TO, /* a stored message has an id of In-Reply-To */
	MATCH_REFERENCES,  /* a stored message has an id of References */
	MATCH_NAMED,       /* a stored message names an id that this one names, or this one's own */
	MATCH_REPORT,      /* what a report returns: token or message id */
	MATCH_NEW,         /* none: a new conversation */
	MATCH_NONE,        /* none, and it opens none */
};

/* "token", "own-id", "in-reply-to", "references", "named", "report", "new", "none". */
const char *match_reason_name(enum match_reason reason);
int match_reason_from_name(const char *name, enum match_reason *out); /* 1 found, 0 not */

#define MATCH_IDS_MAX 50 /* ids looked up for one message, the nearest first */

/* Why an id was listed. */
enum match_source { MATCH_FROM_IN_REPLY_TO, MATCH_FROM_REFERENCES, MATCH_FROM_REPORT };

struct match_id {
	const char *msgid; /* with brackets */
	enum match_source source;
	int64_t own_conversation; /* not 0: this is our own id and it verified */
};

/*
 * What a message offers.  All verification of tokens has been done: only
 * conversations whose token was believed stand here, 0 for none.
 */
struct match_input {
	int64_t token_conversation;   /* from a recipient; the first valid one */
	int64_t further_conversation; /* from another recipient, and another conversation */
	int64_t report_conversation;  /* from the addresses of a returned message */
	const struct match_id
		*ids;     /* In-Reply-To first, then References right to left, then the report's */
	size_t id_count;  /* at most MATCH_IDS_MAX are looked at */
	bool is_outbound; /* rule of the closed conversation, see below */
	bool may_open;    /* MATCH_NEW rather than MATCH_NONE */
};

struct match_lookup {
	void *context;
	/*
	 * Does a message have this id, or at least name it? 1 with *conversation_out and
	 * *is_named_only_out, 0, or -1 with *err.
	 */
	int (*find_msgid)(void *context, const char *msgid, int64_t *conversation_out,
	                  bool *is_named_only_out, struct error *err);
	/*
	 * Is the message itself known in another way: a copy of it that went in another
	 * direction, or a message that came before it and names it? 1 and *conversation_out,
	 * 0, or -1 with *err.
	 */
	int (*find_itself)(void *context, int64_t *conversation_out, struct error *err);
	/* 1 and *is_closed_out if the store has the conversation, 0, or -1 with *err. */
	int (*find_conversation)(void *context, int64_t conversation, bool *is_closed_out,
	                         struct error *err);
};

struct match {
	enum match_reason reason;
	int64_t conversation; /* 0 for MATCH_NEW and MATCH_NONE */
	int64_t related;      /* another conversation this message also points to, or 0 */
	bool is_lost; /* a believed token or own id of a conversation the store lacks: to be made again under its id */
};

/*
 * Find the conversation.  First hit wins: token; own id; a stored id of
 * In-Reply-To, then of References; an id that an earlier message named, or the
 * message itself that one named; the report; else MATCH_NEW or MATCH_NONE.  Each
 * id is looked up once.  When another clue of the same message
 * leads elsewhere it is `related`, never a merge.  Outbound, a token that is the
 * only link to a closed conversation gives MATCH_NEW with the old one related.
 * Returns 0, or -1 with *err when a look-up failed.
 */
int match_find(const struct match_input *input, const struct match_lookup *lookup,
               struct match *out, struct error *err) MUST_CHECK;

#endif
