#include "scheduler/upkeep.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/civil.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/conversation/clock.h"
#include "lib/store/backup.h"
#include "lib/store/health.h"
#include "lib/store/purge.h"
#include "lib/store/upkeep.h"

#define LOOK_S       60
#define REMIND_S     3600 /* between two log lines about the same failure */
#define NOTE_MS      1000 /* to wait for the write lock where alerts wait too */
#define WRITE_MS     30000
#define CHECK_MAX_MS (3600 * 1000)

/* A clock that is ahead would make all mail old: after such a leap nothing is removed. */
#define LEAP_S (7 * CIVIL_DAY_S)

/* All that the thread needs, since a reload replaces the configuration. */
struct upkeep_job {
	pthread_t thread;
	atomic_bool is_stopping, is_done;
	bool is_in_vain; /* the store took no record of it; set before is_done */
	char *store, *keys, *config, *directory;
	int64_t backups, retention_s;
	struct string_list accounts;
	int64_t night_at;
	bool wants_purge;
	int64_t leap_s;             /* since anything was done at night, if that is much; or 0 */
	int64_t began_at, began_ms; /* by both clocks */
};

int64_t upkeep_night(const struct zone *zone, int64_t now)
{
	int64_t ignored;
	int64_t day = clock_daily(zone, UPKEEP_MINUTE, now, &ignored);

	return zone_to_unix(zone, day * CIVIL_DAY_S + UPKEEP_MINUTE * 60);
}

static int64_t job_now(const struct upkeep_job *job)
{
	return job->began_at + (store_clock_ms() - job->began_ms) / 1000;
}

static int check(struct store *store, struct error *err)
{
	int status = store_quick_check(store, store_clock_ms() + CHECK_MAX_MS, err);

	if (status == 0)
		return error_set(err, ERROR_TEMPORARY, "%d minutes were not enough to look at all",
		                 CHECK_MAX_MS / 60000);
	if (status > 0)
		log_info("check: the store is whole");
	return status < 0 ? -1 : 0;
}

static int back_up(const struct upkeep_job *job, struct store *store, struct error *err)
{
	char *path;
	size_t removed;
	int status;

	if (store_backup(store, job->directory, job->keys, job->config, job_now(job), &path, err) <
	    0)
		return -1;
	log_info("backup: made %s", path);
	/* Only now that there is another. */
	status = backup_remove_older(path, (size_t)job->backups, &removed, err);
	if (removed > 0)
		log_info("backup: removed %zu older", removed);
	free(path);
	return status;
}

static int purge(const struct upkeep_job *job, struct store *store, struct error *err)
{
	struct purged purged;

	if (job->leap_s > 0)
		return error_set(
			err, ERROR_TEMPORARY,
			"nothing is removed tonight, since nothing was done at night for %" PRId64
			" days: is the clock right?",
			job->leap_s / CIVIL_DAY_S);
	if (store_purge_older(store, &job->accounts, job_now(job) - job->retention_s, false,
	                      &purged, err) < 0)
		return -1;
	log_info("purge: removed %" PRId64 " conversations with %" PRId64 " messages",
	         purged.conversations, purged.messages);
	return 0;
}

static int do_task(const struct upkeep_job *job, struct store *store, enum upkeep_task task,
                   struct error *err)
{
	switch (task) {
	case UPKEEP_CHECK:
		return check(store, err);
	case UPKEEP_BACKUP:
		return back_up(job, store, err);
	default:
		return purge(job, store, err);
	}
}

static void complain(enum upkeep_task task, const struct error *err)
{
	/* The others may go by themselves. */
	if (err->kind == ERROR_CORRUPT || err->kind == ERROR_CONFIG)
		log_error("%s: %s", upkeep_task_name(task), err->text);
	else
		log_warning("%s: %s", upkeep_task_name(task), err->text);
}

/* 0 to go on with the next task, -1 not. */
static int run_task(struct upkeep_job *job, struct store *store, enum upkeep_task task)
{
	struct error err, failure = {0};
	int status = store_claim_upkeep(store, task, job->night_at, job_now(job),
	                                store_clock_ms() + WRITE_MS, &err);

	if (status > 0) {
		status = do_task(job, store, task, &failure);
		/* Who was stopped leaves it to the next one. */
		if (atomic_load(&job->is_stopping))
			return -1;
		if (status < 0)
			complain(task, &failure);
		if (store_end_upkeep(store, task, status < 0 ? failure.text : NULL, job_now(job),
		                     store_clock_ms() + WRITE_MS, &err) < 0)
			status = -1;
		else
			return 0;
	}
	if (status < 0) {
		job->is_in_vain = true;
		complain(task, &err);
	}
	return status;
}

/* Did it go well this night, whoever did it? */
static bool is_done(struct store *store, enum upkeep_task task, int64_t night_at)
{
	struct upkeep_row rows[UPKEEP_TASKS];
	struct error err;
	bool is_it;

	if (store_read_upkeep(store, rows, &err) < 0) {
		log_warning("%s", err.text);
		return false;
	}
	is_it = rows[task].error == NULL && rows[task].done_at >= night_at;
	upkeep_rows_release(rows);
	return is_it;
}

static void *run_job(void *context)
{
	struct upkeep_job *job = context;
	struct error err;
	struct store *store = store_open(job->store, STORE_WRITE, &err);

	if (store == NULL) {
		job->is_in_vain = true;
		log_warning("%s", err.text);
	} else {
		store_set_stop(store, &job->is_stopping);
		if (run_task(job, store, UPKEEP_CHECK) == 0 &&
		    is_done(store, UPKEEP_CHECK, job->night_at) &&
		    (job->backups == 0 || (run_task(job, store, UPKEEP_BACKUP) == 0 &&
		                           is_done(store, UPKEEP_BACKUP, job->night_at))) &&
		    job->wants_purge)
			run_task(job, store, UPKEEP_PURGE);
		store_close(store);
	}
	atomic_store(&job->is_done, true);
	return NULL;
}

