#include "tests/unit/store_fixture.h"

#include "lib/store/query.h"

/*
 * Stories: messages recorded one after the other in a store of their own, and
 * after each what came of it.  Steps are counted from 1; a conversation is named by
 * the step that began it, so that the 0 of a row means "it began one".
 */

#define STEPS_MAX   8
#define LOST        99 /* as token: a conversation that the store lacks */
#define JANE        "jane@company.test"
#define BOB         "bob@company.test"
#define CUSTOMER    "customer@example.org"
#define OTHER       "other@example.com"
#define MACHINE_IN  .direction = DIRECTION_IN, .class = CLASS_AUTO_REPLY, .from = CUSTOMER
#define FROM_CLIENT .direction = DIRECTION_IN, .from = CUSTOMER
#define FROM_JANE   .direction = DIRECTION_OUT, .from = JANE, .owner = JANE
#define FROM_BOB    .direction = DIRECTION_OUT, .from = BOB, .owner = BOB
#define BOUNCE      .direction = DIRECTION_IN, .class = CLASS_BOUNCE, .from = ""

struct step {
	enum direction direction;
	enum message_class class;
	const char *msgid;
	const char *from, *owner, *reply_to, *reference;
	const char *to[3];
	const char *in_reply_to, *references;
	int token;         /* of the conversation of this step */
	int own_id;        /* the same in In-Reply-To */
	int report_token;  /* the same in a returned message */
	bool opens_none;   /* of mail that is not ours if nothing matches */
	bool closes_first; /* conversation 1 is closed by hand before */
	bool pins_first;   /* its owner is pinned */
	const char *failed, *also_failed, *action, *original;

	enum match_reason match;
	int conversation; /* that it is found in; 0: a new one */
	int related;
	bool is_repeat, is_not_ours, is_known;
	const char *owner_then, *reference_then;
	unsigned started, ended, resumed;
	int waiting; /* customers that wait then in its conversation */
	int since;   /* the step whose message they wait for longest */
	bool is_closed;
};

struct story {
	const char *name;
	struct step steps[STEPS_MAX];
};

/* clang-format off */
#define ASKS \
	{FROM_CLIENT, .msgid = "<q@x>", .match = MATCH_NEW, .started = 1, .waiting = 1, .since = 1}
#define JANE_WRITES \
	{FROM_JANE, .msgid = "<j@x>", .to = {CUSTOMER}, .match = MATCH_NEW, .owner_then = JANE}

