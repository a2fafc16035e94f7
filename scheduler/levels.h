#ifndef REJOINDER_SCHEDULER_LEVELS_H
#define REJOINDER_SCHEDULER_LEVELS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/list.h"
#include "lib/conversation/clock.h"
#include "lib/store/alert.h"

/*
 * The alert levels of the configuration, applied to waits: when the next one is
 * passed, and who is to be told which of those that were, in how many mails and from
 * when on.  Pure.
 *
 * A wait's level counts what it has passed of all that its account says: the
 * warning, the levels and their repetitions, in the order in which this wait passes them.
 */

#define LEVEL_LATE_S 120 /* passed longer ago: nobody could tell in time */

/*
 * Set due_at to when the wait passes its next level, or is told of again after a snooze; DUE_NEVER
 * if its account has none.
 */
void levels_plan(const struct config *config, struct planned_wait *wait);

/*
 * Do two configurations let any wait pass its levels at other times?  Quiet hours
 * and digests do not matter: they hold when something is passed.
 */
bool levels_differ(const struct config *config, const struct config *other);

/* What a wait passed, as the configuration has it now. */
struct told_level {
	enum clock_kind kind;
	const struct alert_level *level; /* that was passed, warned of or repeated */
	int64_t passes_at;        /* when the wait passes it, or did; of a repetition its own */
	int repeat, repeat_count; /* which repetition, from 1, and of how many; 0: it is none */
};

/* Find the item's level. False: there is none any more, or it is of a snooze's end or a digest. */
bool levels_find(const struct config *config, const struct notice_item *item,
                 struct told_level *out);

/* Who is told of a level: a recipient of it, which may be the word owner. */
const char *levels_recipient(const struct config *config, const struct notice_item *item,
                             const char *recipient);

/*
 * When to try again to send a notice for which that is wanted at retry_at: the end of quiet
 * hours, if those of the accounts of all its waits that still run hold then and none is
 * told of an urgent level; else retry_at.
 */
int64_t levels_retry_at(const struct config *config, const struct notice *notice, int64_t retry_at);

/* What is passed at one moment, for store_create_notices(). */
struct passed_list {
	struct passed_level *items;
	size_t count;
	size_t group_count;

	size_t capacity;
	struct string_list recipients; /* each once; the items point to these */
};

/*
 * List the levels that these waits have passed at `now`, a row for each (wait,
 * level, recipient), and move the waits on to the next one.  The word owner is the
 * conversation's owner if he is staff, else the account's address.
 *
 * Rows of one wait and recipient are one group, thus one mail.  If it is quiet now
 * for the account and none of them is urgent, they are told at the end of that (not_before).
 * Else those that are all late (LEVEL_LATE_S) share a group with all other such
 * rows of the recipient: a digest.
 *
 * Returns how many waits passed any; the others stand behind them, planned anew.
 */
size_t levels_pass(const struct config *config, struct planned_wait *waits, size_t count,
                   int64_t now, struct passed_list *list);

/*
 * List who is to be told of these waits by the daily digest of an account: a row
 * for each (wait, recipient) with the level of that day, one group a recipient.
 */
void levels_digest(const struct config *config, const struct account *account,
                   const struct planned_wait *waits, size_t count, int64_t day, int64_t now,
                   struct passed_list *list);

/*
 * List who is to be told in place of a recipient whom Postfix refuses: the
 * address of each wait's account, or alert_from if that is the one refused;
 * nobody if both are.  A row for each item of the notice, one mail a recipient.
 */
void levels_stand_in(const struct config *config, const struct notice *notice,
                     struct passed_list *list);
void passed_list_release(struct passed_list *list);

#endif
