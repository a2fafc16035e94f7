#include "tests/unit/store_fixture.h"

#include <time.h>

#include "lib/net/connection.h"
#include "lib/store/alert.h"
#include "lib/store/letter.h"
#include "scheduler/letters.h"
#include "tests/unit/dialogue.h"

#define UNOWNED(text) ((char *)(text))

#define BEGINS                                                                                     \
	SAYS("220 mx.company.test ESMTP\r\n"), HEARS("EHLO localhost"),                            \
		SAYS("250 mx.company.test\r\n")
#define ACKNOWLEDGES                                                                               \
	BEGINS, HEARS("MAIL FROM:<>"), SAYS("250 Ok\r\n"), HEARS("RCPT TO:<customer@example.org>")
#define TELLS                                                                                      \
	BEGINS, HEARS("MAIL FROM:<postmaster@company.test>"), SAYS("250 Ok\r\n"),                  \
		HEARS("RCPT TO:<operator@company.test>")
#define TEXT                                                                                       \
	SAYS("250 Ok\r\n"), HEARS("DATA"), SAYS("354 End it\r\n"),                                 \
	{                                                                                          \
		STEP_TAKES, NULL, 0                                                                \
	}
#define TAKEN SAYS("250 2.0.0 Ok: queued as A1\r\n")

/* A store, and what the scheduler sends with. */
struct desk {
	struct fixture fixture;
	struct account account;
	struct config config;
	struct sending sending;
	struct letters letters;
	struct dialogue dialogue;
	char submit_to[32];
};

