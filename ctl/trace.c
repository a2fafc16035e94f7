#include "ctl/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/mail/msgid.h"
#include "lib/store/query.h"

#define LISTED_MAX      TRACE_FOUND_MAX /* messages that an address may mean, or of a conversation */
#define PREFIX_MIN      4               /* characters of a conversation's id */
#define ROUNDS_MAX      3               /* of looking up in the store what the log leads to */
#define LOG_PATH        "/var/log/mail.log"
#define LOG_PATH_BEFORE "/var/log/mail.log.1"

static bool is_base32(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (base32_value(text[i]) < 0)
			return false;
	return true;
}

/* A token in an address, in an id of ours, or alone: where it begins, or NULL. */
static const char *find_token(const char *text)
{
	size_t length = strcspn(text, "@>");
	const char *at;

	if (length < TOKEN_LENGTH)
		return NULL;
	at = text + length - TOKEN_LENGTH;
	return is_base32(at, TOKEN_LENGTH) && (at == text || base32_value(at[-1]) < 0) ? at : NULL;
}

static const char *describe_other(struct story *story, int64_t id, char **out)
{
	struct trace_message other;
	struct error err;

	*out = NULL;
	if (id != 0 && store_trace_message(story->store, id, &other, &err) > 0) {
		*out = xasprintf("%s%s%s", other.from != NULL ? other.from : "<>",
		                 other.msgid != NULL ? " " : "",
		                 other.msgid != NULL ? other.msgid : "");
		trace_message_release(&other);
	}
	return *out;
}

static bool has_tale(const struct story *story, int64_t message)
{
	for (size_t i = 0; i < story->tale_count; i++)
		if (story->tales[i].message.id == message)
			return true;
	return false;
}

/* 0, also for one that is gone, or -1 with *err. */
static int add_tale(struct story *story, int64_t message, bool is_companion, struct error *err)
{
	struct tale tale = {.is_companion = is_companion};
	int found;

	if (has_tale(story, message))
		return 0;
	found = store_trace_message(story->store, message, &tale.message, err);
	if (found <= 0)
		return found;
	if (store_trace_facts(story->store, message, &tale.facts, &tale.fact_count, err) < 0) {
		trace_message_release(&tale.message);
		return -1;
	}
	tale.others = xzalloc((tale.fact_count + 1) * sizeof(*tale.others));
	for (size_t i = 0; i < tale.fact_count; i++)
		(void)describe_other(story, tale.facts[i].other, &tale.others[i]);
	story->tales = xreallocarray(story->tales, story->tale_count + 1, sizeof(*story->tales));
	story->tales[story->tale_count++] = tale;
	return 0;
}