static const struct story stories[] = {
	{"a first message begins a conversation and a wait",
	 {ASKS}},
	{"mail that opens nothing and matches nothing is not recorded",
	 {{FROM_CLIENT, .msgid = "<1@x>", .opens_none = true, .match = MATCH_NONE,
	   .is_not_ours = true}}},
	{"an answer to the token joins, and its sender is known",
	 {JANE_WRITES,
	  {FROM_CLIENT, .msgid = "<2@x>", .token = 1, .match = MATCH_TOKEN, .conversation = 1,
	   .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1, .since = 2}}},
	{"an answer by our own id joins",
	 {JANE_WRITES,
	  {FROM_CLIENT, .msgid = "<2@x>", .own_id = 1, .match = MATCH_OWN_ID, .conversation = 1,
	   .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1, .since = 2}}},
	{"an answer with only In-Reply-To joins, a stranger stays one",
	 {JANE_WRITES,
	  {.direction = DIRECTION_IN, .from = OTHER, .msgid = "<2@x>", .in_reply_to = "<j@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .started = 1,
	   .waiting = 1, .since = 2}}},
	{"an answer with only References joins",
	 {JANE_WRITES,
	  {FROM_CLIENT, .msgid = "<2@x>", .references = "<j@x>", .match = MATCH_REFERENCES,
	   .conversation = 1, .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1,
	   .since = 2}}},
	{"two that name the same unseen id meet",
	 {{FROM_CLIENT, .msgid = "<1@x>", .references = "<unseen@x>", .match = MATCH_NEW,
	   .started = 1, .waiting = 1, .since = 1},
	  {.direction = DIRECTION_IN, .from = OTHER, .msgid = "<2@x>",
	   .in_reply_to = "<unseen@x>", .match = MATCH_NAMED, .conversation = 1, .started = 1,
	   .waiting = 2, .since = 1}}},
	{"our own ids are not indexed",
	 {JANE_WRITES,
	  {FROM_JANE, .msgid = "<2@x>", .to = {CUSTOMER}, .own_id = 1, .match = MATCH_OWN_ID,
	   .conversation = 1, .owner_then = JANE},
	  {FROM_CLIENT, .msgid = "<3@x>", .in_reply_to = "<own-1@x>", .match = MATCH_NEW,
	   .started = 1, .waiting = 1, .since = 3}}},
	{"the same message again adds nothing and ends nothing",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {FROM_CLIENT, .msgid = "<r@x>", .in_reply_to = "<a@x>", .match = MATCH_IN_REPLY_TO,
	   .conversation = 1, .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1,
	   .since = 3},
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .is_repeat = true, .owner_then = JANE,
	   .waiting = 1, .since = 3},
	  {FROM_CLIENT, .msgid = "<r@x>", .match = MATCH_IN_REPLY_TO, .conversation = 1,
	   .is_repeat = true, .is_known = true, .owner_then = JANE, .waiting = 1, .since = 3}}},
	{"a message that points to two conversations joins the first and notes the other",
	 {JANE_WRITES,
	  {FROM_BOB, .msgid = "<b@x>", .to = {OTHER}, .match = MATCH_NEW, .owner_then = BOB},
	  {FROM_CLIENT, .msgid = "<3@x>", .token = 1, .references = "<b@x>",
	   .match = MATCH_TOKEN, .conversation = 1, .related = 2, .is_known = true,
	   .owner_then = JANE, .started = 1, .waiting = 1, .since = 3}}},
	{"human mail opens a closed conversation again",
	 {JANE_WRITES,
	  {FROM_CLIENT, .msgid = "<2@x>", .token = 1, .closes_first = true, .match = MATCH_TOKEN,
	   .conversation = 1, .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1,
	   .since = 2}}},
	{"machine mail leaves a closed conversation closed",
	 {JANE_WRITES,
	  {MACHINE_IN, .msgid = "<2@x>", .token = 1, .closes_first = true, .match = MATCH_TOKEN,
	   .conversation = 1, .is_known = true, .owner_then = JANE, .is_closed = true}}},
	{"outbound mail that joins leaves a closed conversation closed",
	 {JANE_WRITES,
	  {FROM_JANE, .msgid = "<2@x>", .to = {CUSTOMER}, .in_reply_to = "<j@x>",
	   .closes_first = true, .match = MATCH_IN_REPLY_TO, .conversation = 1,
	   .owner_then = JANE, .is_closed = true}}},
	{"outbound, a token alone does not reach a closed conversation but relates to it",
	 {JANE_WRITES,
	  {FROM_JANE, .msgid = "<2@x>", .to = {CUSTOMER}, .token = 1, .closes_first = true,
	   .match = MATCH_NEW, .related = 1, .owner_then = JANE}}},
	{"a second message of the customer does not move his wait",
	 {ASKS,
	  {FROM_CLIENT, .msgid = "<2@x>", .in_reply_to = "<q@x>", .match = MATCH_IN_REPLY_TO,
	   .conversation = 1, .waiting = 1, .since = 1}}},
	{"another case of the customer's address is the same customer",
	 {ASKS,
	  {.direction = DIRECTION_IN, .from = "Customer@Example.ORG", .msgid = "<2@x>",
	   .in_reply_to = "<q@x>", .match = MATCH_IN_REPLY_TO, .conversation = 1, .waiting = 1,
	   .since = 1}}},
	{"a colleague's answer ends the wait and makes him the owner",
	 {JANE_WRITES,
	  {FROM_CLIENT, .msgid = "<2@x>", .token = 1, .match = MATCH_TOKEN, .conversation = 1,
	   .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1, .since = 2},
	  {FROM_BOB, .msgid = "<3@x>", .to = {OTHER, "CUSTOMER@example.org"},
	   .in_reply_to = "<2@x>", .match = MATCH_IN_REPLY_TO, .conversation = 1,
	   .owner_then = BOB, .ended = 1}}},
	{"a pinned owner stays",
	 {JANE_WRITES,
	  {FROM_BOB, .msgid = "<2@x>", .to = {CUSTOMER}, .in_reply_to = "<j@x>",
	   .pins_first = true, .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE}}},
	{"an answer to another recipient ends nothing",
	 {ASKS,
	  {FROM_JANE, .msgid = "<2@x>", .to = {OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .waiting = 1,
	   .since = 1}}},
	{"an answer to the Reply-To ends the wait",
	 {{FROM_CLIENT, .msgid = "<q@x>", .reply_to = "Office@example.org", .match = MATCH_NEW,
	   .started = 1, .waiting = 1, .since = 1},
	  {FROM_JANE, .msgid = "<2@x>", .to = {"office@EXAMPLE.org"}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1}}},
	{"a running wait learns a later Reply-To",
	 {ASKS,
	  {FROM_CLIENT, .msgid = "<2@x>", .in_reply_to = "<q@x>", .reply_to = OTHER,
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .waiting = 1, .since = 1},
	  {FROM_JANE, .msgid = "<3@x>", .to = {OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1}}},
	{"one answer ends the waits of two customers, another only that of one",
	 {ASKS,
	  {.direction = DIRECTION_IN, .from = OTHER, .msgid = "<2@x>", .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .started = 1, .waiting = 2, .since = 1},
	  {FROM_JANE, .msgid = "<3@x>", .to = {CUSTOMER, OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 2},
	  {.direction = DIRECTION_IN, .from = OTHER, .msgid = "<4@x>", .in_reply_to = "<3@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .is_known = true,
	   .started = 1, .waiting = 1, .since = 4},
	  {FROM_JANE, .msgid = "<5@x>", .to = {CUSTOMER}, .in_reply_to = "<3@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .waiting = 1,
	   .since = 4}}},
	{"an auto-reply neither starts nor ends a wait",
	 {JANE_WRITES,
	  {MACHINE_IN, .msgid = "<2@x>", .token = 1, .match = MATCH_TOKEN, .conversation = 1,
	   .is_known = true, .owner_then = JANE}}},
	{"an auto-reply of ours ends no wait",
	 {ASKS,
	  {FROM_JANE, .class = CLASS_AUTO_REPLY, .msgid = "<2@x>", .to = {CUSTOMER},
	   .in_reply_to = "<q@x>", .match = MATCH_IN_REPLY_TO, .conversation = 1,
	   .owner_then = JANE, .waiting = 1, .since = 1}}},
	{"internal mail ends no wait",
	 {ASKS,
	  {.direction = DIRECTION_INTERNAL, .from = BOB, .msgid = "<2@x>", .to = {CUSTOMER},
	   .in_reply_to = "<q@x>", .match = MATCH_IN_REPLY_TO, .conversation = 1, .waiting = 1,
	   .since = 1}}},
	{"a customer without an address does not wait",
	 {{.direction = DIRECTION_IN, .from = NULL, .msgid = "<1@x>", .match = MATCH_NEW}}},
	{"a lost conversation is made again under its id",
	 {{FROM_CLIENT, .msgid = "<1@x>", .token = LOST, .match = MATCH_TOKEN, .started = 1,
	   .waiting = 1, .since = 1},
	  {FROM_JANE, .msgid = "<2@x>", .to = {CUSTOMER}, .own_id = LOST, .match = MATCH_OWN_ID,
	   .conversation = 1, .owner_then = JANE, .ended = 1}}},
	{"a related conversation that was lost is not noted",
	 {JANE_WRITES,
	  {FROM_CLIENT, .msgid = "<2@x>", .token = 1, .own_id = LOST, .match = MATCH_TOKEN,
	   .conversation = 1, .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1,
	   .since = 2}}},
	{"a reference comes from our side only, and the last one stays",
	 {JANE_WRITES,
	  {FROM_JANE, .msgid = "<2@x>", .to = {CUSTOMER}, .in_reply_to = "<j@x>",
	   .reference = "Sales Order SO-0001", .match = MATCH_IN_REPLY_TO, .conversation = 1,
	   .owner_then = JANE, .reference_then = "Sales Order SO-0001"},
	  {MACHINE_IN, .msgid = "<3@x>", .token = 1, .reference = "Sales Order SO-0002",
	   .match = MATCH_TOKEN, .conversation = 1, .is_known = true, .owner_then = JANE,
	   .reference_then = "Sales Order SO-0001"},
	  {.direction = DIRECTION_INTERNAL, .from = BOB, .msgid = "<4@x>", .token = 1,
	   .reference = "Sales Order SO-0003", .match = MATCH_TOKEN, .conversation = 1,
	   .owner_then = JANE, .reference_then = "Sales Order SO-0003"}}},
	{"when the answer bounces the wait runs again",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = "Customer@example.org",
	   .original = "<a@x>", .opens_none = true, .match = MATCH_REPORT, .conversation = 1,
	   .owner_then = JANE, .resumed = 1, .waiting = 1, .since = 1}}},
	{"what went to the customer before he asked is no later answer",
	 {JANE_WRITES,
	  {FROM_CLIENT, .msgid = "<q@x>", .token = 1, .match = MATCH_TOKEN, .conversation = 1,
	   .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1, .since = 2},
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE, .resumed = 1,
	   .waiting = 1, .since = 2}}},
	{"of two waits of one customer whose answers bounced the first runs again",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {FROM_CLIENT, .msgid = "<q2@x>", .in_reply_to = "<a@x>", .match = MATCH_IN_REPLY_TO,
	   .conversation = 1, .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1,
	   .since = 3},
	  {FROM_JANE, .msgid = "<a2@x>", .to = {CUSTOMER}, .in_reply_to = "<q2@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE},
	  {BOUNCE, .msgid = "<b2@x>", .report_token = 1, .failed = CUSTOMER,
	   .original = "<a2@x>", .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE,
	   .resumed = 1, .waiting = 1, .since = 1}}},
	{"a delayed answer is still an answer",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .action = "delayed",
	   .original = "<a@x>", .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE}}},
	{"a bounce of another recipient leaves the wait ended",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER, OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = OTHER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE}}},
	{"a bounce that names whom it was sent to beside the mailbox behind him",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER, OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = "mbox17@backend.example.org",
	   .also_failed = "Customer@example.org", .original = "<a@x>", .match = MATCH_REPORT,
	   .conversation = 1, .owner_then = JANE, .resumed = 1, .waiting = 1, .since = 1}}},
	{"the same without the id of the message",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {FROM_JANE, .msgid = "<a2@x>", .to = {OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = "mbox17@backend.example.org",
	   .also_failed = CUSTOMER, .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE,
	   .resumed = 1, .waiting = 1, .since = 1}}},
	{"a bounce of a list that was opened before us names who is on it",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER,
	   .also_failed = "buyers@company.test", .original = "<a@x>", .match = MATCH_REPORT,
	   .conversation = 1, .owner_then = JANE, .resumed = 1, .waiting = 1, .since = 1}}},
	{"mail to another that was passed on to him leaves his wait ended",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER, OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .also_failed = OTHER,
	   .original = "<a@x>", .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE}}},
	{"a bounce that names neither message nor recipient means the newest outbound one",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = "", .match = MATCH_REPORT,
	   .conversation = 1, .owner_then = JANE, .resumed = 1, .waiting = 1, .since = 1}}},
	{"a bounce without an id means the newest message to that recipient",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {FROM_JANE, .msgid = "<a2@x>", .to = {OTHER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER,
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE, .resumed = 1,
	   .waiting = 1, .since = 1}}},
	{"two answers: the wait runs again only when both have bounced",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {FROM_BOB, .msgid = "<a2@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = BOB},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = BOB},
	  {BOUNCE, .msgid = "<b2@x>", .report_token = 1, .failed = CUSTOMER,
	   .original = "<a2@x>", .match = MATCH_REPORT, .conversation = 1, .owner_then = BOB,
	   .resumed = 1, .waiting = 1, .since = 1}}},
	{"two answers that bounce in the other order: the same",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {FROM_BOB, .msgid = "<a2@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = BOB},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a2@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = BOB},
	  {BOUNCE, .msgid = "<b2@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = BOB, .resumed = 1,
	   .waiting = 1, .since = 1}}},
	{"a newer wait that runs is left alone by a bounce",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {FROM_CLIENT, .msgid = "<q2@x>", .in_reply_to = "<q@x>", .match = MATCH_IN_REPLY_TO,
	   .conversation = 1, .is_known = true, .owner_then = JANE, .started = 1, .waiting = 1,
	   .since = 3},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE, .waiting = 1, .since = 3}}},
	{"a bounce that arrives twice resumes once",
	 {ASKS,
	  {FROM_JANE, .msgid = "<a@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .owner_then = JANE, .resumed = 1,
	   .waiting = 1, .since = 1},
	  {FROM_JANE, .msgid = "<a2@x>", .to = {CUSTOMER}, .in_reply_to = "<q@x>",
	   .match = MATCH_IN_REPLY_TO, .conversation = 1, .owner_then = JANE, .ended = 1},
	  {BOUNCE, .msgid = "<b@x>", .report_token = 1, .failed = CUSTOMER, .original = "<a@x>",
	   .match = MATCH_REPORT, .conversation = 1, .is_repeat = true, .owner_then = JANE}}},
};
/* clang-format on */

