#include "fetcher/once.h"

#include <stdio.h>
#include <sysexits.h>

#include "fetcher/inbox.h"
#include "fetcher/progress.h"

static void on_progress(void *context, size_t done, size_t total, uint64_t bytes)
{
	progress_show(context, done, total, bytes);
}

static void on_plan(void *context, enum poll_action action, const char *uidl, uint64_t size_bytes)
{
	(void)context;
	printf("%s %s (%llu bytes)\n", action == POLL_WOULD_FETCH ? "fetch" : "delete", uidl,
	       (unsigned long long)size_bytes);
}

static int report(const struct inbox_run *run, enum inbox_outcome outcome)
{
	const char *name = run->job.account->name;
	char summary[200];

	if (outcome == INBOX_BUSY) {
		fprintf(stderr, "%s is being polled right now; try again in a moment\n", name);
		return EX_TEMPFAIL;
	}
	if (run->job.is_dry_run && outcome == INBOX_DONE)
		printf("%s: %zu on the server, %zu to fetch; nothing was changed\n", name,
		       run->result.on_server, poll_left(&run->result));
	else
		printf("%s: %s\n", name, inbox_summary(summary, sizeof(summary), run));
	if (outcome == INBOX_DONE)
		return EX_OK;
	fprintf(stderr, "%s: %s\n", name, run->err.text);
	return run->err.kind == ERROR_CONFIG ? EX_CONFIG : EX_TEMPFAIL;
}

int once(const struct settings *settings, const char *name, bool is_dry_run,
         const atomic_bool *is_stopping)
{
	const struct account *account = settings_inbox(settings, name);
	struct progress progress;
	struct inbox_run run = {
		.job = {.config = settings->config,
	                .account = account,
	                .keys = &settings->keys,
	                .is_stopping = is_stopping,
	                .retries_now = true,
	                .is_dry_run = is_dry_run,
	                .on_progress = on_progress,
	                .on_plan = on_plan,
	                .context = &progress},
	};
	enum inbox_outcome outcome;

	if (account == NULL) {
		fprintf(stderr, "no enabled account \"%s\" has an inbox (pop3)\n", name);
		return EX_USAGE;
	}
	progress_init(&progress, account->name);
	outcome = inbox_run(&run);
	progress_clear(&progress);
	return report(&run, outcome);
}
