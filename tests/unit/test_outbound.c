#include "tests/unit/plan_fixture.h"

/* The keys of an outgoing account, one after the other. */

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"senders = jane@company.test\n"
	"bcc = archive@company.test, audit@example.net, ARCHIVE@company.test\n"
	"[account \"Support\"]\n"
	"address = support@company.test\n"
	"incoming = yes\n"
	"[account \"Desk\"]\n"
	"address = desk@company.test\n"
	"outgoing = yes\nfrom = account\n"
	"reply_to_address = help@company.test\n"
	"[account \"Team\"]\n"
	"address = team@company.test\n"
	"outgoing = yes\n"
	"reply_to_address = Support@company.test\n"
	"[account \"Plain\"]\n"
	"address = plain@company.test\n"
	"outgoing = yes\nreply_to = plain\n"
	"reply_to_address = support@company.test\n"
	"[account \"Away\"]\n"
	"address = away@company.test\n"
	"enabled = no\nincoming = yes\n"
	"[account \"Holiday\"]\n"
	"address = holiday@company.test\n"
	"outgoing = yes\n"
	"reply_to_address = away@company.test\n"
	"[account \"Loop\"]\n"
	"address = loop@company.test\n"
	"outgoing = yes\n"
	"reply_to_address = desk@company.test\n"
	"[account \"Always\"]\n"
	"address = always@company.test\n"
	"incoming = yes\noutgoing = yes\n"
	"replies_always = yes\n"
	"[account \"Strict\"]\n"
	"address = strict@company.test\n"
	"incoming = yes\noutgoing = yes\nfrom = account\n"
	"senders = bob@company.test, fred@company.test\n"
	"exclude_senders = fred@company.test\n"
	"no_reply_to_for = @picky.example, one@example.org\n"
	"[account \"Inbox\"]\n"
	"address = inbox@company.test\n"
	"incoming = yes\nreply_to = plain\n"
	"[account \"Nosub\"]\n"
	"address = nosub@company.test\n"
	"outgoing = yes\nreply_to_address = inbox@company.test\n"
	"[account \"Service\"]\n"
	"address = us@service.example\n"
	"outgoing = yes\nfrom = account\nrelay = smtp://smtp.service.example\n"
	"senders = fred@company.test\n";

static int set_up(void **state)
{
	(void)state;
	return load_policy(configuration);
}

#define FROM(who) "From: " who "@company.test\n" HUMAN
#define OUR_ID    "insert References: <@T@@company.test>\n"
#define COPIES    "to archive@company.test\nto audit@example.net\n"
#define TO_JANE   "insert Reply-To: Jane Doe <replies+@T@@company.test>\n"

