#include "milter/committer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/store/daemon.h"

#define BATCH_MAX        64
#define CHECKPOINT_PAGES 1000
#define TICK_MS          1000
#define YIELD_NS         100000 /* flock is unfair: lets other processes have the lock */
#define IDLE_TICKS       5      /* without a message before the WAL is emptied */

/*
 * How long a batch waits for the write lock when the one before it failed.  The
 * callbacks that wait hold libmilter's few workers, and with them mail that
 * needs no store: a trouble costs one long wait, not one a batch.
 */
#define PROBE_MS 250

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_ABANDONED };

struct job {
	const struct record *record;
	struct recorded result;
	enum job_state state;
	int64_t deadline_ms;
	void *owner;
	void (*release)(void *owner);
	pthread_cond_t answered;
	struct job *next;
};

struct committer {
	struct committer_options options;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards what follows, down to the thread's own */
	pthread_cond_t wakeup;
	struct job *first, **last;
	bool is_stopping;
	struct committer_totals totals;

	struct store *store;
	int64_t started_at;
	bool is_lost;       /* the store that was open was taken away, and none is open since */
	bool is_introduced; /* to the store that is open */
	unsigned idle_ticks;
	bool is_failing; /* the last batch could not be written */
};

static void cond_init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

static struct timespec timespec_of_ms(int64_t ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
}

static void job_free(struct job *job)
{
	recorded_release(&job->result);
	pthread_cond_destroy(&job->answered);
	free(job);
}

static void unqueue(struct committer *committer, struct job *job)
{
	struct job **link = &committer->first;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	if (committer->last == &job->next)
		committer->last = link;
}

int committer_record(struct committer *committer, const struct record *record, struct recorded *out,
                     int64_t deadline_ms, void *owner, void (*release)(void *owner),
                     struct error *err)
{
	struct timespec until = timespec_of_ms(deadline_ms);
	struct job *job = xzalloc(sizeof(*job));
	int waited = 0;

	job->record = record;
	job->deadline_ms = deadline_ms;
	job->owner = owner;
	job->release = release;
	cond_init_monotonic(&job->answered);

	pthread_mutex_lock(&committer->mutex);
	*committer->last = job;
	committer->last = &job->next;
	pthread_cond_signal(&committer->wakeup);
	while (job->state != JOB_DONE && waited != ETIMEDOUT)
		waited = pthread_cond_timedwait(&job->answered, &committer->mutex, &until);
	if (job->state == JOB_RUNNING) {
		job->state = JOB_ABANDONED;
		pthread_mutex_unlock(&committer->mutex);
		return error_set(err, ERROR_UNCERTAIN,
		                 "cannot record message in time: it was still being written");
	}
	if (job->state == JOB_QUEUED)
		unqueue(committer, job);
	pthread_mutex_unlock(&committer->mutex);

	if (job->state == JOB_QUEUED) {
		error_set(err, ERROR_TEMPORARY, "cannot record message in time: the store is busy");
	} else if (job->result.status < 0) {
		*err = job->result.error;
	} else {
		*out = job->result;
		job->result = (struct recorded){0};
		job_free(job);
		return 0;
	}
	job_free(job);
	return -1;
}

/* Take what waits, at most BATCH_MAX. Called with the mutex. */
static size_t take_batch(struct committer *committer, struct job *batch[BATCH_MAX])
{
	size_t count = 0;

	while (committer->first != NULL && count < BATCH_MAX) {
		struct job *job = committer->first;
		committer->first = job->next;
		job->state = JOB_RUNNING;
		batch[count++] = job;
	}
	if (committer->first == NULL)
		committer->last = &committer->first;
	return count;
}

static int open_store(struct committer *committer, struct error *err)
{
	const char *path = committer->options.store_path;

	if (committer->store != NULL && !store_is_current(committer->store)) {
		log_warning("%s was replaced; opening it again", path);
		store_close(committer->store);
		committer->store = NULL;
		committer->is_lost = true;
	}
	if (committer->store == NULL) {
		bool is_new = access(path, F_OK) != 0;

		committer->store = store_open(path, STORE_WRITE, err);
		if (committer->store != NULL && is_new && committer->is_lost)
			log_error("%s was gone, and a new one is made: what was recorded is in no "
			          "store; to restore a backup see rejoinder(8), RESTORING",
			          path);
		if (committer->store != NULL)
			committer->is_lost = false;
		committer->is_introduced = committer->options.version == NULL;
		if (committer->store != NULL && store_upgrade_copy(committer->store) != NULL)
			log_info("upgraded the store %s; as it was it stands in %s", path,
			         store_upgrade_copy(committer->store));
	}
	return committer->store != NULL ? 0 : -1;
}

/* What fails is tried again at the next tick: no message waits for it long. */
static void introduce(struct committer *committer)
{
	struct error ignored;

	if (committer->store == NULL || committer->is_introduced || committer->is_failing)
		return;
	committer->is_introduced =
		store_set_daemon(committer->store, DAEMON_MILTER, committer->options.version,
	                         getpid(), committer->started_at, store_clock_ms() + PROBE_MS,
	                         &ignored) == 0;
}

