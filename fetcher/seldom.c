#include "fetcher/seldom.h"

unsigned seldom_due(struct seldom *seldom, int64_t now_ms)
{
	unsigned count = seldom->since + 1;

	if (seldom->logged_at_ms != 0 && now_ms - seldom->logged_at_ms < SELDOM_MS) {
		seldom->since = count;
		return 0;
	}
	seldom->logged_at_ms = now_ms;
	seldom->since = 0;
	return count;
}
