#include "scheduler/digests.h"

#include <stdlib.h>

#include "lib/base/memory.h"
#include "lib/conversation/clock.h"
#include "lib/store/alert.h"
#include "scheduler/levels.h"
#include "scheduler/sending.h"

static int create_digest(const struct config *config, const struct account *account,
                         struct store *store, int64_t day, int64_t now, struct error *err)
{
	struct planned_wait *waits;
	struct passed_list list;
	size_t count;
	int status;

	if (store_list_waiting(store, account->name, DIGEST_WAITS_MAX, &waits, &count, err) < 0)
		return -1;
	levels_digest(config, account, waits, count, day, now, &list);
	status = store_create_digest(store, account->name, day, list.items, list.count, now,
	                             sending_write_deadline(), err);
	passed_list_release(&list);
	planned_waits_free(waits, count);
	return status;
}

/* What is due of one account, and when it is again. */
static int work_on(const struct config *config, const struct account *account, struct store *store,
                   int64_t now, int64_t *next_at_out, struct error *err)
{
	int64_t day =
		clock_daily(config_zone(config, account), account->digest.minute, now, next_at_out);
	int64_t last;
	int found = store_digest_day(store, account->name, &last, err);

	if (found < 0)
		return -1;
	/* A later day may be that of another zone; one further on was said by a wrong clock. */
	if (found > 0 && last >= day && last <= day + 1)
		return 0;
	return create_digest(config, account, store, day, now, err);
}

int digests_create(struct digests *digests, const struct config *config, struct store *store,
                   int64_t now, int64_t *next_at_out, struct error *err)
{
	*next_at_out = INT64_MAX;
	if (digests->next_at == NULL)
		digests->next_at = xzalloc((config->account_count + 1) * sizeof(*digests->next_at));
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		int64_t *next_at = &digests->next_at[i];
		int64_t at;

		if (!account->is_enabled || account->digest.recipients.count == 0)
			continue;
		if (*next_at <= now) {
			if (work_on(config, account, store, now, &at, err) < 0)
				return -1;
			*next_at = at;
		}
		if (*next_at < *next_at_out)
			*next_at_out = *next_at;
	}
	return 0;
}

void digests_release(struct digests *digests)
{
	free(digests->next_at);
	*digests = (struct digests){0};
}
