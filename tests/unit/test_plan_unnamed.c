#include "tests/unit/plan_fixture.h"

/* Which messages without a Message-ID are the same one. */

static const char configuration[] = "[rejoinder]\n"
				    "domains = company.test\n"
				    "[account \"Replies\"]\n"
				    "address = replies@company.test\n"
				    "incoming = yes\n"
				    "outgoing = yes\n"
				    "default_incoming = yes\n"
				    "default_outgoing = yes\n"
				    "senders = jane@company.test\n";

#define DATED   "From: jane@company.test\nSubject: Shipped\nDate: today\n"
#define UNDATED "From: jane@company.test\nSubject: Shipped\n"
#define INBOUND "From: shop@example.org\nSubject: Alarm\n"
#define NAMED   INBOUND "Message-ID: <1@example.org>\n"

static const struct {
	const char *sentence;
	const char *header, *rcpts, *other_rcpts;
	int64_t apart_s;
	bool is_same;
} rows[] = {
	{"sent again at once", UNDATED, "anna@example.org", "anna@example.org", 60, true},
	{"sent again an hour later", UNDATED, "anna@example.org", "anna@example.org", 3600, false},
	{"with a Date it stays the same", DATED, "anna@example.org", "anna@example.org", 86400,
         true},
	{"to somebody else", UNDATED, "anna@example.org", "otto@example.org", 0, false},
	{"to somebody else in the same second", DATED, "anna@example.org", "otto@example.org", 0,
         false},
	{"to one more", DATED, "anna@example.org", "anna@example.org otto@example.org", 0, false},
	{"an alarm that comes each month", INBOUND, "replies@company.test", "replies@company.test",
         2592000, false},
	{"one with an id, whoever it goes to", NAMED, "replies@company.test",
         "replies@company.test jane@company.test", 2592000, true},
};

static int set_up(void **state)
{
	(void)state;
	return load_policy(configuration);
}

static void read_key(const struct row *row, int64_t at, unsigned char key[DIGEST_BYTES],
                     char **msgid_out)
{
	struct mail *mail = mail_of_row(row);
	struct plan plan;

	mail->received_at = at;
	mail_read_header(mail);
	plan_route(&plan, mail);
	mail_read_body(mail);
	plan_record(&plan, mail);
	memcpy(key, plan.record.key, DIGEST_BYTES);
	*msgid_out = xstrdup(plan.record.msgid);
	plan_release(&plan);
	mail_free(mail);
}

static void those_to_others_and_of_other_times_are_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_outbound = strncmp(rows[i].header, INBOUND, strlen(INBOUND)) != 0;
		struct row row = {.sender = is_outbound ? "jane@company.test" : "shop@example.org",
		                  .who = is_outbound ? STAFF : OUTSIDE,
		                  .rcpts = rows[i].rcpts,
		                  .header = rows[i].header,
		                  .body = "It is.\n"};
		/* The begin of an hour. */
		const int64_t first = NOW / 3600 * 3600;
		unsigned char keys[2][DIGEST_BYTES];
		char *msgids[2];

		read_key(&row, first, keys[0], &msgids[0]);
		row.rcpts = rows[i].other_rcpts;
		read_key(&row, first + rows[i].apart_s, keys[1], &msgids[1]);
		if ((memcmp(keys[0], keys[1], DIGEST_BYTES) == 0) != rows[i].is_same)
			fail_msg("%s: the key says otherwise", rows[i].sentence);
		if (is_outbound && (strcmp(msgids[0], msgids[1]) == 0) != rows[i].is_same)
			fail_msg("%s: the added Message-ID says otherwise", rows[i].sentence);
		free(msgids[0]);
		free(msgids[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_to_others_and_of_other_times_are_others),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
