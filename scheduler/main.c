#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/daemon.h"
#include "lib/base/log.h"
#include "lib/base/notify.h"
#include "lib/base/version.h"
#include "lib/net/connection.h"
#include "scheduler/due.h"

#define PROGRAM "rejoinder-scheduler"

/* A descriptor from which the signals that concern us can be read. */
static int watch_signals(void)
{
	sigset_t signals;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0)
		sigprocmask(SIG_BLOCK, &signals, NULL);
	return fd;
}

static int serve(struct due *due, int signals)
{
	const struct config *config = due_config(due);
	struct pollfd waited = {.fd = signals, .events = POLLIN};
	struct signalfd_siginfo caught;
	struct error err;

	log_open(PROGRAM, (enum log_target)config->log, (enum log_level)config->log_level);
	log_info("version %s looks at %s and sends to %s", REJOINDER_VERSION, config->store,
	         config->submit_to);
	notify_supervisor(NOTIFY_READY, "looks at %s", config->store);
	for (;;) {
		poll(&waited, 1, (int)due_work(due));
		if (read(signals, &caught, sizeof(caught)) != (ssize_t)sizeof(caught))
			continue;
		if (caught.ssi_signo != SIGUSR1) {
			notify_supervisor(NOTIFY_STOPPING, "stops");
			return EX_OK;
		}
		notify_supervisor(NOTIFY_RELOADING, "reads the configuration again");
		if (due_load(due, &err) < 0) {
			log_error("%s; the configuration in force stays", err.text);
			notify_supervisor(NOTIFY_READY, "%s; the configuration in force stays",
			                  err.text);
		} else {
			log_info("read the configuration again");
			notify_supervisor(NOTIFY_READY, "read the configuration again");
		}
	}
}

int main(int argc, char **argv)
{
	const char *path;
	int signals, status;
	struct error err;
	struct due *due;

	daemon_forbid_core_files();
	status = daemon_read_arguments(argc, argv, PROGRAM, &path);
	if (status >= 0)
		return status;
	log_open(PROGRAM, LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	connection_start_up();
	due = due_new(path);
	signals = watch_signals();
	if (due_load(due, &err) < 0) {
		log_error("%s", err.text);
		status = EX_CONFIG;
	} else {
		status = serve(due, signals);
	}
	due_free(due);
	connection_shut_down();
	return status;
}