static void job_free(struct upkeep_job *job)
{
	free(job->store);
	free(job->keys);
	free(job->config);
	free(job->directory);
	string_list_release(&job->accounts);
	free(job);
}

static int64_t believed(int64_t moment, int64_t now)
{
	return moment <= now + CIVIL_DAY_S ? moment : 0;
}

/* How long nothing was done at night, if that is much; else 0. */
static int64_t leap(const struct upkeep_row rows[UPKEEP_TASKS], int64_t now)
{
	int64_t last = 0;

	for (int i = 0; i < UPKEEP_TASKS; i++) {
		if (believed(rows[i].tried_at, now) > last)
			last = rows[i].tried_at;
		if (believed(rows[i].done_at, now) > last)
			last = rows[i].done_at;
	}
	return last > 0 && now - last > LEAP_S ? now - last : 0;
}

static int begin_job(struct upkeep *upkeep, const struct config *config, int64_t night_at,
                     const struct upkeep_row rows[UPKEEP_TASKS], int64_t now, struct error *err)
{
	struct upkeep_job *job = xzalloc(sizeof(*job));
	int number;

	job->store = xstrdup(config->store);
	job->keys = xstrdup(config->keys);
	job->config = xstrdup(config->path);
	job->directory = xstrdup(config->backup_directory);
	job->backups = config->backups;
	job->retention_s = config->retention_s;
	for (size_t i = 0; i < config->account_count; i++)
		string_list_add(&job->accounts, config->accounts[i].name);
	job->night_at = night_at;
	/* Not again in the same night: so a clock that leapt has a day to be put right. */
	job->wants_purge =
		config->retention_s > 0 && believed(rows[UPKEEP_PURGE].tried_at, now) < night_at;
	job->leap_s = leap(rows, now);
	job->began_at = now;
	job->began_ms = store_clock_ms();
	number = pthread_create(&job->thread, NULL, run_job, job);
	if (number != 0) {
		job_free(job);
		return error_set(err, ERROR_TEMPORARY, "cannot begin the nightly work: %s",
		                 strerror(number));
	}
	upkeep->job = job;
	return 0;
}

/* What follows one that failed waits until that went well. */
static bool may_follow(const struct upkeep_row rows[UPKEEP_TASKS],
                       const bool is_wanted[UPKEEP_TASKS], enum upkeep_task task, int64_t night_at)
{
	for (enum upkeep_task before = 0; before < task; before++)
		if (is_wanted[before] && rows[before].done_at < night_at)
			return false;
	return task != UPKEEP_PURGE || rows[task].tried_at < night_at;
}

static int look(struct upkeep *upkeep, const struct config *config, struct store *store,
                int64_t now, struct error *err)
{
	const bool is_wanted[UPKEEP_TASKS] = {
		[UPKEEP_CHECK] = true,
		[UPKEEP_BACKUP] = config->backups > 0,
		[UPKEEP_PURGE] = config->retention_s > 0,
	};
	int64_t night_at = upkeep_night(config->zone, now);
	struct upkeep_row rows[UPKEEP_TASKS];
	bool is_due = false, is_set = true;
	int status = 0;

	if (store_read_upkeep(store, rows, err) < 0)
		return -1;
	for (int i = 0; i < UPKEEP_TASKS; i++) {
		is_set = is_set && rows[i].is_there == is_wanted[i];
		is_due = is_due || (is_wanted[i] && upkeep_is_due(&rows[i], night_at, now) &&
		                    may_follow(rows, is_wanted, (enum upkeep_task)i, night_at));
	}
	if (!is_set)
		status = store_set_upkeep(store, is_wanted, now, store_clock_ms() + NOTE_MS, err);
	if (status == 0 && is_due)
		status = begin_job(upkeep, config, night_at, rows, now, err);
	upkeep_rows_release(rows);
	return status < 0 ? -1 : 0;
}

static void end_job(struct upkeep *upkeep)
{
	pthread_join(upkeep->job->thread, NULL);
	job_free(upkeep->job);
	upkeep->job = NULL;
}

/* Alerts must go on: so a look that fails is no reason to give up the store. */
static void note_failure(struct upkeep *upkeep, const struct error *err, int64_t now)
{
	if (strcmp(upkeep->failure.text, err->text) == 0 && now - upkeep->logged_at < REMIND_S)
		return;
	upkeep->failure = *err;
	upkeep->logged_at = now;
	log_warning("%s", err->text);
}

bool upkeep_work(struct upkeep *upkeep, const struct config *config, struct store *store,
                 int64_t now)
{
	struct error err;

	if (upkeep->job != NULL) {
		if (!atomic_load(&upkeep->job->is_done))
			return false;
		upkeep->held_until = upkeep->job->is_in_vain ? now + UPKEEP_RETRY_S : 0;
		end_job(upkeep);
		return true;
	}
	if (now < upkeep->held_until && upkeep->held_until - now <= UPKEEP_RETRY_S)
		return false;
	/* A clock that was set back must not make it wait for the time that it had. */
	if (now >= upkeep->looked_at && now - upkeep->looked_at < LOOK_S)
		return false;
	upkeep->looked_at = now;
	if (look(upkeep, config, store, now, &err) < 0)
		note_failure(upkeep, &err, now);
	else
		upkeep->failure = (struct error){0};
	return false;
}

void upkeep_release(struct upkeep *upkeep)
{
	if (upkeep->job != NULL) {
		atomic_store(&upkeep->job->is_stopping, true);
		end_job(upkeep);
	}
	*upkeep = (struct upkeep){0};
}
