#include "scheduler/due.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/net/smtp.h"
#include "lib/store/alert.h"
#include "lib/store/store.h"
#include "scheduler/compose.h"
#include "scheduler/levels.h"

#define LOOK_MS          1000 /* between two looks at the store */
#define WRITE_LOCK_MS    5000
#define PLAN_MAX         1000
#define DUE_MAX          5000 /* in one digest at most */
#define CHECKPOINT_PAGES 1000

/* The milter may take commit_timeout to answer; then Postfix needs a moment too. */
#define SEND_MARGIN_MS 10000
/* What marking a sent notice may take, so that nobody else takes it before. */
#define LEASE_MARGIN_S 15

#define RETRY_S     60
#define RETRY_MAX_S 1800
#define REFUSED_S   86400 /* how long a recipient that Postfix refuses is tried */
#define REMIND_S    3600  /* between two log lines about the same trouble */

/* When so many sends in a row failed it is not the notices: the others wait too. */
#define FAILURES_MAX 3
#define HOLD_MS      30000

/* How a notice ended that the store may not know of yet. */
struct outcome {
	bool is_unsaved;
	int64_t notice;
	int64_t retry_at; /* 0: it is done */
	enum notice_end end;
};

/* A notice that Postfix refused for good. */
struct refusal {
	int64_t notice;
	int64_t first_at, logged_at;
};

struct due {
	const char *config_path;
	struct config *config;
	struct keyring keys;
	struct store *store;
	struct smtp *smtp; /* NULL while there is nothing to send */
	bool is_replan_wanted;
	bool is_idle;    /* nothing was left to do at this version of the store, before next_at */
	int64_t version; /* of the store */
	int64_t next_at;
	struct outcome outcome;
	unsigned failures;
	int64_t hold_until_ms; /* of the monotonic clock */
	struct refusal *refusals;
	size_t refusal_count;
	struct error trouble; /* the last that was logged, ERROR_NONE: all is well */
	int64_t trouble_at;
};

struct due *due_new(const char *config_path)
{
	struct due *due = xzalloc(sizeof(*due));

	due->config_path = config_path;
	/* The levels may have changed while nobody looked. */
	due->is_replan_wanted = true;
	return due;
}

void due_free(struct due *due)
{
	if (due == NULL)
		return;
	smtp_free(due->smtp);
	store_close(due->store);
	config_free(due->config);
	keyring_wipe(&due->keys);
	free(due->refusals);
	free(due);
}

const struct config *due_config(const struct due *due)
{
	return due->config;
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
	if (due->config != NULL && levels_differ(due->config, config))
		due->is_replan_wanted = true;
	if (due->config != NULL && strcmp(due->config->store, config->store) != 0) {
		store_close(due->store);
		due->store = NULL;
		due->is_replan_wanted = true;
	}
	smtp_free(due->smtp);
	due->smtp = NULL;
	config_free(due->config);
	due->config = config;
	due->keys = keys;
	keyring_wipe(&keys);
	return 0;
}

static int64_t write_deadline(void)
{
	return store_clock_ms() + WRITE_LOCK_MS;
}

static int open_store(struct due *due, struct error *err)
{
	const char *path = due->config->store;

	/* A mistyped path must not become an empty store in which nobody ever waits. */
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, ERROR_TEMPORARY,
		                 "there is no store %s: waiting for rejoinder-milter to make it",
		                 path);
	due->store = store_open(path, STORE_WRITE, err);
	due->is_idle = false;
	return due->store != NULL ? 0 : -1;
}

