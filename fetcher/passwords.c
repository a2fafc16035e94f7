#include "fetcher/passwords.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fetcher/admission.h"
#include "fetcher/client.h"
#include "fetcher/local_socket.h"
#include "fetcher/relay_secret.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/store/relay.h"
#include "lib/store/store.h"

#define RECORD_MS 2000
#define UPKEEP_MS 5000 /* between looks at the socket and at idle clients */

/* One look-up of what an account's relay wants. */
struct run {
	struct run *next; /* in done */
	struct passwords *passwords;
	struct settings *settings;
	const struct account *account;
	size_t asker_count; /* clients that it was begun for */
	struct relay_secret secret;
	char *recorded; /* what the store has: "" or why it fails; NULL if that is not known */
	pthread_t thread;
};

/* What is known of an account of the settings in force. */
struct standing {
	struct run *run;   /* under way, or NULL */
	char *last_reason; /* that was logged; NULL while all is well */
	char *recorded;    /* as of the last run */
};

struct passwords {
	pthread_t thread;
	int wake; /* eventfd */

	pthread_mutex_t mutex;
	struct settings *fresh; /* of a reload, until the thread takes them */
	struct run *done;
	atomic_bool is_stopping;

	/* The thread's own. */
	struct settings *settings;
	struct standing *standings; /* one an account */
	size_t run_count;           /* under way, those of earlier settings too */
	struct local_socket socket;
	char socket_trouble[256]; /* as logged */
	bool is_socket_resting;   /* no descriptor was left for who connects */
	bool has_logged_rest;     /* and nobody has been let in since */
	struct admission admission;
	struct seldom nonsense; /* of clients */
	struct client *clients[PASSWORDS_CLIENTS_MAX];
	size_t client_count;
};

static void wake(struct passwords *passwords)
{
	eventfd_write(passwords->wake, 1);
}

/* For the scheduler, who tells the operator. What cannot be recorded is tried the next time. */
static void record(struct run *run, int64_t now)
{
	const char *failure = run->secret.state == RELAY_TROUBLE ? run->secret.reason : "";
	struct store *store;
	struct error ignored;

	if (run->recorded != NULL && strcmp(run->recorded, failure) == 0)
		return;
	/* The milter makes it. */
	if (access(run->settings->config->store, F_OK) != 0)
		return;
	store = store_open(run->settings->config->store, STORE_WRITE, &ignored);
	if (store == NULL)
		return;
	if (store_set_relay(store, run->account->name, *failure != '\0' ? failure : NULL, now,
	                    store_clock_ms() + RECORD_MS, &ignored) == 0) {
		free(run->recorded);
		run->recorded = xstrdup(failure);
	}
	store_close(store);
}

static void *look_up(void *context)
{
	struct run *run = context;
	struct passwords *passwords = run->passwords;
	int64_t now = time(NULL);

	relay_secret_get(&run->secret, run->settings->config, run->account, run->asker_count, now);
	record(run, now);
	pthread_mutex_lock(&passwords->mutex);
	run->next = passwords->done;
	passwords->done = run;
	pthread_mutex_unlock(&passwords->mutex);
	wake(passwords);
	return NULL;
}

static struct standing *standing_of(struct passwords *passwords, const struct account *account)
{
	return &passwords->standings[account - passwords->settings->config->accounts];
}

static void run_free(struct run *run)
{
	relay_secret_release(&run->secret);
	settings_drop(run->settings);
	free(run->recorded);
	free(run);
}

/* Once until it changes: Postfix says it again for every message. */
static void log_result(struct standing *standing, const struct run *run)
{
	const char *reason = run->secret.reason;

	if (standing->last_reason != NULL && strcmp(standing->last_reason, reason) == 0)
		return;
	if (standing->last_reason == NULL && *reason == '\0')
		return;
	if (run->secret.state == RELAY_TROUBLE)
		log_warning("relay %s", reason);
	else if (*reason != '\0')
		log_info("relay %s", reason);
	else
		log_info("relay %s: its mail may go out again", run->account->name);
	free(standing->last_reason);
	standing->last_reason = *reason == '\0' ? NULL : xstrdup(reason);
}

static void hang_up(struct passwords *passwords, size_t at)
{
	client_free(passwords->clients[at]);
	passwords->clients[at] = passwords->clients[--passwords->client_count];
	passwords->is_socket_resting = false;
}

