#include "scheduler/troubles.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/store/relay.h"
#include "lib/store/trouble.h"
#include "scheduler/sending.h"

#define LOOK_S         60
#define REMIND_S       3600 /* between two log lines about the same failure */
#define BACK_OFF_MAX_S 3600 /* as the fetcher does */

#define DISK_LOW_PERCENT  5
#define DISK_LOW_BYTES    (UINT64_C(200) * 1000 * 1000)
#define DISK_WELL_PERCENT 6
#define DISK_WELL_BYTES   (UINT64_C(250) * 1000 * 1000)

#define INBOX_PREFIX "inbox "
#define RELAY_PREFIX "relay "
#define DISK         "disk"

/* One look: what lasted when it began. */
struct look {
	const struct config *config;
	struct store *store;
	int64_t now;
	struct trouble *lasting;
	bool *is_looked_at; /* by index of lasting */
	size_t lasting_count;
	bool is_changed;
};

bool troubles_inbox_fails(const struct inbox_row *inbox, int64_t poll_s, int64_t now,
                          int64_t *since_out)
{
	int64_t pause_s = poll_s;
	/* So many are apart for longer than that, whatever their pauses. */
	int64_t polls = inbox->failure_count < 20 ? inbox->failure_count : 20;

	*since_out = inbox->succeeded_at > 0 ? inbox->succeeded_at : inbox->polled_at;
	/* It never went well: the polls before the last lie apart as the fetcher backs off. */
	for (int64_t i = 1; inbox->succeeded_at <= 0 && i < polls; i++) {
		*since_out -= pause_s;
		pause_s = pause_s < BACK_OFF_MAX_S / 2 ? 2 * pause_s : BACK_OFF_MAX_S;
	}
	return inbox->failure_count >= TROUBLE_POLLS && now - *since_out >= TROUBLE_LASTED_S;
}

bool troubles_disk_is_low(uint64_t free_bytes, uint64_t total_bytes, bool is_lasting)
{
	uint64_t percent = is_lasting ? DISK_WELL_PERCENT : DISK_LOW_PERCENT;

	/* Some file systems do not say how large they are. */
	if (total_bytes == 0)
		return false;
	return free_bytes < (is_lasting ? DISK_WELL_BYTES : DISK_LOW_BYTES) ||
	       free_bytes < total_bytes / 100 * percent;
}

/* The trouble of that name if it lasts, and then it is looked at; NULL if not. */
static const struct trouble *find_lasting(struct look *look, const char *name)
{
	for (size_t i = 0; i < look->lasting_count; i++) {
		if (strcasecmp(look->lasting[i].name, name) == 0) {
			look->is_looked_at[i] = true;
			return &look->lasting[i];
		}
	}
	return NULL;
}

static int begin_trouble(struct look *look, const struct trouble *trouble, struct error *err)
{
	int status =
		store_set_trouble(look->store, trouble, look->now, sending_write_deadline(), err);

	if (status > 0) {
		look->is_changed = true;
		log_warning("trouble %s: began, the operator is told: %s", trouble->name,
		            trouble->detail);
	}
	return status < 0 ? -1 : 0;
}

static int end_trouble(struct look *look, const char *name, struct error *err)
{
	int status =
		store_clear_trouble(look->store, name, look->now, sending_write_deadline(), err);

	if (status > 0) {
		look->is_changed = true;
		log_info("trouble %s: ended", name);
	}
	return status < 0 ? -1 : 0;
}

static int forget_trouble(struct look *look, const char *name, struct error *err)
{
	int status =
		store_forget_trouble(look->store, name, look->now, sending_write_deadline(), err);

	if (status > 0) {
		look->is_changed = true;
		log_info("trouble %s: forgotten, since nobody looks at that any more", name);
	}
	return status < 0 ? -1 : 0;
}

static int look_at_inbox(struct look *look, const struct inbox_row *inbox, struct error *err)
{
	const struct account *account = config_account_by_name(look->config, inbox->account);
	struct trouble trouble = {.detail = inbox->error};
	const struct trouble *lasting;
	int status = 0;

	if (account == NULL || account->pop3 == NULL)
		return 0;
	trouble.name = xasprintf(INBOX_PREFIX "%s", account->name);
	lasting = find_lasting(look, trouble.name);
	if (trouble.detail == NULL)
		trouble.detail = (char *)"";
	if (lasting != NULL) {
		/* It may have been well between two looks. */
		if (inbox->failure_count == 0 || inbox->succeeded_at > lasting->since)
			status = end_trouble(look, lasting->name, err);
	} else if (troubles_inbox_fails(inbox, account->poll_s, look->now, &trouble.since)) {
		status = begin_trouble(look, &trouble, err);
	}
	free(trouble.name);
	return status;
}