static const struct row rows[] = {
	{"who gets a copy is added to the envelope, each once", STAFF, "jane@company.test",
         "customer@example.org", JANE, NULL, ROUTE_OUTBOUND, NULL, TO_JANE OUR_ID COPIES},
	{"but not who gets the message anyway", STAFF, "jane@company.test",
         "customer@example.org Archive@Company.TEST", JANE, NULL, ROUTE_OUTBOUND, NULL,
         TO_JANE OUR_ID "to audit@example.net\n"},
	{"copies are added before a field or a token goes", STAFF, "jane@company.test",
         "customer@example.org replies+@T@@company.test",
         "Rejoinder-Reference: SO-1\nReferences: <@T@@company.test>\n" JANE, NULL, ROUTE_OUTBOUND,
         NULL, TO_JANE COPIES "delete Rejoinder-Reference 1\nnot to replies+@T@@company.test\n"},
	{"tracked mail leaves under no account: no copies", STAFF, "eve@company.test",
         "customer@example.org replies+@T@@company.test", FROM("eve"), NULL, ROUTE_TRACKED, NULL,
         "not to replies+@T@@company.test\n"},
	{"mail between staff neither", STAFF, "jane@company.test", "support@company.test", JANE,
         NULL, ROUTE_INTERNAL, NULL,
         "insert Rejoinder-Sender: stranger\ninsert Rejoinder-Class: human; rule=none\n"
         "insert Rejoinder-Match: token\ninsert Rejoinder-Conversation: @C@\n"},

	{"reply_to_address that is no account of ours stands bare", STAFF, "erp@company.test",
         "customer@example.org", "From: Desk <desk@company.test>\n" HUMAN, NULL, ROUTE_OUTBOUND,
         NULL,
         "insert Reply-To: Desk <help@company.test>\nsender desk@company.test\n"
         "set From 1: Desk <desk@company.test>\n" OUR_ID},
	{"that is an incoming account's gets that account's token", STAFF, "team@company.test",
         "customer@example.org", FROM("team"), NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: support+@T@@company.test\n" OUR_ID},
	{"unless the token is not wanted", STAFF, "plain@company.test", "customer@example.org",
         FROM("plain"), NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: support@company.test\n" OUR_ID},
	{"or knows no sub-addresses where it would arrive", STAFF, "nosub@company.test",
         "customer@example.org", FROM("nosub"), NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: inbox@company.test\n" OUR_ID},
	{"from an address at a service answers come to ours, under ids of ours", STAFF,
         "fred@company.test", "customer@example.org", "From: Fred <fred@company.test>\n" HUMAN,
         NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: Fred <replies+@T@@company.test>\nsender us@service.example\n"
         "set From 1: Fred <us@service.example>\n" OUR_ID},
	{"mail to that address alone stays inside", STAFF, "jane@company.test",
         "us@service.example", JANE, NULL, ROUTE_PASS, NULL, NULL},
	{"of an account that is disabled it stands bare", STAFF, "holiday@company.test",
         "customer@example.org", FROM("holiday"), NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: away@company.test\n" OUR_ID},
	{"and of one that takes no mail in", STAFF, "loop@company.test", "customer@example.org",
         FROM("loop"), NULL, ROUTE_OUTBOUND, NULL, "insert Reply-To: desk@company.test\n" OUR_ID},
	{"a Reply-To that is an account of ours goes before it", STAFF, "team@company.test",
         "customer@example.org", FROM("team") "Reply-To: replies@company.test\n", NULL,
         ROUTE_OUTBOUND, NULL, "set Reply-To 1: replies+@T@@company.test\n" OUR_ID},
	{"a foreign Reply-To still stops rewriting", STAFF, "team@company.test",
         "customer@example.org", FROM("team") "Reply-To: team@home.example\n", NULL, ROUTE_PASS,
         NULL, NULL},

	{"replies_always replaces a foreign Reply-To", STAFF, "always@company.test",
         "customer@example.org",
         FROM("always") "Reply-To: a@home.example, b@home.example\nReply-To: c@home.example\n",
         NULL, ROUTE_OUTBOUND, NULL,
         "set Reply-To 1: always+@T@@company.test\ndelete Reply-To 2\n" OUR_ID},
	{"and one of another account", STAFF, "always@company.test", "customer@example.org",
         FROM("always") "Reply-To: support@company.test\n", NULL, ROUTE_OUTBOUND, NULL,
         "set Reply-To 1: always+@T@@company.test\n" OUR_ID},
	{"and adds one where there is none", STAFF, "always@company.test", "customer@example.org",
         FROM("always"), NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: always+@T@@company.test\n" OUR_ID},

	{"no_reply_to_for: none is added, the rest is as ever", STAFF, "bob@company.test",
         "customer@example.org Box@Picky.example", FROM("bob"), NULL, ROUTE_OUTBOUND, NULL,
         "sender strict@company.test\nset From 1: strict@company.test\n" OUR_ID},
	{"and one that is there stays", STAFF, "bob@company.test", "one@example.org",
         FROM("bob") "Reply-To: bob@company.test\n", NULL, ROUTE_OUTBOUND, NULL,
         "sender strict@company.test\nset From 1: strict@company.test\n" OUR_ID},
	{"other recipients get it", STAFF, "bob@company.test", "two@example.org", FROM("bob"), NULL,
         ROUTE_OUTBOUND, NULL,
         "insert Reply-To: strict+@T@@company.test\n"
         "sender strict@company.test\nset From 1: strict@company.test\n" OUR_ID},
};

static void what_an_account_makes_of_its_mail(void **state)
{
	(void)state;
	check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_account_makes_of_its_mail),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
