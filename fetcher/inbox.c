#include "fetcher/inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fetcher/inbox_lock.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"

#define BACK_OFF_MAX_S 3600
#define LOCAL_RETRY_S  60
#define BUSY_RETRY_S   10
#define RECORD_MS      20000

int64_t inbox_interval_s(int64_t poll_s, int64_t failure_count, bool is_local_failure,
                         int64_t login_delay_s, double random)
{
	int64_t interval_s = poll_s;

	if (failure_count > 0 && is_local_failure && interval_s > LOCAL_RETRY_S)
		interval_s = LOCAL_RETRY_S;
	if (failure_count > 0 && !is_local_failure) {
		for (int64_t i = 1; i < failure_count && interval_s < BACK_OFF_MAX_S; i++)
			interval_s *= 2;
		if (interval_s > BACK_OFF_MAX_S)
			interval_s = BACK_OFF_MAX_S;
	}
	interval_s = (int64_t)((double)interval_s * (0.9 + 0.2 * random) + 0.5);
	/* A second more, for clocks that are read at different moments. */
	if (login_delay_s > 0 && interval_s < login_delay_s + 1)
		interval_s = login_delay_s + 1;
	return interval_s;
}

static double random_fraction(void)
{
	uint32_t value;

	digest_random((unsigned char *)&value, sizeof(value));
	return value / 4294967296.0;
}

static int64_t next_in_s(const struct inbox_run *run)
{
	/* All mail was fetched: what failed besides is no reason to keep new mail waiting. */
	int64_t failure_count = run->result.is_fetched ? 0 : run->failure_count;

	return inbox_interval_s(run->job.account->poll_s, failure_count,
	                        run->result.is_local_failure, run->result.login_delay_s,
	                        random_fraction());
}

const char *inbox_summary(char *out, size_t size, const struct inbox_run *run)
{
	const struct poll_result *result = &run->result;
	size_t length;

	length = (size_t)snprintf(
		out, size, "new=%zu delivered=%zu refused=%zu deleted=%zu left=%zu", result->fresh,
		result->delivered, result->refused, result->deleted, poll_left(result));
	if (result->too_large > 0 && length < size)
		length += (size_t)snprintf(out + length, size - length, " too_large=%zu",
		                           result->too_large);
	if (result->skipped > 0 && length < size)
		length += (size_t)snprintf(out + length, size - length, " skipped=%zu",
		                           result->skipped);
	if (length < size)
		snprintf(out + length, size - length, ", %.1f s",
		         (double)run->duration_ms / 1000.0);
	return out;
}

/* How the poll before went, the caller's; zeroes if there was none. */
static int find_earlier(struct store *store, const char *account, struct inbox_row *row,
                        struct error *err)
{
	struct inbox_row *rows;
	size_t count;

	*row = (struct inbox_row){0};
	if (store_list_inboxes(store, &rows, &count, err) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].account, account) != 0)
			continue;
		*row = rows[i];
		rows[i].account = rows[i].error = NULL;
	}
	inbox_rows_free(rows, count);
	return 0;
}

/* What stands in the store of this poll; a poll that was told to stop is no failure. */
static void put_row(const struct inbox_run *run, struct store *store,
                    const struct inbox_row *earlier, int64_t started_at, bool is_failed)
{
	const struct poll_result *result = &run->result;
	const char *name = run->job.account->name;
	int64_t now = time(NULL);
	struct inbox_row row = {
		.account = xstrdup(name),
		.polled_at = started_at,
		.succeeded_at = is_failed || result->is_stopped ? earlier->succeeded_at : now,
		.next_poll_at = result->is_stopped ? now : now + run->next_in_s,
		.failure_count = run->failure_count,
		/* A poll that did not come to the listing knows no better. */
		.backlog = result->on_server > 0 || !is_failed ? (int64_t)poll_left(result)
	                                                       : earlier->backlog,
		.on_server = result->on_server > 0 || !is_failed ? (int64_t)result->on_server
	                                                         : earlier->on_server,
		.delivered_total = (int64_t)result->delivered,
		.error = is_failed ? xstrdup(run->err.text) : NULL,
	};
	struct error err;

	if (store_put_inbox(store, &row, store_clock_ms() + RECORD_MS, &err) != 0)
		log_warning("fetch %s: %s", name, err.text);
	free(row.account);
	free(row.error);
}

static void log_run(const struct inbox_run *run, bool is_failed)
{
	const char *name = run->job.account->name;
	char summary[200];

	inbox_summary(summary, sizeof(summary), run);
	if (is_failed)
		log_warning("fetch %s: %s; tried again in %lld s", name, run->err.text,
		            (long long)run->next_in_s);
	log_info("fetch %s: %s%s", name, summary, run->result.is_stopped ? ", stopped" : "");
}

static enum inbox_outcome run_locked(struct inbox_run *run, struct store *store)
{
	int64_t started_at = time(NULL), started_ms = store_clock_ms();
	struct inbox_row earlier = {0};
	bool is_failed;
	int rc;

	run->job.store = store;
	run->job.earlier = &earlier;
	rc = find_earlier(store, run->job.account->name, &earlier, &run->err);
	if (rc == 0)
		rc = poll_inbox(&run->job, &run->result, &run->err);
	else
		run->result.is_local_failure = true;
	is_failed = rc != 0 && !run->result.is_stopped;
	run->duration_ms = store_clock_ms() - started_ms;
	if (is_failed)
		/* Some mail came through: the server is not dead. */
		run->failure_count = run->result.delivered > 0 ? 1 : earlier.failure_count + 1;
	else
		run->failure_count = run->result.is_stopped ? earlier.failure_count : 0;
	run->next_in_s = next_in_s(run);
	if (!run->job.is_dry_run) {
		put_row(run, store, &earlier, started_at, is_failed);
		log_run(run, is_failed);
	}
	free(earlier.account);
	free(earlier.error);
	return is_failed ? INBOX_FAILED : INBOX_DONE;
}

enum inbox_outcome inbox_run(struct inbox_run *run)
{
	const char *name = run->job.account->name, *path = run->job.config->store;
	enum inbox_outcome outcome = INBOX_FAILED;
	struct store *store = NULL;
	int lock, got;

	run->result = (struct poll_result){.is_local_failure = true};
	run->failure_count = 1;
	run->next_in_s = LOCAL_RETRY_S;
	got = inbox_lock(path, name, &lock, &run->err);
	if (got == 0) {
		run->next_in_s = BUSY_RETRY_S;
		return INBOX_BUSY;
	}
	if (got > 0)
		store = store_open(path, STORE_WRITE, &run->err);
	if (store != NULL)
		outcome = run_locked(run, store);
	else
		log_warning("fetch %s: %s; tried again in %lld s", name, run->err.text,
		            (long long)run->next_in_s);
	store_close(store);
	if (got > 0)
		inbox_unlock(lock);
	return outcome;
}
