#include "tests/unit/store_fixture.h"

#include "lib/store/query.h"

/* Where messages belong by what the store holds: each step of a story is one message. */

#define FIRST_AT INT64_C(1790000000)

struct step {
	const char *msgid;
	enum direction direction;
	const char *in_reply_to, *references; /* one id of each, or NULL */
	const char *date;
	const char *expected; /* match, and the letter of the conversation */
	char related;         /* of the conversation, 0: none */
};

static const struct {
	const char *sentence;
	struct step steps[5];
} stories[] = {
	{"two answers to a message that nobody saw join through the id that both name",
         {{"<1@x>", DIRECTION_IN, "<unseen@y>", NULL, "mon", "new a", 0},
          {"<2@x>", DIRECTION_IN, NULL, "<unseen@y>", "tue", "named a", 0}}},
	{"and so does that message when it comes at last",
         {{"<1@x>", DIRECTION_IN, "<unseen@y>", NULL, "mon", "new a", 0},
          {"<unseen@y>", DIRECTION_IN, NULL, NULL, "sun", "named a", 0},
          {"<3@x>", DIRECTION_IN, "<unseen@y>", NULL, "tue", "in-reply-to a", 0}}},
	{"an id in other letters is another id",
         {{"<Abc@x>", DIRECTION_IN, NULL, NULL, "mon", "new a", 0},
          {"<2@x>", DIRECTION_IN, "<abc@x>", NULL, "tue", "new b", 0},
          {"<3@x>", DIRECTION_IN, "<Abc@x>", NULL, "tue", "in-reply-to a", 0}}},
	{"of two conversations the nearer wins, the other is related, and both stay",
         {{"<1@x>", DIRECTION_IN, NULL, NULL, "mon", "new a", 0},
          {"<2@x>", DIRECTION_IN, NULL, NULL, "tue", "new b", 0},
          {"<3@x>", DIRECTION_IN, "<2@x>", "<1@x>", "wed", "in-reply-to b", 'a'},
          {"<4@x>", DIRECTION_IN, "<1@x>", NULL, "thu", "in-reply-to a", 0},
          {"<5@x>", DIRECTION_IN, "<3@x>", NULL, "fri", "in-reply-to b", 0}}},
	{"a stored id before one that is only named, which is related",
         {{"<1@x>", DIRECTION_IN, "<unseen@y>", NULL, "mon", "new a", 0},
          {"<2@x>", DIRECTION_IN, NULL, NULL, "tue", "new b", 0},
          {"<3@x>", DIRECTION_IN, "<unseen@y>", "<2@x>", "wed", "references b", 'a'}}},
	{"a message that names itself",
         {{"<1@x>", DIRECTION_IN, "<1@x>", "<1@x>", "mon", "new a", 0},
          {"<2@x>", DIRECTION_IN, "<1@x>", NULL, "tue", "in-reply-to a", 0}}},
	{"two that name each other",
         {{"<1@x>", DIRECTION_IN, "<2@x>", NULL, "mon", "new a", 0},
          {"<2@x>", DIRECTION_IN, "<1@x>", NULL, "tue", "in-reply-to a", 0},
          {"<3@x>", DIRECTION_IN, "<1@x>", "<2@x>", "wed", "in-reply-to a", 0}}},
	{"the copy of an internal message that comes back in",
         {{"<1@x>", DIRECTION_INTERNAL, NULL, NULL, "mon", "new a", 0},
          {"<1@x>", DIRECTION_IN, NULL, NULL, "mon", "named a", 0}}},
	{"the copy that went out of one that came in",
         {{"<1@x>", DIRECTION_IN, NULL, NULL, "mon", "new a", 0},
          {"<1@x>", DIRECTION_OUT, NULL, NULL, "mon", "named a", 0}}},
	{"another message under the same id is no copy",
         {{"<static@x>", DIRECTION_INTERNAL, NULL, NULL, "mon", "new a", 0},
          {"<static@x>", DIRECTION_IN, NULL, NULL, "tue", "new b", 0}}},
	{"even where a message named that id",
         {{"<static@x>", DIRECTION_IN, NULL, NULL, "mon", "new a", 0},
          {"<2@x>", DIRECTION_IN, "<static@x>", NULL, "tue", "in-reply-to a", 0},
          {"<static@x>", DIRECTION_IN, NULL, NULL, "wed", "new b", 0}}},
};

static void make_keys(struct record *record, const char *date)
{
	size_t copies = 0;

	record_key(record->key, record->msgid, record->from, date, record->direction, NULL, NULL,
	           0);
	for (int i = 0; i < DIRECTIONS; i++)
		if (i != (int)record->direction)
			record_key(record->copy_keys[copies++], record->msgid, record->from, date,
			           (enum direction)i, NULL, NULL, 0);
	record->has_copy_keys = true;
}