static int add_companions(struct story *story, int64_t message, struct error *err)
{
	int64_t *ids;
	size_t count;
	int result = 0;

	if (store_trace_companions(story->store, message, &ids, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count && result == 0; i++)
		result = add_tale(story, ids[i], true, err);
	free(ids);
	return result;
}

/* Tell these messages, the newest first, each with its companions. */
static int add_tales(struct story *story, const int64_t *ids, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (add_tale(story, ids[i], false, err) < 0)
			return -1;
	for (size_t i = 0; i < count; i++)
		if (add_companions(story, ids[i], err) < 0)
			return -1;
	return 0;
}

static int tell_conversation(struct story *story, int64_t conversation, struct error *err)
{
	int64_t *ids;
	size_t count;
	int result;

	if (store_trace_conversation(story->store, conversation, LISTED_MAX + 1, &ids, &count,
	                             err) < 0)
		return -1;
	if (count > LISTED_MAX) {
		count = LISTED_MAX;
		string_list_take(&story->notes,
		                 xasprintf("the conversation is long: its %d newest messages are "
		                           "told",
		                           LISTED_MAX));
	}
	result = add_tales(story, ids, count, err);
	free(ids);
	return result;
}

static int tell_msgid(struct story *story, const char *msgid, struct error *err)
{
	int64_t *ids;
	size_t count;
	int result;

	if (store_trace_msgid(story->store, msgid, LISTED_MAX, &ids, &count, err) < 0)
		return -1;
	result = add_tales(story, ids, count, err);
	free(ids);
	return result;
}

static bool is_told_by(const struct tale *tale, const struct trace_use *use)
{
	const char *msgid = tale->message.msgid;

	if (msgid != NULL && use->msgid != NULL)
		return strcmp(msgid, use->msgid) == 0;
	for (size_t i = 0; i < tale->fact_count; i++) {
		const struct trace_fact *fact = &tale->facts[i];

		if (fact->kind == TRACE_ARRIVED && fact->queue_id != NULL &&
		    trace_is_of_use(use, fact->queue_id, strlen(fact->queue_id),
		                    fact->at * 1000000))
			return true;
	}
	return false;
}

/* Is it one of an older use: the same message, which came again under another queue id? */
static bool is_same_again(const struct trace_found *found, size_t index)
{
	const char *msgid = found->uses[index].msgid;

	for (size_t i = 0; i < index && msgid != NULL; i++)
		if (found->uses[i].msgid != NULL && strcmp(found->uses[i].msgid, msgid) == 0)
			return true;
	return false;
}

/* Leave of what the log knows of an address what the store does not. */
static void drop_known(struct story *story)
{
	for (size_t i = story->found.use_count; i-- > 0;) {
		bool is_known = is_same_again(&story->found, i);

		for (size_t j = 0; j < story->tale_count && !is_known; j++)
			is_known = is_told_by(&story->tales[j], &story->found.uses[i]);
		if (is_known)
			trace_found_drop(&story->found, i);
	}
}

static void tale_release(struct tale *tale)
{
	for (size_t i = 0; i < tale->fact_count; i++)
		free(tale->others[i]);
	free(tale->others);
	trace_facts_free(tale->facts, tale->fact_count);
	trace_message_release(&tale->message);
}

/* Of all that an address may mean leave the newest: tales come newest first, uses newest last. */
static bool drop_oldest(struct story *story)
{
	size_t before = story->tale_count + story->found.use_count;

	/* The log alone gives no more than are listed: there is a tale then. */
	while (story->tale_count + story->found.use_count > LISTED_MAX) {
		const struct tale *oldest = &story->tales[story->tale_count - 1];

		if (story->found.use_count > 0 &&
		    story->found.uses[0].at < oldest->message.received_at)
			trace_found_drop(&story->found, 0);
		else
			tale_release(&story->tales[--story->tale_count]);
	}
	return story->tale_count + story->found.use_count < before;
}

/* What an address sent and got, as the store and the log know it. */
static int tell_address(struct story *story, struct error *err)
{
	int64_t *ids = NULL;
	size_t count = 0;
	int result = 0;

	story->kind = "address";
	if (story->store != NULL &&
	    store_trace_address(story->store, story->query, LISTED_MAX + 1, &ids, &count, err) < 0)
		return -1;
	trace_log_find_address(story->log, story->query, &story->found);
	for (size_t i = 0; i < count && result == 0; i++)
		result = add_tale(story, ids[i], false, err);
	drop_known(story);
	if (drop_oldest(story) || story->found.has_more)
		string_list_add(&story->notes, "only the newest are told: there are more");
	story->is_list = story->tale_count + story->found.use_count > 1;
	if (result == 0 && story->tale_count == 1 && !story->is_list)
		result = add_companions(story, ids[0], err);
	free(ids);
	return result;
}

/* A word without @: a conversation's id, a queue id, or the beginning of such an id. */
static int tell_word(struct story *story, const char *word, struct error *err)
{
	struct conversation_row row;
	int64_t *ids = NULL, conversation;
	size_t count = 0;
	int found = 0;

	if (conversation_id_parse(word, strlen(word), &conversation)) {
		found = store_get_conversation(story->store, conversation, &row, err);
		if (found > 0)
			conversation_row_release(&row);
	}
	if (found == 0) {
		if (store_trace_queue_id(story->store, word, LISTED_MAX, &ids, &count, err) < 0)
			return -1;
		if (count > 0)
			found = add_tales(story, ids, count, err) < 0 ? -1 : 0;
		free(ids);
		if (count > 0 || found < 0)
			return found;
		if (strlen(word) < PREFIX_MIN)
			return 0;
		if (store_find_by_prefix(story->store, word, 2, &ids, &count, err) < 0)
			return -1;
		if (count == 1) {
			conversation = ids[0];
			found = 1;
		}
		free(ids);
	}
	if (found <= 0)
		return found;
	story->kind = "conversation";
	return tell_conversation(story, conversation, err);
}

/* As it is recorded: without blanks. */
static char *with_brackets(const char *text)
{
	char *id = text[0] == '<' ? xstrdup(text) : xasprintf("<%s>", text);
	char *plain = msgid_first(id, strlen(id));

	if (plain == NULL)
		return id;
	free(id);
	return plain;
}

static bool may_be_msgid(const char *query)
{
	return query[0] == '<' || strchr(query, '@') != NULL;
}

/* What the query may be by its looks; the store may know better. */
static void guess_kind(struct story *story)
{
	const char *query = story->query;

	if (find_token(query) != NULL)
		story->kind = "token";
	else if (query[0] == '<')
		story->kind = "message-id";
	else
		story->kind = strchr(query, '@') != NULL ? "address" : "queue-id";
}

/* 0, or -1 with *err. */
static int ask_store(struct story *story, struct error *err)
{
	const char *token = find_token(story->query);
	int64_t conversation;
	char *msgid;
	int result;

	if (!may_be_msgid(story->query) && token == NULL)
		return tell_word(story, story->query, err);
	if (may_be_msgid(story->query)) {
		msgid = with_brackets(story->query);
		result = tell_msgid(story, msgid, err);
		free(msgid);
		if (result < 0)
			return -1;
		if (story->tale_count > 0) {
			story->kind = "message-id";
			return 0;
		}
	}
	if (token != NULL &&
	    conversation_id_parse(token + 1, CONVERSATION_ID_LENGTH, &conversation))
		return tell_conversation(story, conversation, err);
	return 0;
}

/* What the log is to be searched for because of a tale. */
static void want_lines(struct story *story, const struct tale *tale)
{
	if (tale->message.msgid != NULL)
		trace_log_want_msgid(story->log, tale->message.msgid);
	for (size_t i = 0; i < tale->fact_count; i++) {
		const struct trace_fact *fact = &tale->facts[i];

		if (fact->kind == TRACE_ARRIVED && fact->queue_id != NULL)
			trace_log_want_queue_id(story->log, fact->queue_id, fact->at);
		else if (fact->kind == TRACE_ALERT)
			trace_log_want_item(story->log, "notice", fact->number, fact->at);
		else if (fact->kind == TRACE_LETTER)
			trace_log_want_item(story->log, "letter", fact->number, fact->at);
	}
}

static void ask_log(struct story *story)
{
	char *msgid;

	for (size_t i = 0; i < story->tale_count; i++)
		want_lines(story, &story->tales[i]);
	for (size_t i = 0; i < story->found.use_count; i++)
		trace_log_want_queue_id(story->log, story->found.uses[i].queue_id,
		                        story->found.uses[i].at);
	if (story->tale_count == 0 && may_be_msgid(story->query)) {
		msgid = with_brackets(story->query);
		trace_log_want_msgid(story->log, msgid);
		free(msgid);
	} else if (!may_be_msgid(story->query) && find_token(story->query) == NULL) {
		/* The store may know one use of it, and the log another. */
		trace_log_want_queue_id(story->log, story->query, 0);
	}
	trace_log_follow(story->log);
}

/* The log may lead to messages that the store knows: 1 if it did, 0, or -1 with *err. */
static int ask_store_again(struct story *story, size_t *looked_up, struct error *err)
{
	const struct string_list *msgids = trace_log_msgids(story->log);
	size_t before = story->tale_count;

	for (; *looked_up < msgids->count; (*looked_up)++) {
		char *msgid = xstrdup(msgids->items[*looked_up]);
		int result = tell_msgid(story, msgid, err);

		free(msgid);
		if (result < 0)
			return -1;
	}
	return story->tale_count > before;
}

/* Can it be an address, of which neither a Message-ID nor a conversation is known? */
static bool may_be_address(const struct story *story)
{
	return story->tale_count == 0 && story->query[0] != '<' &&
	       strchr(story->query, '@') != NULL;
}

static int tell(struct story *story, struct error *err)
{
	size_t looked_up = 0;
	int more = 0;

	guess_kind(story);
	if (story->store != NULL && ask_store(story, err) < 0)
		return -1;
	if (may_be_address(story) && tell_address(story, err) < 0)
		return -1;
	if (story->is_list)
		return 0;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		ask_log(story);
		more = story->store != NULL ? ask_store_again(story, &looked_up, err) : 0;
		if (more <= 0)
			break;
	}
	return more < 0 ? -1 : 0;
}

