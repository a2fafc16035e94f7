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

	if (match->conversation == 0) {
		match->reason = reason;
		match->conversation = conversation;
	} else if (match->conversation == conversation) {
		clues->is_confirmed = true;
	} else if (match->related == 0) {
		match->related = conversation;
	}
}

static bool is_settled(const struct clues *clues)
{
	return clues->is_confirmed && clues->match.related != 0;
}

static void add_own_ids(const struct match_input *input, bool of_report, struct clues *clues)
{
	for (size_t i = 0; i < input->id_count && i < MATCH_IDS_MAX; i++) {
		const struct match_id *id = &input->ids[i];
		if (id->own_conversation != 0 && (id->source == MATCH_FROM_REPORT) == of_report)
			add_clue(clues, of_report ? MATCH_REPORT : MATCH_OWN_ID,
			         id->own_conversation);
	}
}

typedef int find_function(void *context, const char *msgid, int64_t *conversation_out,
                          struct error *err);

static int add_stored_ids(const struct match_input *input, find_function *find, void *context,
                          enum match_source source, enum match_reason reason, struct clues *clues,
                          struct error *err)
{
	for (size_t i = 0; i < input->id_count && i < MATCH_IDS_MAX && !is_settled(clues); i++) {
		const struct match_id *id = &input->ids[i];
		int64_t conversation;
		int found;

		if (id->source != source || id->own_conversation != 0)
			continue;
		found = find(context, id->msgid, &conversation, err);
		if (found < 0)
			return -1;
		if (found > 0)
			add_clue(clues, reason, conversation);
	}
	return 0;
}

static int add_all_clues(const struct match_input *input, const struct match_lookup *lookup,
                         struct clues *clues, struct error *err)
{
	static const struct {
		enum match_source source;
		enum match_reason reason;
	} steps[] = {
		{MATCH_FROM_IN_REPLY_TO, MATCH_IN_REPLY_TO},
		{MATCH_FROM_REFERENCES, MATCH_REFERENCES},
		{MATCH_FROM_IN_REPLY_TO, MATCH_NAMED},
		{MATCH_FROM_REFERENCES, MATCH_NAMED},
		{MATCH_FROM_REPORT, MATCH_REPORT},
	};

	if (input->token_conversation != 0)
		add_clue(clues, MATCH_TOKEN, input->token_conversation);
	add_own_ids(input, false, clues);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		bool is_weak = steps[i].reason == MATCH_NAMED || steps[i].reason == MATCH_REPORT;

		if (is_weak && clues->match.conversation != 0)
			continue;
		if (steps[i].reason == MATCH_REPORT) {
			if (input->report_conversation != 0)
				add_clue(clues, MATCH_REPORT, input->report_conversation);
			add_own_ids(input, true, clues);
		}
		if (add_stored_ids(input,
		                   steps[i].reason == MATCH_NAMED ? lookup->find_named
		                                                  : lookup->find_msgid,
		                   lookup->context, steps[i].source, steps[i].reason, clues,
		                   err) < 0)
			return -1;
	}
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
