#ifndef REJOINDER_TESTS_NOTICE_FIXTURE_H
#define REJOINDER_TESTS_NOTICE_FIXTURE_H

#include "scheduler/compose.h"
#include "tests/unit/composed_fixture.h"

/* Notices made into mail. */

#define NOTICE INT64_C(77)

static const struct account notice_accounts[] = {
	{
		.name = UNOWNED("Replies"),
		.is_enabled = true,
		.is_incoming = true,
		.address = UNOWNED("replies@company.test"),
		.domain = UNOWNED("company.test"),
	},
};
static const struct config notice_config = {
	.delimiter = UNOWNED("+"),
	.alert_from = UNOWNED("postmaster@company.test"),
	.accounts = (struct account *)notice_accounts,
	.account_count = 1,
};

static inline struct notice_item plain_item(void)
{
	return (struct notice_item){
		.wait = 1,
		.conversation = CONVERSATION,
		.started_at = NOW - 45 * 60,
		.is_running = true,
		.customer = UNOWNED("customer@example.org"),
		.subject = UNOWNED("Question about the order"),
		.reference = UNOWNED("Sales Order SO-0001"),
		.account = UNOWNED("Replies"),
		.msgid = UNOWNED("<1@example.org>"),
		.text = UNOWNED("Where is it?\n\nCustomer"),
	};
}

/* The mail about those of these items that are selected, a heap string. clocks: or NULL. */
static inline char *compose_with(struct notice_item *items, const struct compose_clock *clocks,
                                 size_t count, const struct config *config)
{
	struct notice notice = {.id = NOTICE,
	                        .recipient = UNOWNED("boss@company.test"),
	                        .created_at = NOW - 5,
	                        .items = items,
	                        .item_count = count};
	const struct notice_item **selected = xreallocarray(NULL, count, sizeof(*selected));
	const struct compose_context context = {config, &keys, NOW};
	struct buffer out;

	buffer_init(&out, COMPOSED_MAX_BYTES);
	count = compose_select(&notice, selected);
	compose_timed_notice(&out, &notice, selected, clocks, count, &context);
	assert_false(out.is_full);
	free(selected);
	return buffer_take(&out);
}

static inline char *compose(struct notice_item *items, size_t count)
{
	return compose_with(items, NULL, count, &notice_config);
}

#endif
