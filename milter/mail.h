#ifndef REJOINDER_MILTER_MAIL_H
#define REJOINDER_MILTER_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/buffer.h"
#include "lib/base/list.h"
#include "lib/conversation/match.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/mail/class.h"
#include "lib/mail/header.h"
#include "milter/policy.h"

/*
 * One message on its way through the milter: what Postfix said of it, as it
 * came, and the facts read out of that.  Nothing here decides anything.
 */

#define MAIL_RCPTS_MAX  10000        /* more are counted and left alone */
#define MAIL_BODY_BYTES (256 * 1024) /* of the body that is looked at */
#define QUEUE_ID_SIZE   64

#define BAD_TOKENS_KNOWN 8 /* beyond them one may count twice */

/* Who hands us the message. */
struct client {
	char address[64]; /* numeric, "local" for sendmail(1) and Postfix itself */
	bool is_local;    /* sendmail(1), or a message of Postfix itself */
	bool is_internal; /* its address is one of internal_hosts */
	bool is_authenticated;
};

struct rcpt {
	char *given;                   /* as the milter protocol gave it: what an edit must name */
	char *address;                 /* local@domain, never NULL */
	bool is_inside;                /* its domain is one of ours */
	const struct account *account; /* the incoming account that it is an address of, or NULL */
	int64_t conversation;          /* of a token that was believed, or 0 */
};

struct mail {
	/* As it came. */
	const struct policy *policy;
	struct client client;
	char queue_id[QUEUE_ID_SIZE];
	int64_t received_at; /* Unix seconds */
	char *sender;        /* local@domain of MAIL FROM, "" for the null sender */
	struct rcpt *rcpts;
	size_t rcpt_count;
	size_t rcpts_ignored;
	struct header header;
	struct buffer body;

	/* Facts of the header: mail_read_header(). */
	struct address_list from; /* at most 2 */
	bool has_one_author;      /* exactly one From with one address */
	char *reply_to;           /* first address of Reply-To, or NULL */
	char *outside_reply_to;   /* the first of them outside our domains, or NULL */
	char *msgid;              /* or NULL */
	struct string_list in_reply_to, references; /* in their order */
	struct match_id ids[MATCH_IDS_MAX];         /* nearest first; strings of the two lists */
	size_t id_count;
	const char *names[MATCH_IDS_MAX]; /* the ids among them that are not our own */
	size_t name_count;
	int64_t token_conversation;     /* of the first token that was believed, or 0 */
	int64_t further_conversation;   /* of another one that leads elsewhere, or 0 */
	unsigned bad_tokens;            /* in recipients and ids, each once */
	enum token_verdict bad_verdict; /* of the first of them */
	char known_bad_tokens[BAD_TOKENS_KNOWN][TOKEN_SIZE];
	bool has_own_id;
	bool has_outside_rcpt, has_account_rcpt;
	bool is_from_inside; /* From is an address of our domains */
	/* Our own programs, by a mark that verified. */
	const struct account
		*fetched_for; /* the POP3 account that the fetcher brought it from, or NULL */
	bool is_alert;        /* of our scheduler */
	bool has_bad_mark;    /* of an internal host: whose mail it is, only a reload can tell */

	/* Facts of the whole: mail_read_body(). */
	struct classification classification;
	bool has_calendar;
	bool is_calendar_answer; /* an invitation was accepted, say (RFC 5546 3.2.3): no question */
};

struct mail *mail_new(const struct policy *policy);
/* Frees all but the policy, which is its owner's. */
void mail_free(struct mail *mail);

/*
 * Is the client one whose mail may be outbound: authenticated, an internal host,
 * or local?  Mail that our fetcher brought is not, whoever hands it over.
 */
bool mail_is_trusted(const struct mail *mail);

/*
 * Add a recipient as given in RCPT (with or without <>).  One that is no
 * address is kept in the envelope and never looked at.
 */
void mail_add_rcpt(struct mail *mail, const char *given);

/* Read the facts of the header, at its end. Tokens are verified as of received_at. */
void mail_read_header(struct mail *mail);

/* Classify the message and look at its parts, at its end. */
void mail_read_body(struct mail *mail);

/* Does To or Cc name the account's address, with or without a token? Of the whole header only. */
bool mail_is_addressed_to(const struct mail *mail, const struct account *account);

/*
 * Was it written before, and somebody passes it on as it is: by a redirect of his mail client or of a
 * filter, or by an alias?  Its author writes to nobody now.
 */
bool mail_is_passed_on(const struct mail *mail);

/* The address of the first author, or "" */
const char *mail_from(const struct mail *mail);

#endif