struct stage {
	struct store *store;
	const char *story;
	int step; /* from 1 */
	int64_t conversations[STEPS_MAX + 1];
};

/* The story and the step stand before every failure. */
#define EXPECT(stage, claim)                                                                       \
	do {                                                                                       \
		if (!(claim))                                                                      \
			fail_msg("%s: step %d: not true: %s", (stage)->story, (stage)->step,       \
			         #claim);                                                          \
	} while (0)

static int64_t received_at(int step)
{
	return 1000 + 10 * step;
}

static int64_t conversation_of(const struct stage *stage, int step)
{
	if (step == LOST)
		return INT64_C(123456789) << 21;
	return step == 0 ? 0 : stage->conversations[step];
}

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void run_before(const struct stage *stage, const struct step *step)
{
	struct error err = {0};

	if (step->closes_first)
		EXPECT(stage, store_set_closed(stage->store, NULL, stage->conversations[1], true,
		                               1000, in_five_seconds(), &err) == 1);
	if (step->pins_first)
		EXPECT(stage, store_run(stage->store, "UPDATE conversation SET is_owner_pinned = 1",
		                        &err) == 0);
}

static void perform(const struct stage *stage, const struct step *step, struct recorded *recorded)
{
	struct match_id ids[3];
	const char *names[3];
	char own_id[32];
	struct record_failure failure = {step->failed, step->action ? step->action : "failed",
	                                 "5.1.1", "550 no such user", step->also_failed};
	bool is_human = step->class == CLASS_HUMAN;
	struct record record = {
		.direction = step->direction,
		.class = step->class,
		.rule = "none",
		.received_at = received_at(stage->step),
		.msgid = step->msgid,
		.from = step->from,
		.reply_to = step->reply_to,
		.subject = "An offer",
		.reference = step->reference,
		.owner = step->owner,
		.match = {.token_conversation = conversation_of(stage, step->token),
	                  .report_conversation = conversation_of(stage, step->report_token),
	                  .ids = ids,
	                  .is_outbound = step->direction == DIRECTION_OUT,
	                  .may_open = !step->opens_none},
		.names = names,
		.recipients = step->to,
		.adds_participants = step->direction == DIRECTION_OUT,
		.starts_wait = step->direction == DIRECTION_IN && is_human,
		.ends_waits = step->direction == DIRECTION_OUT && is_human,
		.reopens = step->direction == DIRECTION_IN && is_human,
		.failures = &failure,
		.failure_count = step->failed != NULL,
		.original_msgid = step->original,
		.queue_id = "4bXYZ",
	};

	if (step->own_id != 0) {
		snprintf(own_id, sizeof(own_id), "<own-%d@x>", step->own_id);
		ids[record.match.id_count++] = (struct match_id){
			own_id, MATCH_FROM_IN_REPLY_TO, conversation_of(stage, step->own_id)};
	}
	if (step->in_reply_to != NULL)
		ids[record.match.id_count++] =
			(struct match_id){step->in_reply_to, MATCH_FROM_IN_REPLY_TO, 0};
	if (step->references != NULL)
		ids[record.match.id_count++] =
			(struct match_id){step->references, MATCH_FROM_REFERENCES, 0};
	for (; record.name_count < record.match.id_count; record.name_count++)
		names[record.name_count] = ids[record.name_count].msgid;
	while (record.recipient_count < 3 && step->to[record.recipient_count] != NULL)
		record.recipient_count++;
	record_key(record.key, step->msgid, step->from, "today", step->direction, NULL, NULL, 0);
	record_ok(stage->store, &record, recorded);
}

static void check_recorded(const struct stage *stage, const struct step *step,
                           const struct recorded *recorded)
{
	int64_t expected = step->conversation != 0 ? conversation_of(stage, step->conversation)
	                   : step->token == LOST   ? conversation_of(stage, LOST)
	                                           : recorded->conversation;

	EXPECT(stage, recorded->status == (step->is_not_ours ? 1 : 0));
	if (recorded->reason != step->match)
		fail_msg("%s: step %d: match is %s, not %s", stage->story, stage->step,
		         match_reason_name(recorded->reason), match_reason_name(step->match));
	EXPECT(stage, recorded->conversation == expected);
	EXPECT(stage,
	       recorded->is_new_conversation == (step->conversation == 0 && !step->is_not_ours));
	EXPECT(stage, recorded->related == conversation_of(stage, step->related));
	EXPECT(stage, recorded->is_repeat == step->is_repeat);
	EXPECT(stage, recorded->is_known_sender == step->is_known);
	EXPECT(stage, is_same_text(recorded->owner, step->owner_then));
	EXPECT(stage, is_same_text(recorded->reference, step->reference_then));
	EXPECT(stage, recorded->waits_started == step->started);
	EXPECT(stage, recorded->waits_ended == step->ended);
	EXPECT(stage, recorded->waits_resumed == step->resumed);
	if (step->is_not_ours)
		return;
	EXPECT(stage, recorded->class == step->class);
	EXPECT(stage, is_same_text(recorded->rule, "none"));
	EXPECT(stage, step->is_repeat ? recorded->first_received_at < received_at(stage->step)
	                              : recorded->first_received_at == received_at(stage->step));
}

static void check_conversation(const struct stage *stage, const struct step *step,
                               int64_t conversation)
{
	struct conversation_row row;
	struct error err = {0};
	int found = store_get_conversation(stage->store, conversation, &row, &err);

	EXPECT(stage, found == !step->is_not_ours);
	if (found == 1) {
		EXPECT(stage, row.waiting_count == step->waiting);
		EXPECT(stage,
		       row.waiting_since == (step->since != 0 ? received_at(step->since) : 0));
		EXPECT(stage, row.is_closed == step->is_closed);
		EXPECT(stage, is_same_text(row.owner, step->owner_then));
		EXPECT(stage, step->is_repeat || row.updated_at == received_at(stage->step));
	}
	conversation_row_release(&row);
}

static void check_relation(const struct stage *stage, const struct step *step, int64_t conversation)
{
	struct error err = {0};
	int64_t *ids;
	size_t count;

	EXPECT(stage, store_list_related(stage->store, conversation, &ids, &count, &err) == 0);
	EXPECT(stage, count == (step->related != 0));
	EXPECT(stage, count == 0 || ids[0] == conversation_of(stage, step->related));
	free(ids);
}

static void each_story_ends_as_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct fixture fixture;
		struct stage stage = {.story = stories[i].name};

		fixture_begin(&fixture);
		fixture_open(&fixture);
		stage.store = fixture.store;
		for (int step = 1; step <= STEPS_MAX && stories[i].steps[step - 1].msgid; step++) {
			const struct step *told = &stories[i].steps[step - 1];
			struct recorded recorded;

			stage.step = step;
			run_before(&stage, told);
			perform(&stage, told, &recorded);
			stage.conversations[step] = recorded.conversation;
			check_recorded(&stage, told, &recorded);
			check_conversation(&stage, told, recorded.conversation);
			if (!told->is_repeat)
				check_relation(&stage, told, recorded.conversation);
			recorded_release(&recorded);
		}
		assert_no_scans(fixture.store, stage.story);
		fixture_end(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_story_ends_as_told),
	};

	return cmocka_run_group_tests_name("record stories", tests, NULL, NULL);
}