static void note(struct story *story, const char *text)
{
	string_list_add(&story->notes, text);
}

/* Returns 0, or EX_NOINPUT after a sentence: a file that was named is not there. */
static int open_logs(struct story *story, const char *const *paths)
{
	static const char *const usual[] = {LOG_PATH_BEFORE, LOG_PATH};
	struct error err;

	for (size_t i = 0; i < FLAG_VALUES_MAX && paths[i] != NULL; i++) {
		if (trace_log_add_file(story->log, paths[i], &err) == 0)
			continue;
		command_complain("%s", err.text);
		return EX_NOINPUT;
	}
	for (size_t i = 0; i < 2 && paths[0] == NULL; i++)
		if (access(usual[i], F_OK) == 0 &&
		    trace_log_add_file(story->log, usual[i], &err) < 0)
			note(story, err.text);
	if (!trace_log_has_files(story->log) && story->notes.count == 0 &&
	    trace_log_add_journal(story->log, &err) < 0)
		note(story,
		     "no log was read: there is neither " LOG_PATH " nor a journal; see --log");
	return 0;
}

static void story_release(struct story *story)
{
	for (size_t i = 0; i < story->tale_count; i++)
		tale_release(&story->tales[i]);
	free(story->tales);
	free(story->events);
	trace_found_release(&story->found);
	string_list_release(&story->notes);
	trace_log_free(story->log);
	store_close(story->store);
}