/* Does it wait for the account, with no look-up that brings its answer? */
static bool is_unpromised(const struct client *client, const struct account *account)
{
	return client->state == CLIENT_WAITS && client->account == account && client->run == NULL;
}

/* Begin a look-up for all who wait for the account and are not promised one. */
static void start_run(struct passwords *passwords, const struct account *account)
{
	struct run *run = xzalloc(sizeof(*run));
	int rc;

	run->passwords = passwords;
	run->settings = settings_share(passwords->settings);
	run->account = account;
	run->recorded = xstrdup(standing_of(passwords, account)->recorded);
	for (size_t i = 0; i < passwords->client_count; i++)
		run->asker_count += is_unpromised(passwords->clients[i], account);
	rc = pthread_create(&run->thread, NULL, look_up, run);
	if (rc == 0) {
		standing_of(passwords, account)->run = run;
		passwords->run_count++;
	} else {
		log_warning("relay %s: start a thread: %s", account->name, strerror(rc));
	}
	for (size_t i = 0; i < passwords->client_count; i++) {
		struct client *client = passwords->clients[i];

		if (!is_unpromised(client, account))
			continue;
		if (rc == 0)
			client->run = run;
		else
			client_answer_text(client, SOCKETMAP_TEMP, "no thread can be started");
	}
	if (rc != 0)
		run_free(run);
}

/* Answer the request in hand, or find who will. */
static void resolve(struct passwords *passwords, struct client *client,
                    const struct socketmap_request *request)
{
	enum socketmap_status status;
	const char *reason;
	const struct account *account =
		relay_secret_account(passwords->settings->config, request, &status, &reason);

	if (account == NULL) {
		client_answer_text(client, status, reason);
		return;
	}
	client->state = CLIENT_WAITS;
	client->account = account;
	client->run = NULL;
	if (standing_of(passwords, account)->run == NULL)
		start_run(passwords, account);
}

/* Take up the request that has come, if it is whole. -1: the client talks nonsense. */
static int take_up(struct passwords *passwords, struct client *client)
{
	struct socketmap_request request;
	struct error err;
	int status = client_take(client, &request, &err);

	if (status < 0) {
		unsigned count = seldom_due(&passwords->nonsense, store_clock_ms());

		if (count > 0)
			log_warning("password service: %s; hung up (%u since the last such line)",
			            err.text, count);
	}
	if (status > 0)
		resolve(passwords, client, &request);
	return status < 0 ? -1 : 0;
}

/* -1: it is to be hung up on. */
static int serve_client(struct passwords *passwords, struct client *client, short events)
{
	int status = 0;

	switch (client->state) {
	case CLIENT_READS:
		return client_receive(client) != 0 ? -1 : take_up(passwords, client);
	case CLIENT_WAITS:
		return (events & (POLLHUP | POLLERR)) != 0 ? -1 : 0;
	case CLIENT_WRITES:
		status = client_send(client);
		break;
	}
	return status == 1 ? take_up(passwords, client) : status;
}

/* Who has been silent for longest, of those who do not wait for us; SIZE_MAX: nobody. */
static size_t find_idlest(const struct passwords *passwords)
{
	size_t idlest = SIZE_MAX;

	for (size_t i = 0; i < passwords->client_count; i++)
		if (passwords->clients[i]->state == CLIENT_READS &&
		    (idlest == SIZE_MAX || passwords->clients[i]->active_at_ms <
		                                   passwords->clients[idlest]->active_at_ms))
			idlest = i;
	return idlest;
}

/* What cannot be accepted stays readable: asked again at once, it would keep us busy. */
static void rest_socket(struct passwords *passwords, int reason)
{
	passwords->is_socket_resting = true;
	if (!passwords->has_logged_rest)
		log_warning("password service: accept: %s; Postfix waits, and mail for relays "
		            "with it",
		            strerror(reason));
	passwords->has_logged_rest = true;
}

