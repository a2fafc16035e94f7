#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "ctl/doctor.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/base/version.h"
#include "lib/store/daemon.h"
#include "lib/store/health.h"
#include "lib/store/trouble.h"
#include "lib/store/upkeep.h"

/* The store, and what the daemons have written into it of themselves. */

#define CHECK_MS      10000
#define AHEAD_S       300
#define UPKEEP_LATE_S (3 * 86400)
#define COMM_BYTES    15 /* of a program's name, that /proc keeps */

static void say_not_open(struct doctor *doctor)
{
	const struct error *err = &doctor->store_error;
	const char *cure = "Look in the log of rejoinder-milter";

	if (access(doctor->config->store, F_OK) != 0 && errno == ENOENT)
		cure = "Start rejoinder-milter: it makes the store";
	else if (err->kind == ERROR_CORRUPT)
		cure = "Stop the services and put back a backup: see README";
	else if (err->kind == ERROR_CONFIG)
		cure = "Install the newer version again, or name another store";
	doctor_fail(doctor, cure, "%s", err->text);
}

static void check_store(struct doctor *doctor)
{
	struct error err = {0};
	struct stat status;
	int rc;

	if (doctor->store == NULL) {
		say_not_open(doctor);
		return;
	}
	if (stat(doctor->config->store, &status) == 0 && (status.st_mode & 07) != 0) {
		char *cure = xasprintf("Run: chmod o= %s", doctor->config->store);

		doctor_fail(doctor, cure, "every user of this host can read %s",
		            doctor->config->store);
		free(cure);
	}
	rc = store_quick_check(doctor->store, store_clock_ms() + CHECK_MS, &err);
	if (rc < 0 && err.kind == ERROR_CORRUPT)
		doctor_fail(doctor, "Stop the services and put back a backup: see README", "%s",
		            err.text);
	else if (rc < 0)
		doctor_fail(doctor, "Look in the log of rejoinder-milter", "%s", err.text);
	else if (rc == 0)
		doctor_skip(doctor, "in %d seconds no damage was found, and not all was seen",
		            CHECK_MS / 1000);
	else
		doctor_ok(doctor, "%s is whole, schema %d", doctor->config->store,
		          STORE_SCHEMA_VERSION);
}

/* A time that is to come, of something that was: the clock was or is wrong. */
static bool say_ahead(struct doctor *doctor, const char *what, int64_t at)
{
	char span[OUTPUT_TIME_SIZE];

	if (at <= doctor->now + AHEAD_S)
		return false;
	doctor_fail(doctor, "Set this host's clock, and keep it right with a time service",
	            "the clock is or was wrong: %s %s from now", what,
	            output_duration(span, at - doctor->now));
	return true;
}

static void check_clock(struct doctor *doctor)
{
	struct daemon_row *rows = NULL;
	int64_t newest = 0;
	size_t count = 0;
	struct error err;
	bool is_ahead;

	if (doctor->store == NULL)
		return;
	if (store_newest_message(doctor->store, &newest, &err) < 0 ||
	    store_list_daemons(doctor->store, &rows, &count, &err) < 0) {
		doctor_fail(doctor, "Look in the log of rejoinder-milter", "%s", err.text);
		return;
	}
	is_ahead = say_ahead(doctor, "the newest message was received", newest);
	for (size_t i = 0; i < count && !is_ahead; i++)
		is_ahead = say_ahead(doctor, rows[i].name, rows[i].started_at);
	if (!is_ahead)
		doctor_ok(doctor, "nothing was recorded in the future");
	daemon_rows_free(rows, count);
}

/* Is the process there, and not another one's by now? */
static bool is_running(const struct daemon_row *row)
{
	char path[64], comm[COMM_BYTES + 2] = "";
	FILE *stream;

	if (row->pid <= 0 || (kill((pid_t)row->pid, 0) != 0 && errno == ESRCH))
		return false;
	snprintf(path, sizeof path, "/proc/%" PRId64 "/comm", row->pid);
	stream = fopen(path, "re");
	if (stream == NULL)
		return errno != ENOENT;
	if (fgets(comm, sizeof comm, stream) != NULL)
		comm[strcspn(comm, "\n")] = '\0';
	fclose(stream);
	return *comm == '\0' || strncmp(comm, row->name, COMM_BYTES) == 0;
}

/* Has the fetcher anything to do? */
static bool needs_fetcher(const struct config *config)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (config->accounts[i].is_enabled &&
		    (config->accounts[i].pop3 != NULL || config->accounts[i].relay != NULL))
			return true;
	return false;
}