static int look_at_inboxes(struct look *look, struct error *err)
{
	struct inbox_row *inboxes;
	size_t count;
	int status = 0;

	if (store_list_inboxes(look->store, &inboxes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count && status == 0; i++)
		status = look_at_inbox(look, &inboxes[i], err);
	inbox_rows_free(inboxes, count);
	return status;
}

/* One that fails no longer has no row: look_at_rest(). */
static int look_at_relays(struct look *look, struct error *err)
{
	struct relay_row *relays;
	size_t count;
	int status = 0;

	if (store_list_relays(look->store, &relays, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count && status == 0; i++) {
		const struct account *account =
			config_account_by_name(look->config, relays[i].account);
		struct trouble trouble = {.since = relays[i].since, .detail = relays[i].error};

		if (account == NULL || account->relay == NULL)
			continue;
		trouble.name = xasprintf(RELAY_PREFIX "%s", account->name);
		if (find_lasting(look, trouble.name) == NULL &&
		    look->now - trouble.since >= TROUBLE_LASTED_S)
			status = begin_trouble(look, &trouble, err);
		free(trouble.name);
	}
	relay_rows_free(relays, count);
	return status;
}

static int look_at_disk(struct look *look, struct error *err)
{
	const char *path = look->config->store;
	const struct trouble *lasting = find_lasting(look, DISK);
	uint64_t free_bytes, total_bytes;
	struct statvfs facts;
	char detail[200];
	const struct trouble trouble = {.name = (char *)DISK, .since = look->now, .detail = detail};

	/* That it cannot be told says nothing of what it was. */
	if (statvfs(path, &facts) < 0)
		return 0;
	free_bytes = (uint64_t)facts.f_bavail * facts.f_frsize;
	total_bytes = (uint64_t)facts.f_blocks * facts.f_frsize;
	if (!troubles_disk_is_low(free_bytes, total_bytes, lasting != NULL))
		return lasting != NULL ? end_trouble(look, DISK, err) : 0;
	if (lasting != NULL)
		return 0;
	snprintf(detail, sizeof(detail),
	         "%" PRIu64 " MB of %" PRIu64 " MB are free on the disk of %.100s",
	         free_bytes / 1000000, total_bytes / 1000000, path);
	return begin_trouble(look, &trouble, err);
}

static int look_at_upkeep(struct look *look, struct error *err)
{
	struct trouble *failed;
	size_t count;
	int status = 0;

	if (store_list_failed_upkeep(look->store, &failed, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count && status == 0; i++) {
		if (find_lasting(look, failed[i].name) == NULL)
			status = begin_trouble(look, &failed[i], err);
	}
	troubles_free(failed, count);
	return status;
}

/* Is there still an account with a relay that the trouble was about? */
static bool has_relay(const struct config *config, const char *trouble)
{
	const struct account *account =
		config_account_by_name(config, trouble + strlen(RELAY_PREFIX));

	return account != NULL && account->relay != NULL;
}

/* What nothing was said of: it went well since, or nobody does it any more. */
static int look_at_rest(struct look *look, struct error *err)
{
	int status = 0;

	for (size_t i = 0; i < look->lasting_count && status == 0; i++) {
		const char *name = look->lasting[i].name;

		if (look->is_looked_at[i])
			continue;
		if (strncmp(name, INBOX_PREFIX, strlen(INBOX_PREFIX)) == 0 ||
		    (strncmp(name, RELAY_PREFIX, strlen(RELAY_PREFIX)) == 0 &&
		     !has_relay(look->config, name)))
			status = forget_trouble(look, name, err);
		else
			status = end_trouble(look, name, err);
	}
	return status;
}

static int look_at_all(struct look *look, struct error *err)
{
	int status = -1;

	if (store_lasting_troubles(look->store, &look->lasting, &look->lasting_count, err) < 0)
		return -1;
	look->is_looked_at = xzalloc((look->lasting_count + 1) * sizeof(*look->is_looked_at));
	if (look_at_inboxes(look, err) == 0 && look_at_relays(look, err) == 0 &&
	    look_at_disk(look, err) == 0 && look_at_upkeep(look, err) == 0)
		status = look_at_rest(look, err);
	free(look->is_looked_at);
	troubles_free(look->lasting, look->lasting_count);
	return status;
}

/* Alerts must go on: so a look that fails is no reason to give up the store. */
static void note_failure(struct troubles *troubles, const struct error *err, int64_t now)
{
	if (strcmp(troubles->failure.text, err->text) == 0 && now - troubles->logged_at < REMIND_S)
		return;
	troubles->failure = *err;
	troubles->logged_at = now;
	log_warning("%s", err->text);
}

bool troubles_look(struct troubles *troubles, const struct config *config, struct store *store,
                   int64_t now)
{
	struct look look = {.config = config, .store = store, .now = now};
	struct error err;

	/* A clock that was set back must not make it wait for the time that it had. */
	if (now >= troubles->looked_at && now - troubles->looked_at < LOOK_S)
		return false;
	troubles->looked_at = now;
	if (look_at_all(&look, &err) < 0)
		note_failure(troubles, &err, now);
	else
		troubles->failure = (struct error){0};
	return look.is_changed;
}