/* 1: something was to plan, 0, -1 with *err; so the three below. */
static int plan_waits(struct due *due, struct error *err)
{
	struct planned_wait *waits;
	size_t count;
	int result;

	if (store_list_unplanned(due->store, PLAN_MAX, &waits, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		levels_plan(due->config, &waits[i]);
	result = count > 0;
	if (count > 0 && store_plan_waits(due->store, waits, count, write_deadline(), err) < 0)
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

	moved = levels_pass(due->config, waits, count, now, &passed);
	if (store_plan_waits(due->store, waits + moved, count - moved, write_deadline(), err) ==
	            0 &&
	    store_create_notices(due->store, passed.items, passed.count, waits, moved, now,
	                         write_deadline(), err) == 0)
		result = 0;
	passed_list_release(&passed);
	return result;
}

static int create_notices(struct due *due, int64_t now, struct error *err)
{
	struct planned_wait *waits;
	size_t count;
	int result;

	if (store_list_due(due->store, now, DUE_MAX, &waits, &count, err) < 0)
		return -1;
	result = count > 0;
	if (count > 0 && pass_waits(due, waits, count, now, err) < 0)
		result = -1;
	planned_waits_free(waits, count);
	return result;
}

/* Tell the store how the last notice ended. */
static int save_outcome(struct due *due, struct error *err)
{
	const struct outcome *outcome = &due->outcome;
	int result;

	if (!outcome->is_unsaved)
		return 0;
	if (outcome->retry_at > 0)
		result = store_retry_notice(due->store, outcome->notice, outcome->retry_at,
		                            write_deadline(), err);
	else
		result = store_end_notice(due->store, outcome->notice, outcome->end, time(NULL),
		                          write_deadline(), err);
	if (result == 0)
		due->outcome.is_unsaved = false;
	return result;
}

static void end_notice(struct due *due, const struct notice *notice, enum notice_end end)
{
	due->outcome = (struct outcome){.is_unsaved = true, .notice = notice->id, .end = end};
}

static void retry_notice(struct due *due, const struct notice *notice, int64_t now)
{
	int64_t pause_s = RETRY_S;

	for (int64_t i = 1; i < notice->attempts && pause_s < RETRY_MAX_S; i++)
		pause_s *= 2;
	if (pause_s > RETRY_MAX_S)
		pause_s = RETRY_MAX_S;
	due->outcome = (struct outcome){
		.is_unsaved = true, .notice = notice->id, .retry_at = now + pause_s};
}

/* A new refusal is added when there is none. */
static struct refusal *refusal_of(struct due *due, int64_t notice, int64_t now)
{
	struct refusal *refusal;

	for (size_t i = 0; i < due->refusal_count; i++) {
		if (due->refusals[i].notice == notice)
			return &due->refusals[i];
	}
	due->refusals =
		xreallocarray(due->refusals, due->refusal_count + 1, sizeof(*due->refusals));
	refusal = &due->refusals[due->refusal_count++];
	*refusal = (struct refusal){.notice = notice, .first_at = now};
	return refusal;
}

static void forget_refusal(struct due *due, int64_t notice)
{
	for (size_t i = 0; i < due->refusal_count; i++) {
		if (due->refusals[i].notice == notice)
			due->refusals[i--] = due->refusals[--due->refusal_count];
	}
}

/* `notice ID: conv=..., to=..., level=N, waits=N, status=` */
static void begin_line(struct buffer *line, const struct notice *notice,
                       const struct notice_item *first, size_t count)
{
	char conversation[CONVERSATION_ID_SIZE] = "-", to[ADDRESS_MAX_BYTES + 1];
	int level = 0;

	if (first != NULL)
		conversation_id_format(first->conversation, conversation);
	for (size_t i = 0; i < notice->item_count; i++) {
		if (notice->items[i].level + 1 > level)
			level = notice->items[i].level + 1;
	}
	buffer_printf(line, "notice %" PRId64 ": conv=%s, to=%s, level=%d, waits=%zu, status=",
	              notice->id, conversation, log_value(to, sizeof(to), notice->recipient), level,
	              count);
}

/* Who is refused may have left: the alert must not wait until somebody repairs that. */
static void tell_stand_in(const struct due *due, const struct notice *notice, int64_t now)
{
	struct passed_list list;
	struct error err;

	levels_stand_in(due->config, notice, &list);
	if (list.count > 0 && store_create_notices(due->store, list.items, list.count, NULL, 0, now,
	                                           write_deadline(), &err) < 0)
		log_warning("%s; tried again with the next refusal", err.text);
	passed_list_release(&list);
}

/* Postfix says that it never will: it may be a configuration that the admin repairs. */
static void on_refused(struct due *due, const struct notice *notice, struct buffer *line,
                       int64_t now, const char *reason)
{
	struct refusal *refusal = refusal_of(due, notice->id, now);

	tell_stand_in(due, notice, now);
	if (now - refusal->first_at >= REFUSED_S) {
		end_notice(due, notice, NOTICE_DROPPED);
		log_error("%sdropped, reason=refused for a day: %s", line->data, reason);
		return;
	}
	retry_notice(due, notice, now);
	if (refusal->logged_at == 0 || now - refusal->logged_at >= REMIND_S) {
		refusal->logged_at = now;
		log_error("%sdeferred, reason=refused: %s", line->data, reason);
	} else {
		log_warning("%sdeferred, reason=refused: %s", line->data, reason);
	}
}

static void send_notice(struct due *due, const struct notice *notice,
                        const struct notice_item *const *items, size_t count, int64_t now,
                        struct buffer *line)
{
	const struct compose_context context = {due->config, &due->keys, now};
	char queue_id[64];
	struct buffer mail;
	struct error err;
	int status;

	if (due->smtp == NULL)
		due->smtp = smtp_new(due->config->submit_to,
		                     due->config->commit_timeout_ms + SEND_MARGIN_MS);
	buffer_init(&mail, COMPOSED_MAX_BYTES);
	compose_notice(&mail, notice, items, count, &context);
	status = smtp_send(due->smtp, due->config->alert_from, notice->recipient, "", 0, mail.data,
	                   mail.length, queue_id, sizeof(queue_id), &err);
	buffer_release(&mail);
	now = time(NULL);
	if (status == 0) {
		end_notice(due, notice, NOTICE_SENT);
		log_info("%ssent, queue_id=%s", line->data, queue_id);
	} else if (err.kind == ERROR_PERMANENT) {
		on_refused(due, notice, line, now, err.text);
	} else {
		retry_notice(due, notice, now);
		log_warning("%sdeferred, %sreason=%s", line->data,
		            err.kind == ERROR_UNCERTAIN
		                    ? "outcome=unknown (sent again with the same Message-ID), "
		                    : "",
		            err.text);
	}
	/* A refusal is an answer too. */
	due->failures = status == 0 || err.kind == ERROR_PERMANENT ? 0 : due->failures + 1;
	if (due->failures >= FAILURES_MAX)
		due->hold_until_ms = store_clock_ms() + HOLD_MS;
}

static int work_on_notice(struct due *due, int64_t now, struct error *err)
{
	int64_t lease_s = (due->config->commit_timeout_ms + SEND_MARGIN_MS) / 1000 + LEASE_MARGIN_S;
	const struct notice_item **items;
	struct notice *notices;
	struct buffer line;
	size_t taken, count;

	if (store_clock_ms() < due->hold_until_ms)
		return 0;
	if (store_take_notices(due->store, now, lease_s, 1, &notices, &taken, write_deadline(),
	                       err) < 0)
		return -1;
	if (taken == 0) {
		notices_free(notices, taken);
		return 0;
	}
	items = xreallocarray(NULL, notices->item_count + 1, sizeof(const struct notice_item *));
	count = compose_select(notices, items);
	buffer_init(&line, 1000);
	begin_line(&line, notices,
	           count > 0                 ? items[0]
	           : notices->item_count > 0 ? &notices->items[0]
	                                     : NULL,
	           count);
	if (count > 0) {
		send_notice(due, notices, items, count, now, &line);
	} else {
		end_notice(due, notices, NOTICE_DROPPED);
		log_info("%sdropped, reason=nobody waits any more", line.data);
	}
	if (due->outcome.retry_at == 0)
		forget_refusal(due, notices->id);
	buffer_release(&line);
	free(items);
	notices_free(notices, taken);
	return save_outcome(due, err) < 0 ? -1 : 1;
}

static int replan(struct due *due, struct error *err)
{
	if (store_replan_all(due->store, write_deadline(), err) < 0)
		return -1;
	due->is_replan_wanted = false;
	due->is_idle = false;
	return 0;
}

/* 1: there may be more to do, 0: not before next_at or another version, -1 with *err. */
static int work(struct due *due, struct error *err)
{
	int64_t now = time(NULL), version;
	int status;

	if (!store_is_current(due->store))
		return error_set(err, ERROR_TEMPORARY, "the store %s was removed or replaced",
		                 due->config->store);
	if (save_outcome(due, err) < 0 || (due->is_replan_wanted && replan(due, err) < 0) ||
	    store_data_version(due->store, &version, err) < 0)
		return -1;
	if (due->is_idle && version == due->version && now < due->next_at)
		return 0;
	due->is_idle = false;
	due->version = version;
	if ((status = plan_waits(due, err)) != 0 || (status = create_notices(due, now, err)) != 0 ||
	    (status = work_on_notice(due, now, err)) != 0)
		return status;
	if (store_next_due(due->store, &due->next_at, err) < 0 ||
	    store_checkpoint(due->store, CHECKPOINT_PAGES, false, err) < 0)
		return -1;
	due->is_idle = true;
	smtp_free(due->smtp);
	due->smtp = NULL;
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
	int status = due->store != NULL ? 0 : open_store(due, &err);

	if (status == 0)
		status = work(due, &err);
	if (status < 0) {
		complain(due, &err);
		store_close(due->store);
		due->store = NULL;
		return LOOK_MS;
	}
	if (due->trouble.kind != ERROR_NONE) {
		log_info("the store %s works again", due->config->store);
		due->trouble = (struct error){0};
	}
	return status > 0 ? 0 : pause_until(due->next_at);
}
