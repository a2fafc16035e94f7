#include "scheduler/due.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/base/version.h"
#include "lib/store/alert.h"
#include "lib/store/daemon.h"
#include "lib/store/letter.h"
#include "lib/store/store.h"
#include "scheduler/digests.h"
#include "scheduler/letters.h"
#include "scheduler/levels.h"
#include "scheduler/notices.h"
#include "scheduler/sending.h"
#include "scheduler/troubles.h"
#include "scheduler/upkeep.h"

#define LOOK_MS          1000 /* between two looks at the store */
#define PLAN_MAX         1000
#define DUE_MAX          5000 /* in one digest at most */
#define CHECKPOINT_PAGES 1000

#define INTRODUCE_MS 1000 /* to wait for the write lock; what fails is tried at the next look */

#define SET_BACK_S 60 /* by which the clock must go back to have been wrong before */

#define REMIND_S 3600 /* between two log lines about the same trouble */

struct due {
	const char *config_path;
	int64_t started_at;
	bool is_introduced; /* to the store that is open */
	struct sending sending;
	struct notices notices;
	struct letters letters;
	struct digests digests;
	struct troubles troubles;
	struct upkeep upkeep;
	bool is_letters_turn;
	bool is_replan_wanted;
	bool is_idle;    /* nothing was left to do at this version of the store, before next_at */
	int64_t version; /* of the store */
	int64_t seen_at; /* what the clock said last */
	int64_t next_at;
	struct error trouble; /* the last that was logged, ERROR_NONE: all is well */
	int64_t trouble_at;
};

struct due *due_new(const char *config_path)
{
	struct due *due = xzalloc(sizeof(*due));

	due->config_path = config_path;
	due->started_at = time(NULL);
	/* The levels may have changed while nobody looked. */
	due->is_replan_wanted = true;
	return due;
}

void due_free(struct due *due)
{
	if (due == NULL)
		return;
	upkeep_release(&due->upkeep);
	sending_rest(&due->sending);
	store_close(due->sending.store);
	config_free(due->sending.config);
	keyring_wipe(&due->sending.keys);
	notices_release(&due->notices);
	digests_release(&due->digests);
	free(due);
}

const struct config *due_config(const struct due *due)
{
	return due->sending.config;
}

static struct config *load_config(const char *path, struct error *err)
{
	struct string_list mistakes = {0};
	struct config *config = NULL;

	if (config_load(path, &config, &mistakes) < 0) {
		for (size_t i = 0; i < mistakes.count; i++)
			log_error("%s", mistakes.items[i]);
		error_set(err, ERROR_CONFIG, "cannot use %s: %zu mistake%s", path, mistakes.count,
		          mistakes.count == 1 ? "" : "s");
	}
	for (size_t i = 0; config != NULL && i < config->troubles.count; i++)
		log_error("%s", config->troubles.items[i]);
	string_list_release(&mistakes);
	return config;
}

int due_load(struct due *due, struct error *err)
{
	struct config *config = load_config(due->config_path, err);
	struct keyring keys = {0};

	if (config == NULL)
		return -1;
	if (keyring_load(&keys, config->keys, err) < 0) {
		config_free(config);
		return -1;
	}
	if (due->sending.config != NULL && levels_differ(due->sending.config, config))
		due->is_replan_wanted = true;
	if (due->sending.config != NULL && strcmp(due->sending.config->store, config->store) != 0) {
		store_close(due->sending.store);
		due->sending.store = NULL;
		due->is_replan_wanted = true;
	}
	sending_rest(&due->sending);
	digests_release(&due->digests);
	config_free(due->sending.config);
	due->sending.config = config;
	due->troubles.looked_at = 0;
	due->is_idle = false;
	due->sending.keys = keys;
	keyring_wipe(&keys);
	return 0;
}

static int open_store(struct due *due, struct error *err)
{
	const char *path = due->sending.config->store;

	/* A mistyped path must not become an empty store in which nobody ever waits. */
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, ERROR_TEMPORARY,
		                 "there is no store %s: waiting for rejoinder-milter to make it",
		                 path);
	due->sending.store = store_open(path, STORE_WRITE, err);
	due->is_introduced = false;
	digests_release(&due->digests);
	due->troubles.looked_at = 0;
	due->is_idle = false;
	if (due->sending.store != NULL && store_upgrade_copy(due->sending.store) != NULL)
		log_info("upgraded the store %s; as it was it stands in %s", path,
		         store_upgrade_copy(due->sending.store));
	return due->sending.store != NULL ? 0 : -1;
}

static void introduce(struct due *due)
{
	struct error ignored;

	due->is_introduced =
		store_set_daemon(due->sending.store, DAEMON_SCHEDULER, REJOINDER_VERSION, getpid(),
	                         due->started_at, store_clock_ms() + INTRODUCE_MS, &ignored) == 0;
}

