#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/daemon.h"
#include "lib/base/log.h"
#include "lib/base/notify.h"
#include "lib/base/version.h"
#include "milter/server.h"

#define PROGRAM "rejoinder-milter"

static volatile sig_atomic_t is_reload_wanted;

static void on_reload_signal(int signal)
{
	(void)signal;
	is_reload_wanted = 1;
}

static void set_up_signals(void)
{
	struct sigaction on_usr1 = {.sa_handler = on_reload_signal, .sa_flags = SA_RESTART};
	sigset_t stopping;

	sigaction(SIGUSR1, &on_usr1, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* libmilter's own thread waits for these; no other may take them. */
	sigemptyset(&stopping);
	sigaddset(&stopping, SIGTERM);
	sigaddset(&stopping, SIGINT);
	sigaddset(&stopping, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &stopping, NULL);
}

struct reload {
	struct policy_holder *policies;
	const char *path;
};

static void reload_if_wanted(void *context)
{
	const struct reload *reload = context;
	struct error err;

	if (!is_reload_wanted)
		return;
	is_reload_wanted = 0;
	notify_supervisor(NOTIFY_RELOADING, "reads the configuration again");
	if (policy_load(reload->policies, reload->path, &err) < 0) {
		log_error("%s; the configuration in force stays", err.text);
		notify_supervisor(NOTIFY_READY, "%s; the configuration in force stays", err.text);
	} else {
		log_info("read %s again", reload->path);
		notify_supervisor(NOTIFY_READY, "read %s again", reload->path);
	}
}

static int serve(const char *path, struct policy_holder *policies)
{
	/* Held to the end: socket and store stay those of the start. */
	const struct policy *policy = policy_acquire(policies);
	const struct config *config = policy->config;
	struct reload reload = {policies, path};
	struct committer_options options = {config->store, reload_if_wanted, &reload,
	                                    REJOINDER_VERSION};
	struct services services = {.policies = policies};
	struct committer_totals totals;
	struct error err;
	int result;

	log_open(PROGRAM, (enum log_target)config->log, (enum log_level)config->log_level);
	set_up_signals();
	if (server_listen(config->milter_socket, &services, &err) < 0) {
		log_error("%s", err.text);
		policy_release(policies, policy);
		return err.kind == ERROR_CONFIG ? EX_CONFIG : EX_TEMPFAIL;
	}
	services.readers = readers_new(config->store);
	services.bad_token_senders = hourly_new();
	services.committer = committer_start(&options);
	log_info("version %s listens on %s", REJOINDER_VERSION, config->milter_socket);
	notify_supervisor(NOTIFY_READY, "listens on %s", config->milter_socket);
	result = server_run(config->commit_timeout_ms, &err);
	if (result < 0)
		log_error("%s", err.text);
	notify_supervisor(NOTIFY_STOPPING, "writes what waits");
	committer_stop(services.committer, &totals);
	readers_free(services.readers);
	hourly_free(services.bad_token_senders);
	log_info("committer: batches=%llu, jobs=%llu, average=%.1f, largest=%llu",
	         (unsigned long long)totals.batches, (unsigned long long)totals.jobs,
	         totals.batches > 0 ? (double)totals.jobs / (double)totals.batches : 0.0,
	         (unsigned long long)totals.largest);
	policy_release(policies, policy);
	return result < 0 ? EX_TEMPFAIL : EX_OK;
}

int main(int argc, char **argv)
{
	const char *path;
	struct policy_holder *policies;
	struct error err;
	int status;

	daemon_forbid_core_files();
	status = daemon_read_arguments(argc, argv, PROGRAM, &path);
	if (status >= 0)
		return status;
	log_open(PROGRAM, LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	policies = policy_holder_new();
	if (policy_load(policies, path, &err) < 0) {
		log_error("%s", err.text);
		status = EX_CONFIG;
	} else {
		status = serve(path, policies);
	}
	policy_holder_free(policies);
	return status;
}
