#include "scheduler/sending.h"

#define WRITE_LOCK_MS 5000

/* The milter may take commit_timeout to answer; then Postfix needs a moment too. */
#define SEND_MARGIN_MS 10000
/* What marking may take that it was sent. */
#define LEASE_MARGIN_S 15

#define RETRY_S     60
#define RETRY_MAX_S 1800

#define FAILURES_MAX 3
#define HOLD_MS      30000

int64_t sending_write_deadline(void)
{
	return store_clock_ms() + WRITE_LOCK_MS;
}

bool sending_is_held(const struct sending *sending)
{
	return store_clock_ms() < sending->hold_until_ms;
}

int64_t sending_lease_s(const struct sending *sending)
{
	return (sending->config->commit_timeout_ms + SEND_MARGIN_MS) / 1000 + LEASE_MARGIN_S;
}

int sending_send(struct sending *sending, const char *from, const char *to, const char *bytes,
                 size_t length, char *queue_id_out, struct error *err)
{
	int status;

	if (sending->smtp == NULL)
		sending->smtp = smtp_new(sending->config->submit_to,
		                         sending->config->commit_timeout_ms + SEND_MARGIN_MS);
	status = smtp_send(sending->smtp, from, to, "", 0, bytes, length, queue_id_out,
	                   SENDING_QUEUE_ID_SIZE, err);
	/* A refusal is an answer too: only who does not answer keeps all mail waiting. */
	sending->failures = smtp_is_well(sending->smtp) || err->kind == ERROR_PERMANENT
	                            ? 0
	                            : sending->failures + 1;
	if (sending->failures >= FAILURES_MAX) {
		sending->hold_until_ms = store_clock_ms() + HOLD_MS;
		sending->failures = 0;
	}
	return status;
}

const char *sending_doubt(const struct error *err)
{
	return err->kind == ERROR_UNCERTAIN
	               ? "outcome=unknown (sent again with the same Message-ID), "
	               : "";
}

void sending_rest(struct sending *sending)
{
	smtp_free(sending->smtp);
	sending->smtp = NULL;
}

struct outcome outcome_retry(int64_t id, int64_t attempts, int64_t now, const struct error *err)
{
	int64_t pause_s = RETRY_S;

	for (int64_t i = 1; i < attempts && pause_s < RETRY_MAX_S; i++)
		pause_s *= 2;
	if (pause_s > RETRY_MAX_S)
		pause_s = RETRY_MAX_S;
	return (struct outcome){.is_unsaved = true,
	                        .id = id,
	                        .retry_at = now + pause_s,
	                        .is_untaken = err->kind != ERROR_UNCERTAIN};
}

struct outcome outcome_end(int64_t id, bool is_dropped)
{
	return (struct outcome){.is_unsaved = true, .id = id, .is_dropped = is_dropped};
}