/* 1: there may be more, since as many were listed as may be; 0, or -1 with *err. */
static int plan_waits(struct due *due, struct error *err)
{
	struct planned_wait *waits;
	size_t count;
	int result;

	if (store_list_unplanned(due->sending.store, PLAN_MAX, &waits, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		levels_plan(due->sending.config, &waits[i]);
	result = count == PLAN_MAX;
	if (count > 0 &&
	    store_plan_waits(due->sending.store, waits, count, sending_write_deadline(), err) < 0)
		result = -1;
	planned_waits_free(waits, count);
	return result;
}

static int pass_waits(struct due *due, struct planned_wait *waits, size_t count, int64_t now,
                      struct error *err)
{
	struct passed_list passed;
	size_t moved;
	int result = -1;

	moved = levels_pass(due->sending.config, waits, count, now, &passed);
	if (store_plan_waits(due->sending.store, waits + moved, count - moved,
	                     sending_write_deadline(), err) == 0 &&
	    store_create_notices(due->sending.store, passed.items, passed.count, waits, moved, now,
	                         sending_write_deadline(), err) == 0)
		result = 0;
	passed_list_release(&passed);
	return result;
}

static int create_notices(struct due *due, int64_t now, struct error *err)
{
	struct planned_wait *waits;
	size_t count;
	int result;

	if (store_list_due(due->sending.store, now, DUE_MAX, &waits, &count, err) < 0)
		return -1;
	result = count == DUE_MAX;
	if (count > 0 && pass_waits(due, waits, count, now, err) < 0)
		result = -1;
	planned_waits_free(waits, count);
	return result;
}

static int replan(struct due *due, int64_t now, struct error *err)
{
	if (store_replan_all(due->sending.store, now, sending_write_deadline(), err) < 0)
		return -1;
	due->is_replan_wanted = false;
	due->is_idle = false;
	return 0;
}

/* A notice or a letter, by turns while there are both. */
static int send_next(struct due *due, int64_t now, struct error *err)
{
	int status = 0;

	for (int tries = 0; tries < 2 && status == 0; tries++) {
		status = due->is_letters_turn
		                 ? letters_send_next(&due->letters, &due->sending, now, err)
		                 : notices_send_next(&due->notices, &due->sending, now, err);
		due->is_letters_turn = !due->is_letters_turn;
	}
	return status;
}

/* digest_at: when the next daily digest is due. */
static int find_next(struct due *due, int64_t digest_at, struct error *err)
{
	int64_t letter_at;

	if (store_next_due(due->sending.store, &due->next_at, err) < 0 ||
	    store_next_letter(due->sending.store, &letter_at, err) < 0)
		return -1;
	if (letter_at < due->next_at)
		due->next_at = letter_at;
	if (digest_at < due->next_at)
		due->next_at = digest_at;
	return 0;
}

/* 1: there may be more to do, 0: not before next_at or another version, -1 with *err. */
static int work(struct due *due, struct error *err)
{
	int64_t now = time(NULL), version, digest_at;
	int status;

	if (!store_is_current(due->sending.store))
		return error_set(err, ERROR_TEMPORARY, "the store %s was removed or replaced",
		                 due->sending.config->store);
	if (!due->is_introduced)
		introduce(due);
	if (now < due->seen_at - SET_BACK_S) {
		log_warning("the clock went back by %lld s: all is planned anew",
		            (long long)(due->seen_at - now));
		digests_release(&due->digests);
		due->is_replan_wanted = true;
	}
	due->seen_at = now;
	if (notices_save(&due->notices, &due->sending, err) < 0 ||
	    letters_save(&due->letters, &due->sending, err) < 0 ||
	    (due->is_replan_wanted && replan(due, now, err) < 0) ||
	    store_data_version(due->sending.store, &version, err) < 0)
		return -1;
	if (upkeep_work(&due->upkeep, due->sending.config, due->sending.store, now))
		due->troubles.looked_at = 0;
	if (troubles_look(&due->troubles, due->sending.config, due->sending.store, now))
		due->is_idle = false;
	if (due->is_idle && version == due->version && now < due->next_at)
		return 0;
	due->is_idle = false;
	due->version = version;
	/* All that is due now before any is sent, since it may come as one digest. */
	if ((status = plan_waits(due, err)) != 0 || (status = create_notices(due, now, err)) != 0 ||
	    (status = digests_create(&due->digests, due->sending.config, due->sending.store, now,
	                             &digest_at, err)) != 0 ||
	    (status = send_next(due, now, err)) != 0)
		return status;
	if (find_next(due, digest_at, err) < 0 ||
	    store_checkpoint(due->sending.store, CHECKPOINT_PAGES, false, err) < 0)
		return -1;
	due->is_idle = true;
	sending_rest(&due->sending);
	return 0;
}

/* The store failed: say so once, and again when it still does after an hour. */
static void complain(struct due *due, const struct error *err)
{
	int64_t now = time(NULL);

	if (strcmp(due->trouble.text, err->text) == 0 && now - due->trouble_at < REMIND_S)
		return;
	due->trouble = *err;
	due->trouble_at = now;
	if (err->kind == ERROR_CORRUPT || err->kind == ERROR_CONFIG)
		log_error("%s", err->text);
	else
		log_warning("%s", err->text);
}

static int64_t pause_until(int64_t at)
{
	struct timespec now;
	int64_t pause_ms = LOOK_MS;

	clock_gettime(CLOCK_REALTIME, &now);
	if (at <= (int64_t)now.tv_sec + LOOK_MS / 1000)
		pause_ms = at * 1000 - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	return pause_ms > 0 ? pause_ms : LOOK_MS;
}

int64_t due_work(struct due *due)
{
	struct error err;
	int status = due->sending.store != NULL ? 0 : open_store(due, &err);

	if (status == 0)
		status = work(due, &err);
	if (status < 0) {
		complain(due, &err);
		store_close(due->sending.store);
		due->sending.store = NULL;
		return LOOK_MS;
	}
	if (due->trouble.kind != ERROR_NONE) {
		log_info("the store %s works again", due->sending.config->store);
		due->trouble = (struct error){0};
	}
	return status > 0 ? 0 : pause_until(due->next_at);
}
