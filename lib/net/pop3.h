#ifndef REJOINDER_NET_POP3_H
#define REJOINDER_NET_POP3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/net/connection.h"

/*
 * A POP3 session (RFC 1939, CAPA and response codes RFC 2449, STLS RFC 2595,
 * SASL RFC 5034, SYS/AUTH codes RFC 3206) that loses nothing: a message counts
 * as received only when its terminating dot line was seen; the session is ended
 * with QUIT only by pop3_quit(), any other end leaves the mailbox as it was.
 * Nothing of the server is trusted: sizes, numbers, uidls, line lengths.
 */

#define POP3_MESSAGES_MAX 200000 /* in one mailbox; more is an error that names both numbers */
#define POP3_UIDL_MAX_BYTES                                                                        \
	255 /* RFC 1939 says 70, some servers send more; longer ones are unusable */
#define POP3_LINE_MAX_BYTES  1024 /* of a reply; RFC 1939 says 512 */
#define POP3_UNUSABLE_SIZE   200
#define POP3_WINDOW_COMMANDS 64
#define POP3_WINDOW_BYTES    (8 * 1024 * 1024)
/*
 * Answers to DELE are a line each and none of them is kept: with 64 ahead, 5,000
 * deletions at 40 ms cost 3 s of waiting.
 */
#define POP3_WINDOW_DELETIONS 512

struct pop3;

struct pop3_item {
	unsigned number;     /* of this session only */
	uint64_t size_bytes; /* as the server claims */
	char *uidl;
};

struct pop3_listing {
	struct pop3_item *items; /* by number */
	size_t count;
	/*
	 * What is not among them: messages that cannot be told from others, since UIDL
	 * does not name them, or by what is empty, longer than POP3_UIDL_MAX_BYTES, not
	 * printable, or another's too.
	 */
	size_t unusable_count;
	char unusable[POP3_UNUSABLE_SIZE]; /* a sentence about one of them */
};

/*
 * Connect, sign in, learn what the server can.  NULL with *err: ERROR_TEMPORARY
 * (network, server busy: IN-USE, LOGIN-DELAY, SYS/TEMP, -ERR without a code),
 * ERROR_CONFIG (AUTH and SYS/PERM codes, a certificate that does not verify, no STLS
 * offered).  The text holds the server's words, cleaned.
 */
struct pop3 *pop3_open(const struct server *server, struct error *err) MUST_CHECK;

/* Close without QUIT: the server forgets deletions and marks (RFC 1939 6). NULL is fine. */
void pop3_close(struct pop3 *pop3);

bool pop3_can_pipeline(const struct pop3 *pop3);
/* From now on a RETR or TOP is sent only when the one before is answered. */
void pop3_forbid_pipelining(struct pop3 *pop3);
/*
 * Did the session break at a message whose end is in doubt, where only a session without
 * pipelining can learn more?
 */
bool pop3_is_doubtful(const struct pop3 *pop3);
/* Does the server say that it has TOP (RFC 1939 7)? */
bool pop3_has_top(const struct pop3 *pop3);
/* Seconds that the server wants between logins (RFC 2449 6.5), an hour at most, or 0. */
int64_t pop3_login_delay_s(const struct pop3 *pop3);

/*
 * LIST and UIDL.  ERROR_PERMANENT: a server without UIDL, a mailbox of which no message is
 * usable, or a listing that cannot be believed, as one that repeats a number.
 */
int pop3_list(struct pop3 *pop3, struct pop3_listing *listing, struct error *err) MUST_CHECK;
void pop3_listing_release(struct pop3_listing *listing);

/*
 * What becomes of each message, called in the order of the items.  Returning -1
 * (with *err) ends pop3_retrieve() with that error.
 */
struct pop3_receiver {
	void *context;
	/* A whole message, dot-unstuffed, CRLF line ends as sent. bytes are the callee's to read only. */
	int (*on_message)(void *context, const struct pop3_item *item, const char *bytes,
	                  size_t length, struct error *err);
	/* It was longer than max_bytes: read to its end and thrown away, length is what came. */
	int (*on_too_large)(void *context, const struct pop3_item *item, uint64_t length,
	                    struct error *err);
	/* The server answered -ERR to this RETR: others may follow. */
	int (*on_refused)(void *context, const struct pop3_item *item, const char *reply,
	                  struct error *err);
	/* Nothing came for a tenth of a second, and again each time; NULL: nobody asks. */
	int (*on_idle)(void *context, struct error *err);
};

/*
 * RETR these items, pipelined where the server can, at most POP3_WINDOW_COMMANDS
 * and POP3_WINDOW_BYTES (as claimed) ahead.  max_bytes: of one message that is kept in
 * memory.  0 when every item was answered, or -1 with *err (ERROR_TEMPORARY:
 * the connection is unusable and must be closed).
 *
 * A text is never taken for the server's next replies: where its end may be a part of it,
 * as in one of bare LFs, the message is the receiver's only once the server proved, by
 * telling its uidl, that it said all of it.
 */
int pop3_retrieve(struct pop3 *pop3, const struct pop3_item *const *items, size_t count,
                  uint64_t max_bytes, const struct pop3_receiver *receiver,
                  struct error *err) MUST_CHECK;

/*
 * The same with TOP n 0: the header alone, and the empty line after it.  max_bytes: of one
 * header; a longer one is on_too_large.
 */
int pop3_top(struct pop3 *pop3, const struct pop3_item *const *items, size_t count,
             uint64_t max_bytes, const struct pop3_receiver *receiver,
             struct error *err) MUST_CHECK;

/*
 * DELE these numbers, pipelined.  0 when each was answered, with +OK or -ERR: one that is
 * refused keeps no other from going.  Nothing is deleted before QUIT.
 */
int pop3_delete(struct pop3 *pop3, const unsigned *numbers, size_t count,
                struct error *err) MUST_CHECK;
/*
 * How many of them the server refused.  *words_out gets what it said to the first one, in a
 * sentence; it is pop3's, so copy it before pop3_quit().
 */
size_t pop3_refused_deletions(const struct pop3 *pop3, const char **words_out);

/*
 * QUIT, and close in any case: pop3 is gone afterwards.  0: the server answered
 * +OK.  -1 with ERROR_UNCERTAIN: deletions may or may not have been made.  -1 with
 * ERROR_TEMPORARY: an earlier call had failed, or the server had said something without
 * being asked, so QUIT was not sent and none was made.
 */
int pop3_quit(struct pop3 *pop3, struct error *err) MUST_CHECK;

#endif