static void checkpoint(struct committer *committer, unsigned min_pages, bool is_idle)
{
	struct error err;

	if (committer->store != NULL &&
	    store_checkpoint(committer->store, min_pages, is_idle, &err) < 0)
		log_warning("%s", err.text);
}

/* Called without the mutex: the jobs are RUNNING and nobody else changes them. */
static void run_batch(struct committer *committer, struct job *const batch[], size_t count)
{
	const struct record *records[BATCH_MAX];
	struct recorded results[BATCH_MAX] = {{0}};
	int64_t deadline_ms = batch[0]->deadline_ms;
	struct error err;
	int failed;

	for (size_t i = 0; i < count; i++) {
		records[i] = batch[i]->record;
		if (batch[i]->deadline_ms < deadline_ms)
			deadline_ms = batch[i]->deadline_ms;
	}
	if (committer->is_failing && deadline_ms > store_clock_ms() + PROBE_MS)
		deadline_ms = store_clock_ms() + PROBE_MS;
	failed = open_store(committer, &err);
	if (failed == 0)
		failed = store_record(committer->store, records, results, count, deadline_ms, &err);
	committer->is_failing = failed < 0;
	for (size_t i = 0; i < count; i++) {
		batch[i]->result = results[i];
		if (failed < 0) {
			batch[i]->result.status = -1;
			batch[i]->result.error = err;
		}
	}
	if (failed < 0 && committer->store != NULL && err.kind != ERROR_FULL &&
	    err.kind != ERROR_TEMPORARY) {
		/* Whatever it was, a fresh connection does not remember it. */
		store_close(committer->store);
		committer->store = NULL;
	}
}

static void answer_batch(struct committer *committer, struct job *const batch[], size_t count)
{
	struct job *abandoned[BATCH_MAX];
	size_t abandoned_count = 0;

	pthread_mutex_lock(&committer->mutex);
	committer->totals.batches++;
	committer->totals.jobs += count;
	if (count > committer->totals.largest)
		committer->totals.largest = count;
	for (size_t i = 0; i < count; i++) {
		if (batch[i]->state == JOB_ABANDONED) {
			abandoned[abandoned_count++] = batch[i];
			continue;
		}
		batch[i]->state = JOB_DONE;
		pthread_cond_signal(&batch[i]->answered);
	}
	pthread_mutex_unlock(&committer->mutex);

	for (size_t i = 0; i < abandoned_count; i++) {
		abandoned[i]->release(abandoned[i]->owner);
		job_free(abandoned[i]);
	}
}

/* Returns the number of jobs taken, 0 after a tick, or -1 when all is done. */
static int wait_for_jobs(struct committer *committer, struct job *batch[BATCH_MAX])
{
	struct timespec tick = timespec_of_ms(store_clock_ms() + TICK_MS);
	int count, waited = 0;

	pthread_mutex_lock(&committer->mutex);
	while (committer->first == NULL && !committer->is_stopping && waited != ETIMEDOUT)
		waited = pthread_cond_timedwait(&committer->wakeup, &committer->mutex, &tick);
	count = (int)take_batch(committer, batch);
	if (count == 0 && committer->is_stopping)
		count = -1;
	pthread_mutex_unlock(&committer->mutex);
	return count;
}

static void *run(void *argument)
{
	static const struct timespec yield = {.tv_nsec = YIELD_NS};
	struct committer *committer = argument;
	struct job *batch[BATCH_MAX];
	struct error err;
	int count;

	if (open_store(committer, &err) < 0)
		log_error("%s; messages that need it are answered 4xx until it opens", err.text);
	while ((count = wait_for_jobs(committer, batch)) >= 0) {
		if (count > 0) {
			committer->idle_ticks = 0;
			run_batch(committer, batch, (size_t)count);
			answer_batch(committer, batch, (size_t)count);
			checkpoint(committer, CHECKPOINT_PAGES, false);
			nanosleep(&yield, NULL);
		} else if (++committer->idle_ticks % IDLE_TICKS == 0) {
			/* Again and again: who reads for long, or another who writes, may have
			 * kept it from being emptied. */
			checkpoint(committer, 1, true);
		}
		introduce(committer);
		committer->options.on_tick(committer->options.tick_context);
	}
	checkpoint(committer, 1, true);
	return NULL;
}

struct committer *committer_start(const struct committer_options *options)
{
	struct committer *committer = xzalloc(sizeof(*committer));

	committer->options = *options;
	committer->started_at = time(NULL);
	committer->last = &committer->first;
	pthread_mutex_init(&committer->mutex, NULL);
	cond_init_monotonic(&committer->wakeup);
	if (pthread_create(&committer->thread, NULL, run, committer) != 0)
		abort();
	return committer;
}

void committer_stop(struct committer *committer, struct committer_totals *totals_out)
{
	pthread_mutex_lock(&committer->mutex);
	committer->is_stopping = true;
	pthread_cond_signal(&committer->wakeup);
	pthread_mutex_unlock(&committer->mutex);
	pthread_join(committer->thread, NULL);

	*totals_out = committer->totals;
	store_close(committer->store);
	pthread_cond_destroy(&committer->wakeup);
	pthread_mutex_destroy(&committer->mutex);
	free(committer);
}
