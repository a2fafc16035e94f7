#include "lib/conversation/match.h"

#include <string.h>

static const char *const reason_names[] = {
	[MATCH_TOKEN] = "token",
	[MATCH_OWN_ID] = "own-id",
	[MATCH_IN_REPLY_TO] = "in-reply-to",
	[MATCH_REFERENCES] = "references",
	[MATCH_NAMED] = "named",
	[MATCH_REPORT] = "report",
	[MATCH_NEW] = "new",
	[MATCH_NONE] = "none",
};

#define REASON_COUNT (sizeof(reason_names) / sizeof(reason_names[0]))

const char *match_reason_name(enum match_reason reason)
{
	return reason_names[reason];
}

int match_reason_from_name(const char *name, enum match_reason *out)
{
	for (size_t i = 0; i < REASON_COUNT; i++) {
		if (strcmp(reason_names[i], name) == 0) {
			*out = (enum match_reason)i;
			return 1;
		}
	}
	return 0;
}

struct clues {
	struct match match;
	bool is_confirmed; /* a second clue leads to the same conversation */
};

/* The first clue decides, the first that leads elsewhere is only remembered. */
static void add_clue(struct clues *clues, enum match_reason reason, int64_t conversation)
{
	struct match *match = &clues->match;

	if (conversation == 0)
		return;
	if (match->conversation == 0) {
		match->reason = reason;
		match->conversation = conversation;
	} else if (match->conversation == conversation) {
		clues->is_confirmed = true;
	} else if (match->related == 0) {
		match->related = conversation;
	}
}

/* What the store says of one id. */
struct answer {
	int64_t conversation; /* 0: nothing */
	bool is_named_only;
};

static int ask_about_ids(const struct match_input *input, const struct match_lookup *lookup,
                         struct answer answers[MATCH_IDS_MAX], struct error *err)
{
	for (size_t i = 0; i < input->id_count && i < MATCH_IDS_MAX; i++) {
		answers[i] = (struct answer){0};
		if (input->ids[i].own_conversation == 0 &&
		    lookup->find_msgid(lookup->context, input->ids[i].msgid,
		                       &answers[i].conversation, &answers[i].is_named_only,
		                       err) < 0)
			return -1;
	}
	return 0;
}

static void add_own_ids(const struct match_input *input, bool of_report, struct clues *clues)
{
	for (size_t i = 0; i < input->id_count && i < MATCH_IDS_MAX; i++) {
		const struct match_id *id = &input->ids[i];
		if ((id->source == MATCH_FROM_REPORT) == of_report)
			add_clue(clues, of_report ? MATCH_REPORT : MATCH_OWN_ID,
			         id->own_conversation);
	}
}

static void add_answers(const struct match_input *input, const struct answer *answers,
                        enum match_source source, bool is_named_only, enum match_reason reason,
                        struct clues *clues)
{
	for (size_t i = 0; i < input->id_count && i < MATCH_IDS_MAX; i++)
		if (input->ids[i].source == source && answers[i].is_named_only == is_named_only)
			add_clue(clues, reason, answers[i].conversation);
}

/* The message that is returned, where it is known itself, before the ids of its thread. */
static void add_original(const struct match_input *input, const struct answer *answers,
                         struct clues *clues)
{
	for (size_t i = 0; i < input->id_count && i < MATCH_IDS_MAX; i++) {
		if (input->ids[i].source != MATCH_FROM_REPORT)
			continue;
		if (!answers[i].is_named_only)
			add_clue(clues, MATCH_REPORT, answers[i].conversation);
		return;
	}
}

static int add_all_clues(const struct match_input *input, const struct match_lookup *lookup,
                         struct clues *clues, struct error *err)
{
	struct answer answers[MATCH_IDS_MAX];
	int64_t itself = 0;

	if (ask_about_ids(input, lookup, answers, err) < 0)
		return -1;
	add_clue(clues, MATCH_TOKEN, input->token_conversation);
	add_own_ids(input, false, clues);
	add_answers(input, answers, MATCH_FROM_IN_REPLY_TO, false, MATCH_IN_REPLY_TO, clues);
	add_answers(input, answers, MATCH_FROM_REFERENCES, false, MATCH_REFERENCES, clues);
	add_clue(clues, MATCH_TOKEN, input->further_conversation);
	add_answers(input, answers, MATCH_FROM_IN_REPLY_TO, true, MATCH_NAMED, clues);
	add_answers(input, answers, MATCH_FROM_REFERENCES, true, MATCH_NAMED, clues);
	if (clues->match.conversation == 0 &&
	    lookup->find_itself(lookup->context, &itself, err) < 0)
		return -1;
	add_clue(clues, MATCH_NAMED, itself);
	add_clue(clues, MATCH_REPORT, input->report_conversation);
	add_original(input, answers, clues);
	add_own_ids(input, true, clues);
	add_answers(input, answers, MATCH_FROM_REPORT, false, MATCH_REPORT, clues);
	return 0;
}

int match_find(const struct match_input *input, const struct match_lookup *lookup,
               struct match *out, struct error *err)
{
	struct clues clues = {{0}, false};
	enum match_reason nothing = input->may_open ? MATCH_NEW : MATCH_NONE;
	bool is_closed = false;
	int found;

	*out = (struct match){.reason = nothing};
	if (add_all_clues(input, lookup, &clues, err) < 0)
		return -1;
	if (clues.match.conversation == 0)
		return 0;

	found = lookup->find_conversation(lookup->context, clues.match.conversation, &is_closed,
	                                  err);
	if (found < 0)
		return -1;
	if (input->is_outbound && is_closed && clues.match.reason == MATCH_TOKEN &&
	    !clues.is_confirmed) {
		if (input->may_open)
			out->related = clues.match.conversation;
		return 0;
	}
	*out = clues.match;
	out->is_lost = found == 0;
	return 0;
}