static void check_daemon(struct doctor *doctor, const char *name, const struct daemon_row *row,
                         bool is_needed)
{
	char *cure = xasprintf("Start %s, and look in its log if it does not stay", name);
	char ago[OUTPUT_TIME_SIZE];

	if (row != NULL && is_running(row) && strcmp(row->version, REJOINDER_VERSION) != 0) {
		free(cure);
		cure = xasprintf("Restart %s", name);
		doctor_fail(doctor, cure, "%s that runs is version %s, and this is %s", name,
		            row->version, REJOINDER_VERSION);
	} else if (row != NULL && is_running(row)) {
		doctor_ok(doctor, "%s %s, started %s", name, row->version,
		          output_ago(ago, row->started_at, doctor->now));
	} else if (!is_needed) {
		doctor_none(doctor, "%s has nothing to do", name);
	} else if (row == NULL) {
		doctor_fail(doctor, cure, "%s was never started", name);
	} else {
		doctor_fail(doctor, cure,
		            "%s does not run: process %" PRId64 ", started %s, is gone", name,
		            row->pid, output_ago(ago, row->started_at, doctor->now));
	}
	free(cure);
}

static void check_daemons(struct doctor *doctor)
{
	const struct {
		const char *name;
		bool is_needed;
	} daemons[] = {
		{DAEMON_MILTER, true},
		{DAEMON_FETCHER, needs_fetcher(doctor->config)},
		{DAEMON_SCHEDULER, true},
	};
	struct daemon_row *rows;
	size_t count;
	struct error err;

	if (doctor->store == NULL)
		return;
	if (store_list_daemons(doctor->store, &rows, &count, &err) < 0) {
		doctor_fail(doctor, "Look in the log of rejoinder-milter", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < sizeof daemons / sizeof daemons[0]; i++) {
		const struct daemon_row *row = NULL;

		for (size_t j = 0; j < count; j++)
			if (strcmp(rows[j].name, daemons[i].name) == 0)
				row = &rows[j];
		check_daemon(doctor, daemons[i].name, row, daemons[i].is_needed);
	}
	daemon_rows_free(rows, count);
}

static void check_upkeep(struct doctor *doctor)
{
	struct upkeep_row rows[UPKEEP_TASKS];
	char ago[OUTPUT_TIME_SIZE];
	struct error err;
	size_t bad = 0;

	if (doctor->store == NULL)
		return;
	if (store_read_upkeep(doctor->store, rows, &err) < 0) {
		doctor_fail(doctor, "Look in the log of rejoinder-milter", "%s", err.text);
		return;
	}
	for (int task = 0; task < UPKEEP_TASKS; task++) {
		const struct upkeep_row *row = &rows[task];
		bool is_late = row->is_there && row->tried_at < doctor->now - UPKEEP_LATE_S;

		bad += row->error != NULL || is_late;
		if (row->error != NULL)
			doctor_fail(doctor, "Look in the log of rejoinder-scheduler",
			            "the nightly %s failed %s: %s", upkeep_task_name(task),
			            output_ago(ago, row->tried_at, doctor->now), row->error);
		else if (is_late)
			doctor_warn(doctor, "See whether rejoinder-scheduler runs at night",
			            "the nightly %s was last done %s", upkeep_task_name(task),
			            output_ago(ago, row->tried_at, doctor->now));
	}
	if (bad == 0)
		doctor_ok(doctor, "no nightly work has failed");
	upkeep_rows_release(rows);
}

static void check_troubles(struct doctor *doctor)
{
	char ago[OUTPUT_TIME_SIZE];
	struct trouble *troubles;
	struct error err;
	size_t count;

	if (doctor->store == NULL)
		return;
	if (store_lasting_troubles(doctor->store, &troubles, &count, &err) < 0) {
		doctor_fail(doctor, "Look in the log of rejoinder-milter", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < count; i++)
		doctor_fail(doctor, "Look at the other findings, and in the log",
		            "%s lasts, since %s: %s", troubles[i].name,
		            output_ago(ago, troubles[i].since, doctor->now), troubles[i].detail);
	if (count == 0)
		doctor_ok(doctor, "nothing lasts that the operator was told of");
	troubles_free(troubles, count);
}

const struct doctor_check *doctor_store_checks(void)
{
	static const struct doctor_check checks[] = {
		{"store", check_store},   {"clock", check_clock},       {"daemons", check_daemons},
		{"upkeep", check_upkeep}, {"troubles", check_troubles}, {NULL, NULL},
	};

	return checks;
}