/* A customer writes to the account, which acknowledges it; or staff sends, up to the limit. */
static void make_letter(struct desk *desk, enum letter_kind kind, int64_t at)
{
	static const char *const recipients[] = {"a@example.org", "b@example.org"};
	char msgid[40];
	struct record record;
	struct recorded recorded;

	snprintf(msgid, sizeof(msgid), "<%lld@example.org>", (long long)at);
	record = record_of(msgid, at);
	record.account = desk->account.name;
	for (int64_t i = 1; kind == LETTER_SENDER_CAPPED && i <= 60; i++) {
		char earlier[40];
		struct record one;

		snprintf(earlier, sizeof(earlier), "<%lld.%lld@example.org>", (long long)at,
		         (long long)i);
		one = record_of(earlier, at);
		record_ok(desk->fixture.store, &one, &recorded);
		recorded_release(&recorded);
	}
	if (kind == LETTER_ACKNOWLEDGEMENT) {
		record.acknowledged_to = "Customer@example.org";
	} else if (kind != LETTER_SENDER_CAPPED) {
		record.direction = DIRECTION_OUT;
		record.starts_wait = false;
		record.counted = record.recipients = recipients;
		record.counted_count = record.recipient_count = 2;
		record.daily_limit = kind == LETTER_LIMIT_NEAR ? 3 : 2;
		record.daily_limit_warn = 2;
	}
	record_ok(desk->fixture.store, &record, &recorded);
	recorded_release(&recorded);
	/* Who reaches the limit passed the warning before. */
	if (kind == LETTER_LIMIT_REACHED && sqlite3_exec(desk->fixture.store->db,
	                                                 "DELETE FROM letter"
	                                                 " WHERE kind = 'limit-near'",
	                                                 NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(desk->fixture.store->db));
	count_is(desk->fixture.store, "SELECT count(*) FROM letter WHERE state = 'open'", 1);
}

/* With a Postfix that nobody can connect to. */
static void desk_begin_alone(struct desk *desk)
{
	memset(desk, 0, sizeof(*desk));
	fixture_begin(&desk->fixture);
	fixture_open(&desk->fixture);
	strcpy(desk->submit_to, "127.0.0.1:1");
	desk->account = (struct account){
		.name = UNOWNED("Support"),
		.is_enabled = true,
		.is_incoming = true,
		.address = UNOWNED("support@company.test"),
		.domain = UNOWNED("company.test"),
		.display_name = UNOWNED("Support"),
		.acknowledge_text = UNOWNED("We have got it.\n"),
		.daily_limit = 3,
	};
	desk->config = (struct config){
		.alert_from = UNOWNED("postmaster@company.test"),
		.operator_address = UNOWNED("operator@company.test"),
		.delimiter = UNOWNED("+"),
		.submit_to = desk->submit_to,
		.commit_timeout_ms = 1000,
		.accounts = &desk->account,
		.account_count = 1,
	};
	desk->sending = (struct sending){.config = &desk->config,
	                                 .keys = {.keys = {{.id = 'c'}}, .count = 1},
	                                 .store = desk->fixture.store};
}

static void desk_begin(struct desk *desk, const struct step *script)
{
	desk_begin_alone(desk);
	dialogue_begin(&desk->dialogue);
	dialogue_add(&desk->dialogue, script);
	snprintf(desk->submit_to, sizeof(desk->submit_to), "127.0.0.1:%u", desk->dialogue.port);
}

static void desk_end(struct desk *desk)
{
	sending_rest(&desk->sending);
	fixture_end(&desk->fixture);
}

static int send_next(struct desk *desk, int64_t now)
{
	struct error err = {0};
	int status = letters_send_next(&desk->letters, &desk->sending, now, &err);

	if (status < 0)
		fail_msg("%s", err.text);
	assert_false(desk->letters.outcome.is_unsaved);
	return status;
}

static int64_t next_at(struct desk *desk)
{
	struct error err = {0};
	int64_t at = -1;

	if (store_next_letter(desk->fixture.store, &at, &err) < 0)
		fail_msg("%s", err.text);
	return at;
}

static int64_t letter_id(struct desk *desk)
{
	struct error err = {0};
	int64_t id = 0;

	if (read_number(desk->fixture.store, "SELECT id FROM letter", &id, &err) < 0)
		fail_msg("%s", err.text);
	return id;
}

/* A heap string. */
static char *state_of_letter(struct desk *desk)
{
	sqlite3_stmt *query;
	char *found = NULL;

	assert_int_equal(sqlite3_prepare_v2(desk->fixture.store->db, "SELECT state FROM letter", -1,
	                                    &query, NULL),
	                 SQLITE_OK);
	if (sqlite3_step(query) == SQLITE_ROW)
		found = strdup((const char *)sqlite3_column_text(query, 0));
	sqlite3_finalize(query);
	assert_non_null(found);
	return found;
}

enum change { NOTHING, DISABLED, SILENT, OUTGOING_ONLY, RENAMED, UNLIMITED };

static void change_account(struct account *account, enum change change)
{
	switch (change) {
	case DISABLED:
		account->is_enabled = false;
		break;
	case SILENT:
		account->acknowledge_text = NULL;
		break;
	case OUTGOING_ONLY:
		account->is_incoming = false;
		break;
	case RENAMED:
		account->name = UNOWNED("Help");
		break;
	case UNLIMITED:
		account->daily_limit = 0;
		break;
	case NOTHING:
		break;
	}
}

static void each_ends_as_it_should(void **state)
{
	static const struct {
		const char *sentence;
		enum letter_kind kind;
		enum change change;
		int64_t age;
		struct step script[16];
		const char *state; /* of the letter */
		const char *sent;  /* a part of the mail, or NULL */
	} rows[] = {
		{"an acknowledgement goes to the customer, from the null sender",
	         LETTER_ACKNOWLEDGEMENT,
	         NOTHING,
	         0,
	         {ACKNOWLEDGES, TEXT, TAKEN},
	         "sent",
	         "\nWe have got it.\r\n"},
		{"it is refused for good",
	         LETTER_ACKNOWLEDGEMENT,
	         NOTHING,
	         0,
	         {ACKNOWLEDGES, SAYS("550 5.1.1 nobody\r\n"), HEARS("RSET"), SAYS("250 Ok\r\n")},
	         "dropped",
	         NULL},
		{"it is refused for now",
	         LETTER_ACKNOWLEDGEMENT,
	         NOTHING,
	         0,
	         {ACKNOWLEDGES, SAYS("450 4.2.1 later\r\n"), HEARS("RSET"), SAYS("250 Ok\r\n")},
	         "open",
	         NULL},
		{"nobody knows whether it was taken",
	         LETTER_ACKNOWLEDGEMENT,
	         NOTHING,
	         0,
	         {ACKNOWLEDGES, TEXT, {STEP_HANGS_UP, NULL, 0}},
	         "open",
	         "\nWe have got it.\r\n"},
		{"almost a day old",
	         LETTER_ACKNOWLEDGEMENT,
	         NOTHING,
	         86399,
	         {ACKNOWLEDGES, TEXT, TAKEN},
	         "sent",
	         "\nWe have got it.\r\n"},
		{"a day old",
	         LETTER_ACKNOWLEDGEMENT,
	         NOTHING,
	         86400,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
		{"its account was disabled",
	         LETTER_ACKNOWLEDGEMENT,
	         DISABLED,
	         0,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
		{"its account has another name",
	         LETTER_ACKNOWLEDGEMENT,
	         RENAMED,
	         0,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
		{"its account acknowledges no more",
	         LETTER_ACKNOWLEDGEMENT,
	         SILENT,
	         0,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
		{"its account has no incoming side any more",
	         LETTER_ACKNOWLEDGEMENT,
	         OUTGOING_ONLY,
	         0,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
		{"it needs no limit",
	         LETTER_ACKNOWLEDGEMENT,
	         UNLIMITED,
	         0,
	         {ACKNOWLEDGES, TEXT, TAKEN},
	         "sent",
	         "\nWe have got it.\r\n"},
		{"the operator is told of a limit that is near",
	         LETTER_LIMIT_NEAR,
	         NOTHING,
	         0,
	         {TELLS, TEXT, TAKEN},
	         "sent",
	         "has sent to 2 of the 3 recipients"},
		{"and of one that is reached, also of an account that only sends",
	         LETTER_LIMIT_REACHED,
	         OUTGOING_ONLY,
	         0,
	         {TELLS, TEXT, TAKEN},
	         "sent",
	         "From now on"},
		{"the operator's address is wrong",
	         LETTER_LIMIT_REACHED,
	         NOTHING,
	         0,
	         {TELLS, SAYS("550 5.1.1 nobody\r\n"), HEARS("RSET"), SAYS("250 Ok\r\n")},
	         "dropped",
	         NULL},
		{"the operator is told of a sender past a cap, whatever became of the account",
	         LETTER_SENDER_CAPPED,
	         DISABLED,
	         0,
	         {TELLS, TEXT, TAKEN},
	         "sent",
	         "has sent more than 60 messages within 10 min."},
		{"that was a day ago",
	         LETTER_SENDER_CAPPED,
	         NOTHING,
	         86400,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
		{"the limit is gone",
	         LETTER_LIMIT_REACHED,
	         UNLIMITED,
	         0,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
		{"the limit was yesterday's",
	         LETTER_LIMIT_NEAR,
	         NOTHING,
	         86400,
	         {{STEP_END, NULL, 0}},
	         "dropped",
	         NULL},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t now = time(NULL);
		struct desk desk;
		char *heard, *found;

		desk_begin(&desk, rows[i].script);
		dialogue_start(&desk.dialogue);
		make_letter(&desk, rows[i].kind, now - rows[i].age);
		change_account(&desk.account, rows[i].change);
		assert_int_equal(send_next(&desk, now), 1);
		found = state_of_letter(&desk);
		if (strcmp(found, rows[i].state) != 0)
			fail_msg("%s: %s", rows[i].sentence, found);
		free(found);
		assert_int_equal(send_next(&desk, now), 0);
		sending_rest(&desk.sending);
		if (rows[i].sent != NULL && strstr(desk.dialogue.taken.data, rows[i].sent) == NULL)
			fail_msg("%s: %s", rows[i].sentence, desk.dialogue.taken.data);
		heard = dialogue_end(&desk.dialogue);
		if (rows[i].script[0].kind == STEP_END && desk.dialogue.heard_bytes > 0)
			fail_msg("%s: it was sent", rows[i].sentence);
		if (rows[i].script[0].kind != STEP_END && desk.dialogue.complaint[0] != '\0')
			fail_msg("%s: %s", rows[i].sentence, desk.dialogue.complaint);
		free(heard);
		desk_end(&desk);
	}
}

static void a_try_that_failed_is_put_off_longer_each_time(void **state)
{
	static const int64_t pauses_s[] = {60, 120};
	int64_t now = time(NULL), at;
	struct desk desk;
	(void)state;

	desk_begin_alone(&desk);
	make_letter(&desk, LETTER_ACKNOWLEDGEMENT, now);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(send_next(&desk, now + 1000), 1);
		at = next_at(&desk) - time(NULL);
		if (at < pauses_s[i] - 2 || at > pauses_s[i])
			fail_msg("after %zu tries: %lld s", i + 1, (long long)at);
	}
	desk_end(&desk);
}

static void what_fails_in_a_row_makes_the_others_wait(void **state)
{
	int64_t now = time(NULL), tried = 0;
	struct desk desk;
	(void)state;

	desk_begin_alone(&desk);
	make_letter(&desk, LETTER_ACKNOWLEDGEMENT, now);
	while (tried < 10 && send_next(&desk, now + 10000) == 1)
		tried++;
	assert_int_equal(tried, 3);
	assert_true(sending_is_held(&desk.sending));
	count_is(desk.fixture.store, "SELECT attempts FROM letter", 3);
	desk_end(&desk);
}

static void how_one_ended_is_told_again_when_the_store_did_not_hear_it(void **state)
{
	int64_t now = time(NULL);
	struct error err = {0};
	struct desk desk;
	(void)state;

	desk_begin_alone(&desk);
	make_letter(&desk, LETTER_ACKNOWLEDGEMENT, now);
	assert_int_equal(letters_save(&desk.letters, &desk.sending, &err), 0);
	count_is(desk.fixture.store, "SELECT count(*) FROM letter WHERE state = 'open'", 1);
	desk.letters.outcome = outcome_end(letter_id(&desk), false);
	assert_int_equal(letters_save(&desk.letters, &desk.sending, &err), 0);
	assert_false(desk.letters.outcome.is_unsaved);
	count_is(desk.fixture.store, "SELECT count(*) FROM letter WHERE state = 'sent'", 1);
	assert_true(next_at(&desk) == DUE_NEVER);
	desk_end(&desk);
}

static int start_up(void **state)
{
	(void)state;
	connection_start_up();
	return 0;
}

static int shut_down(void **state)
{
	(void)state;
	connection_shut_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_ends_as_it_should),
		cmocka_unit_test(a_try_that_failed_is_put_off_longer_each_time),
		cmocka_unit_test(what_fails_in_a_row_makes_the_others_wait),
		cmocka_unit_test(how_one_ended_is_told_again_when_the_store_did_not_hear_it),
	};

	return cmocka_run_group_tests(tests, start_up, shut_down);
}