static void accept_client(struct passwords *passwords)
{
	bool is_full = passwords->client_count == PASSWORDS_CLIENTS_MAX;
	size_t idlest = find_idlest(passwords);
	int fd;

	if (is_full && idlest == SIZE_MAX)
		return; /* it is asked for again when there is room */
	fd = accept4(passwords->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		rest_socket(passwords, errno);
	if (fd < 0)
		return;
	passwords->has_logged_rest = false;
	if (!admission_check(&passwords->admission, fd)) {
		close(fd);
		return;
	}
	/* Postfix keeps connections open, and opens another one when it is hung up on. */
	if (is_full)
		hang_up(passwords, idlest);
	passwords->clients[passwords->client_count++] = client_new(fd);
}

static void close_idle(struct passwords *passwords)
{
	int64_t now_ms = store_clock_ms();

	for (size_t i = passwords->client_count; i-- > 0;)
		if (passwords->clients[i]->state != CLIENT_WAITS &&
		    now_ms - passwords->clients[i]->active_at_ms > PASSWORDS_IDLE_MS)
			hang_up(passwords, i);
}

static void finish_run(struct passwords *passwords, struct run *run)
{
	pthread_join(run->thread, NULL);
	passwords->run_count--;
	/* After a reload nobody waits for it: they wait for one under the new settings. */
	if (run->settings == passwords->settings) {
		struct standing *standing = standing_of(passwords, run->account);
		bool is_wanted = false;

		standing->run = NULL;
		free(standing->recorded);
		standing->recorded = run->recorded;
		run->recorded = NULL;
		log_result(standing, run);
		for (size_t i = 0; i < passwords->client_count; i++) {
			struct client *client = passwords->clients[i];
			size_t length;
			char *reply;

			if (client->state != CLIENT_WAITS || client->account != run->account)
				continue;
			if (client->run != run) {
				is_wanted = true;
				continue;
			}
			reply = relay_secret_reply(&run->secret, &length);
			client_answer(client, reply, length);
		}
		if (is_wanted)
			start_run(passwords, run->account);
	}
	run_free(run);
}

static void finish_runs(struct passwords *passwords)
{
	struct run *done;

	pthread_mutex_lock(&passwords->mutex);
	done = passwords->done;
	passwords->done = NULL;
	pthread_mutex_unlock(&passwords->mutex);
	while (done != NULL) {
		struct run *run = done;

		done = run->next;
		finish_run(passwords, run);
	}
}

static void free_standings(struct passwords *passwords)
{
	for (size_t i = 0; i < passwords->settings->config->account_count; i++) {
		free(passwords->standings[i].last_reason);
		free(passwords->standings[i].recorded);
	}
	free(passwords->standings);
}

static void use_settings(struct passwords *passwords, struct settings *settings)
{
	if (passwords->settings != NULL) {
		free_standings(passwords);
		settings_drop(passwords->settings);
	}
	passwords->settings = settings;
	passwords->standings = xreallocarray(NULL, settings->config->account_count + 1,
	                                     sizeof(*passwords->standings));
	memset(passwords->standings, 0,
	       (settings->config->account_count + 1) * sizeof(*passwords->standings));
	passwords->socket_trouble[0] = '\0';
	admission_set_user(&passwords->admission, settings->config->postfix_user);
}

/* Listen where the settings say, and go on trying. */
static void look_after_socket(struct passwords *passwords)
{
	const struct config *config = passwords->settings->config;
	bool is_wanted = settings_has_relay(passwords->settings);
	struct error err;

	if (passwords->socket.fd >= 0 &&
	    (!is_wanted || strcmp(passwords->socket.path, config->password_socket) != 0 ||
	     !local_socket_is_current(&passwords->socket)))
		local_socket_close(&passwords->socket);
	if (!is_wanted || passwords->socket.fd >= 0)
		return;
	if (local_socket_open(&passwords->socket, config->password_socket, &err) == 0) {
		passwords->socket_trouble[0] = '\0';
		log_info("the password service listens on %s", config->password_socket);
		if (!passwords->admission.has_postfix_user)
			log_error("found no user \"%s\" (postfix_user): Postfix gets no passwords",
			          config->postfix_user);
	} else if (strcmp(passwords->socket_trouble, err.text) != 0) {
		log_error("password service: %s; mail for relays waits", err.text);
		strcpy(passwords->socket_trouble, err.text);
	}
}

/* Go by the settings of a reload, if there was one; ask again for who waits. */
static void take_settings(struct passwords *passwords)
{
	struct settings *fresh;

	pthread_mutex_lock(&passwords->mutex);
	fresh = passwords->fresh;
	passwords->fresh = NULL;
	pthread_mutex_unlock(&passwords->mutex);
	if (fresh == NULL)
		return;
	use_settings(passwords, fresh);
	look_after_socket(passwords);
	for (size_t i = 0; i < passwords->client_count; i++)
		passwords->clients[i]->account = NULL;
	for (size_t i = 0; i < passwords->client_count; i++) {
		struct client *client = passwords->clients[i];

		/* It was read once and will be again. */
		if (client->state == CLIENT_WAITS && take_up(passwords, client) != 0)
			client_answer_text(client, SOCKETMAP_TEMP, "");
	}
}

enum { ITEM_WAKE, ITEM_SOCKET, ITEM_CLIENTS };

static void fill_items(const struct passwords *passwords, struct pollfd *items)
{
	static const short events[] = {
		[CLIENT_READS] = POLLIN, [CLIENT_WAITS] = 0, [CLIENT_WRITES] = POLLOUT};
	bool has_room = passwords->client_count < PASSWORDS_CLIENTS_MAX ||
	                find_idlest(passwords) != SIZE_MAX;
	bool is_open = has_room && !passwords->is_socket_resting;

	items[ITEM_WAKE] = (struct pollfd){.fd = passwords->wake, .events = POLLIN};
	/* poll() passes over negative ones. */
	items[ITEM_SOCKET] =
		(struct pollfd){.fd = is_open ? passwords->socket.fd : -1, .events = POLLIN};
	for (size_t i = 0; i < passwords->client_count; i++)
		items[ITEM_CLIENTS + i] =
			(struct pollfd){.fd = passwords->clients[i]->fd,
		                        .events = events[passwords->clients[i]->state]};
}

static void *serve(void *context)
{
	struct passwords *passwords = context;
	struct pollfd items[ITEM_CLIENTS + PASSWORDS_CLIENTS_MAX];
	int64_t upkeep_at_ms = 0;
	eventfd_t ignored;

	while (!atomic_load(&passwords->is_stopping)) {
		int64_t now_ms = store_clock_ms();

		take_settings(passwords);
		if (now_ms >= upkeep_at_ms) {
			look_after_socket(passwords);
			close_idle(passwords);
			passwords->is_socket_resting = false;
			upkeep_at_ms = now_ms + UPKEEP_MS;
		}
		fill_items(passwords, items);
		if (poll(items, (nfds_t)(ITEM_CLIENTS + passwords->client_count),
		         (int)(upkeep_at_ms - now_ms)) <= 0)
			continue;
		/* From the end: the one that is closed is replaced by the last. */
		for (size_t i = passwords->client_count; i-- > 0;)
			if (items[ITEM_CLIENTS + i].revents != 0 &&
			    serve_client(passwords, passwords->clients[i],
			                 items[ITEM_CLIENTS + i].revents) != 0)
				hang_up(passwords, i);
		if (items[ITEM_WAKE].revents != 0) {
			eventfd_read(passwords->wake, &ignored);
			finish_runs(passwords);
		}
		if (items[ITEM_SOCKET].revents != 0)
			accept_client(passwords);
	}
	while (passwords->client_count > 0)
		hang_up(passwords, 0);
	local_socket_close(&passwords->socket);
	while (passwords->run_count > 0) {
		eventfd_read(passwords->wake, &ignored); /* blocks */
		finish_runs(passwords);
	}
	return NULL;
}

struct passwords *passwords_start(struct settings *settings)
{
	struct passwords *passwords = xzalloc(sizeof(*passwords));

	passwords->socket.fd = -1;
	passwords->wake = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&passwords->mutex, NULL);
	use_settings(passwords, settings);
	look_after_socket(passwords);
	/* As without memory: the supervisor tries again. */
	if (passwords->wake < 0 || pthread_create(&passwords->thread, NULL, serve, passwords) != 0)
		abort();
	return passwords;
}

void passwords_reload(struct passwords *passwords, struct settings *settings)
{
	struct settings *unused;

	pthread_mutex_lock(&passwords->mutex);
	unused = passwords->fresh;
	passwords->fresh = settings;
	pthread_mutex_unlock(&passwords->mutex);
	settings_drop(unused);
	wake(passwords);
}

bool passwords_stop(struct passwords *passwords, int wait_s)
{
	struct timespec deadline;

	atomic_store(&passwords->is_stopping, true);
	wake(passwords);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += wait_s;
	if (pthread_timedjoin_np(passwords->thread, NULL, &deadline) != 0)
		return false;
	free_standings(passwords);
	settings_drop(passwords->settings);
	settings_drop(passwords->fresh);
	pthread_mutex_destroy(&passwords->mutex);
	close(passwords->wake);
	free(passwords);
	return true;
}
