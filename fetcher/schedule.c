#include "fetcher/schedule.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fetcher/inbox.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"

#define IDLE_MS 60000 /* to the next look when there is no inbox at all */

struct slot {
	char *name; /* of the account */
	bool is_running;
	int64_t due_at_ms;     /* store_clock_ms() */
	int64_t not_before_ms; /* by the server's LOGIN-DELAY */
};

struct schedule {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct settings *settings;
	struct slot *slots; /* one an inbox of settings */
	size_t slot_count;
	atomic_bool is_stopping;
	pthread_t *workers;
	size_t worker_count;
};

static struct slot *find_slot(struct slot *slots, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(slots[i].name, name) == 0)
			return &slots[i];
	return NULL;
}

static void free_slots(struct slot *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(slots[i].name);
	free(slots);
}

/* No later than one interval from now, and what the server wants. */
static int64_t adjust_due(int64_t due_at_ms, int64_t not_before_ms, int64_t poll_s, int64_t now_ms)
{
	int64_t latest_ms = now_ms + poll_s * 1100;

	if (due_at_ms > latest_ms)
		due_at_ms = latest_ms;
	return due_at_ms > not_before_ms ? due_at_ms : not_before_ms;
}

/* A restart goes on where the last run was; after a failure it is the try that the admin wants. */
static void place_by_store(struct schedule *schedule)
{
	int64_t now = time(NULL), now_ms = store_clock_ms();
	struct inbox_row *rows = NULL;
	struct store *store;
	struct error err;
	size_t count = 0;

	store = store_open(schedule->settings->config->store, STORE_READ, &err);
	if (store == NULL || store_list_inboxes(store, &rows, &count, &err) != 0)
		count = 0; /* the first poll will say what is wrong */
	for (size_t i = 0; i < count; i++) {
		struct slot *slot =
			find_slot(schedule->slots, schedule->slot_count, rows[i].account);
		const struct account *account = settings_inbox(schedule->settings, rows[i].account);

		if (slot != NULL && account != NULL && rows[i].failure_count == 0 &&
		    rows[i].next_poll_at > now)
			slot->due_at_ms = adjust_due(now_ms + (rows[i].next_poll_at - now) * 1000,
			                             0, account->poll_s, now_ms);
	}
	inbox_rows_free(rows, count);
	store_close(store);
}

/* Make the slots of the settings in force, each as it was if it was there before. */
static void make_slots(struct schedule *schedule)
{
	const struct config *config = schedule->settings->config;
	struct slot *slots = xreallocarray(NULL, config->account_count + 1, sizeof(*slots));
	int64_t now_ms = store_clock_ms();
	size_t count = 0;

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		const struct slot *earlier;

		if (settings_inbox(schedule->settings, account->name) != account)
			continue;
		earlier = find_slot(schedule->slots, schedule->slot_count, account->name);
		slots[count] = earlier != NULL ? *earlier : (struct slot){.due_at_ms = now_ms};
		slots[count].due_at_ms =
			adjust_due(slots[count].due_at_ms, slots[count].not_before_ms,
		                   account->poll_s, now_ms);
		slots[count++].name = xstrdup(account->name);
	}
	free_slots(schedule->slots, schedule->slot_count);
	schedule->slots = slots;
	schedule->slot_count = count;
}

/* The slot that is due first of those that nobody works at, or NULL. */
static struct slot *next_slot(struct schedule *schedule)
{
	struct slot *next = NULL;

	for (size_t i = 0; i < schedule->slot_count; i++) {
		struct slot *slot = &schedule->slots[i];

		if (!slot->is_running && (next == NULL || slot->due_at_ms < next->due_at_ms))
			next = slot;
	}
	return next;
}

static void wait_until(struct schedule *schedule, int64_t at_ms)
{
	struct timespec at = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};

	pthread_cond_timedwait(&schedule->changed, &schedule->mutex, &at);
}

/* Called with the mutex, which is given back meanwhile. */
static void poll_slot(struct schedule *schedule, struct slot *slot)
{
	struct settings *settings = schedule->settings;
	const struct account *account = settings_inbox(settings, slot->name);
	struct inbox_run run = {.job = {.config = settings->config,
	                                .account = account,
	                                .keys = &settings->keys,
	                                .is_stopping = &schedule->is_stopping}};

	settings_share(settings);
	slot->is_running = true;
	pthread_mutex_unlock(&schedule->mutex);
	if (inbox_run(&run) == INBOX_BUSY)
		log_debug("fetch %s: another process polls it", account->name);
	pthread_mutex_lock(&schedule->mutex);
	/* A reload may have moved or removed it. */
	slot = find_slot(schedule->slots, schedule->slot_count, account->name);
	if (slot != NULL) {
		int64_t now_ms = store_clock_ms();

		slot->is_running = false;
		slot->due_at_ms = now_ms + run.next_in_s * 1000;
		slot->not_before_ms = now_ms + run.result.login_delay_s * 1000;
	}
	settings_drop(settings);
}

static void *work(void *context)
{
	struct schedule *schedule = context;

	pthread_mutex_lock(&schedule->mutex);
	while (!atomic_load(&schedule->is_stopping)) {
		struct slot *slot = next_slot(schedule);
		int64_t now_ms = store_clock_ms();

		if (slot == NULL)
			wait_until(schedule, now_ms + IDLE_MS);
		else if (slot->due_at_ms > now_ms)
			wait_until(schedule, slot->due_at_ms);
		else
			poll_slot(schedule, slot);
	}
	pthread_mutex_unlock(&schedule->mutex);
	return NULL;
}

struct schedule *schedule_start(struct settings *settings)
{
	struct schedule *schedule = xzalloc(sizeof(*schedule));
	pthread_condattr_t attributes;

	pthread_mutex_init(&schedule->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&schedule->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	schedule->settings = settings;
	make_slots(schedule);
	place_by_store(schedule);
	schedule->worker_count = (size_t)settings->config->fetch_workers;
	schedule->workers = xreallocarray(NULL, schedule->worker_count, sizeof(*schedule->workers));
	for (size_t i = 0; i < schedule->worker_count; i++)
		if (pthread_create(&schedule->workers[i], NULL, work, schedule) != 0)
			abort(); /* as without memory: the supervisor tries again */
	return schedule;
}

void schedule_reload(struct schedule *schedule, struct settings *settings)
{
	pthread_mutex_lock(&schedule->mutex);
	settings_drop(schedule->settings);
	schedule->settings = settings;
	make_slots(schedule);
	pthread_cond_broadcast(&schedule->changed);
	pthread_mutex_unlock(&schedule->mutex);
}

bool schedule_stop(struct schedule *schedule, int wait_s)
{
	struct timespec deadline;

	pthread_mutex_lock(&schedule->mutex);
	atomic_store(&schedule->is_stopping, true);
	pthread_cond_broadcast(&schedule->changed);
	pthread_mutex_unlock(&schedule->mutex);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += wait_s;
	for (size_t i = 0; i < schedule->worker_count; i++)
		if (pthread_timedjoin_np(schedule->workers[i], NULL, &deadline) != 0)
			return false;
	settings_drop(schedule->settings);
	free_slots(schedule->slots, schedule->slot_count);
	pthread_cond_destroy(&schedule->changed);
	pthread_mutex_destroy(&schedule->mutex);
	free(schedule->workers);
	free(schedule);
	return true;
}
