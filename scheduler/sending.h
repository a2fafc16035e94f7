#ifndef REJOINDER_SCHEDULER_SENDING_H
#define REJOINDER_SCHEDULER_SENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"
#include "lib/net/smtp.h"
#include "lib/store/store.h"

/*
 * What notices and letters need alike to be sent: what is in force, the
 * connection to Postfix, and whether it is worth a try.
 */

#define SENDING_QUEUE_ID_SIZE 64

struct sending {
	struct config *config;
	struct keyring keys;
	struct store *store;   /* NULL while it is closed */
	struct smtp *smtp;     /* NULL while there is nothing to send */
	unsigned failures;     /* in a row */
	int64_t hold_until_ms; /* of the monotonic clock */
};

/* How one ended that the store may not know of yet. */
struct outcome {
	bool is_unsaved;
	int64_t id;
	int64_t retry_at; /* 0: it is done */
	bool is_dropped;
	bool is_untaken; /* the try certainly came to nothing */
};

/* Until when a write waits for the lock. */
int64_t sending_write_deadline(void);
/* So many sends in a row failed that it is not the mail: all others wait too. */
bool sending_is_held(const struct sending *sending);
/* How long one may be under way, so that nobody else takes it before. */
int64_t sending_lease_s(const struct sending *sending);

/*
 * Send one mail as smtp_send() does, and count how it ends.
 * queue_id_out: SENDING_QUEUE_ID_SIZE bytes.
 */
int sending_send(struct sending *sending, const char *from, const char *to, const char *bytes,
                 size_t length, char *queue_id_out, struct error *err) MUST_CHECK;
/* What a log line says before the reason when it may have been taken all the same, or "". */
const char *sending_doubt(const struct error *err);
/* There is nothing to send: let the connection go. */
void sending_rest(struct sending *sending);

/*
 * The outcome of a try that failed as err says: again after a pause that grows with the
 * number of tries.
 */
struct outcome outcome_retry(int64_t id, int64_t attempts, int64_t now, const struct error *err);
struct outcome outcome_end(int64_t id, bool is_dropped);

#endif