static char letter_of(int64_t *conversations, int64_t conversation)
{
	size_t i = 0;

	while (conversations[i] != 0 && conversations[i] != conversation)
		i++;
	conversations[i] = conversation;
	return conversation == 0 ? 0 : (char)('a' + i);
}

static void play(const char *sentence, struct store *store, const struct step *steps)
{
	int64_t conversations[8] = {0};

	for (size_t i = 0; i < 5 && steps[i].msgid != NULL; i++) {
		struct record record = record_of(steps[i].msgid, FIRST_AT + (int64_t)i);
		struct match_id ids[2];
		const char *names[2];
		struct recorded recorded;
		char found[40], related;

		record.direction = steps[i].direction;
		if (steps[i].in_reply_to != NULL)
			ids[record.match.id_count++] =
				(struct match_id){steps[i].in_reply_to, MATCH_FROM_IN_REPLY_TO, 0};
		if (steps[i].references != NULL)
			ids[record.match.id_count++] =
				(struct match_id){steps[i].references, MATCH_FROM_REFERENCES, 0};
		for (size_t j = 0; j < record.match.id_count; j++)
			names[record.name_count++] = ids[j].msgid;
		record.match.ids = ids;
		record.names = names;
		make_keys(&record, steps[i].date);
		record_ok(store, &record, &recorded);
		snprintf(found, sizeof(found), "%s %c", match_reason_name(recorded.reason),
		         letter_of(conversations, recorded.conversation));
		related = recorded.related != 0 ? letter_of(conversations, recorded.related) : 0;
		if (strcmp(found, steps[i].expected) != 0 || related != steps[i].related)
			fail_msg("%s: step %zu: %s, related %c", sentence, i + 1, found,
			         related != 0 ? related : '-');
		recorded_release(&recorded);
	}
}

static void each_message_in_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct fixture fixture;

		fixture_begin(&fixture);
		fixture_open(&fixture);
		play(stories[i].sentence, fixture.store, stories[i].steps);
		fixture_end(&fixture);
	}
}

static void what_is_related_is_listed_from_either_side(void **state)
{
	struct fixture fixture;
	struct error err;
	int64_t *ids;
	size_t count;
	(void)state;

	fixture_begin(&fixture);
	fixture_open(&fixture);
	play(stories[3].sentence, fixture.store, stories[3].steps);
	count_is(fixture.store, "SELECT count(*) FROM relation", 1);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 2);
	for (int i = 0; i < 2; i++) {
		int64_t conversation = 0;

		assert_int_equal(read_number(fixture.store,
		                             i == 0 ? "SELECT conversation FROM relation"
		                                    : "SELECT other FROM relation",
		                             &conversation, &err),
		                 0);
		assert_int_equal(
			store_list_related(fixture.store, conversation, &ids, &count, &err), 0);
		assert_int_equal(count, 1);
		free(ids);
	}
	fixture_end(&fixture);
}

/* Forms of two customers came with the same id, and staff answers each of them. */
static void of_a_shared_id_the_conversation_of_the_people_is_meant(void **state)
{
	static const char *const customers[] = {"anna@example.org", "otto@example.org",
	                                        "new@example.org"};
	const struct match_id id = {"<form@localhost>", MATCH_FROM_IN_REPLY_TO, 0};
	int64_t conversations[3];
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	for (size_t i = 0; i < 2; i++) {
		struct record record = record_of("<form@localhost>", FIRST_AT);
		struct recorded recorded;

		record.from = customers[i];
		record.adds_participants = true;
		make_keys(&record, "mon");
		record.has_copy_keys = false;
		record_ok(fixture.store, &record, &recorded);
		conversations[i] = recorded.conversation;
		recorded_release(&recorded);
	}
	assert_true(conversations[0] != conversations[1]);
	/* Nobody of hers is there: the first. */
	conversations[2] = conversations[0];
	for (size_t i = 0; i < 6; i++) {
		char msgid[] = "<answer-0@company.test>";
		bool is_out = i < 3;
		struct record record;
		struct recorded recorded;

		msgid[8] = (char)('0' + i);
		record = record_of(msgid, FIRST_AT + 1);
		record.direction = is_out ? DIRECTION_OUT : DIRECTION_IN;
		record.from = is_out ? "jane@company.test" : customers[i - 3];
		record.recipients = &customers[i % 3];
		record.recipient_count = is_out;
		record.match.ids = &id;
		record.match.id_count = 1;
		make_keys(&record, "tue");
		record_ok(fixture.store, &record, &recorded);
		if (recorded.conversation != conversations[i % 3])
			fail_msg("%s %s", is_out ? "to" : "from", customers[i % 3]);
		recorded_release(&recorded);
	}
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_in_its_place),
		cmocka_unit_test(what_is_related_is_listed_from_either_side),
		cmocka_unit_test(of_a_shared_id_the_conversation_of_the_people_is_meant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
