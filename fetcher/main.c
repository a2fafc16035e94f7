#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "fetcher/arguments.h"
#include "fetcher/once.h"
#include "fetcher/passwords.h"
#include "fetcher/probe.h"
#include "fetcher/schedule.h"
#include "lib/base/daemon.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/base/notify.h"
#include "lib/base/version.h"
#include "lib/net/connection.h"
#include "lib/store/daemon.h"

#define PROGRAM     ARGUMENTS_PROGRAM
#define STOP_WAIT_S 30

#define PASSWORDS_WAIT_S 20 /* a password command has 10 */

#define INTRODUCE_MS      1000 /* to wait for the write lock */
#define INTRODUCE_PAUSE_S 30

static atomic_bool is_interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	atomic_store(&is_interrupted, true);
}

static int fetch_once(struct settings *settings, const struct arguments *arguments)
{
	/* The second one ends a poll that cannot be stopped in good order. */
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND};
	int status;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	log_open(PROGRAM, LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	status = once(settings, arguments->once, arguments->is_dry_run, &is_interrupted);
	settings_drop(settings);
	return status;
}

/* Tell the store who we are. false: not now. */
static bool introduce(const char *store_path, int64_t started_at)
{
	struct store *store;
	struct error ignored;
	bool is_done = false;

	/* A mistyped path must not become a store. */
	if (access(store_path, F_OK) != 0)
		return false;
	store = store_open(store_path, STORE_WRITE, &ignored);
	if (store != NULL && store_upgrade_copy(store) != NULL)
		log_info("upgraded the store %s; as it was it stands in %s", store_path,
		         store_upgrade_copy(store));
	if (store != NULL)
		is_done = store_set_daemon(store, DAEMON_FETCHER, REJOINDER_VERSION, getpid(),
		                           started_at, store_clock_ms() + INTRODUCE_MS,
		                           &ignored) == 0;
	store_close(store);
	return is_done;
}

/* The next signal; tried again until the store, which the milter makes, knows us. */
static int wait_for_signal(const sigset_t *signals, const char *store_path, int64_t started_at)
{
	static const struct timespec pause = {.tv_sec = INTRODUCE_PAUSE_S};
	bool is_introduced = false;
	int caught = -1;

	while (caught < 0) {
		is_introduced = is_introduced || introduce(store_path, started_at);
		caught = is_introduced ? sigwaitinfo(signals, NULL)
		                       : sigtimedwait(signals, NULL, &pause);
	}
	return caught;
}

static int serve(struct settings *settings, const char *path)
{
	struct passwords *passwords;
	struct schedule *schedule;
	struct error err;
	int64_t started_at = time(NULL);
	char *store_path = xstrdup(settings->config->store);
	sigset_t signals;

	/* Blocked before there is another thread, so that only this one gets them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	log_open(PROGRAM, (enum log_target)settings->config->log,
	         (enum log_level)settings->config->log_level);
	log_info("version %s hands mail to %s", REJOINDER_VERSION, settings->config->submit_to);
	passwords = passwords_start(settings_share(settings));
	schedule = schedule_start(settings);
	notify_supervisor(NOTIFY_READY, "hands mail to %s", settings->config->submit_to);
	while (wait_for_signal(&signals, store_path, started_at) == SIGUSR1) {
		notify_supervisor(NOTIFY_RELOADING, "reads the configuration again");
		settings = settings_load(path, &err);
		if (settings == NULL) {
			log_error("%s; the configuration in force stays", err.text);
			notify_supervisor(NOTIFY_READY, "%s; the configuration in force stays",
			                  err.text);
			continue;
		}
		free(store_path);
		store_path = xstrdup(settings->config->store);
		passwords_reload(passwords, settings_share(settings));
		schedule_reload(schedule, settings);
		log_info("read %s again", path);
		notify_supervisor(NOTIFY_READY, "read %s again", path);
	}
	free(store_path);
	notify_supervisor(NOTIFY_STOPPING, "ends what is under way");
	if (!schedule_stop(schedule, STOP_WAIT_S))
		log_warning("stopped in the middle of a poll; what was in hand comes again");
	else if (passwords_stop(passwords, PASSWORDS_WAIT_S)) {
		log_info("stopped");
		return EX_OK;
	}
	_exit(EX_OK);
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct settings *settings;
	struct error err;
	int status;

	daemon_forbid_core_files();
	if (arguments_read(&arguments, argc, argv) != 0)
		return arguments_usage(stderr, EX_USAGE);
	if (arguments.wants_help)
		return arguments_usage(stdout, EX_OK);
	if (arguments.wants_version) {
		puts(PROGRAM " " REJOINDER_VERSION);
		return EX_OK;
	}
	log_open(PROGRAM, LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	connection_start_up();
	if (arguments.test != NULL) {
		status = probe(arguments.config_path, arguments.test);
		connection_shut_down();
		return status;
	}
	settings = settings_load(arguments.config_path, &err);
	if (settings != NULL) {
		status = arguments.once != NULL ? fetch_once(settings, &arguments)
		                                : serve(settings, arguments.config_path);
	} else {
		log_error("%s", err.text);
		status = EX_CONFIG;
	}
	connection_shut_down();
	return status;
}