static int run(const struct invocation *invocation, const struct config *config,
               const char *const *paths, bool is_json)
{
	struct story story = {.query = invocation->argv[0], .log = trace_log_new()};
	struct error err = {0};
	int status;

	story.store = command_open_store(config, STORE_READ, &err);
	if (story.store == NULL)
		note(&story, err.text);
	status = open_logs(&story, paths);
	if (status != 0)
		goto out;
	if (story.store == NULL && !trace_log_has_files(story.log)) {
		command_complain("%s", err.text);
		status = EX_TEMPFAIL;
	} else if (tell(&story, &err) < 0) {
		command_complain("%s", err.text);
		status = EX_TEMPFAIL;
	} else {
		story_build(&story);
		if (story.event_count == 0 && !story.is_list && story.found.refusal_count == 0)
			status = EXIT_NO_RESULT;
		if (is_json)
			story_print_json(&story);
		else if (status == 0)
			story_print_text(&story);
		if (status != 0)
			command_complain("nothing is known of \"%s\"", story.query);
		for (size_t i = 0; i < story.notes.count && !is_json; i++)
			command_complain("%s", story.notes.items[i]);
	}
out:
	story_release(&story);
	return status;
}

int command_trace(struct invocation *invocation)
{
	const char *paths[FLAG_VALUES_MAX] = {NULL};
	bool has_paths = false, is_json = false;
	const struct flag flags[] = {{"log", 'l', &has_paths, paths},
	                             {"json", 'j', &is_json, NULL},
	                             {NULL, 0, NULL, NULL}};
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 1, 1, &status))
		return status;
	if (invocation->argv[0][0] == '\0')
		return command_usage_error(invocation, "trace what? the argument is empty");
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = run(invocation, config, paths, is_json);
	config_free(config);
	return status;
}
