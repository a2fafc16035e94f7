#include "ctl/stats.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/base/option_value.h"

#define SINCE_DEFAULT "30d"
#define EXPECTED      "30d, 12h, a day like 2026-11-01, or a moment like 2026-11-01T09:00 (local time)"

#define MINUTE_S 60
#define HOUR_S   3600
#define DAY_S    86400

struct request {
	bool is_json, is_csv;
	const char *account; /* as the configuration spells it if it does, or NULL */
	int64_t since, now;
};

unsigned stats_percent(size_t at)
{
	static const unsigned percents[STATS_PERCENTS] = {50, 90, 95, 99};

	return percents[at];
}

const struct alert_levels *stats_levels(const struct stats_view *view)
{
	static const struct alert_levels none = {0};

	return view->account != NULL && view->account->is_enabled ? &view->account->alerts : &none;
}

struct stats_share stats_share(const struct stats_view *view, const struct alert_level *level)
{
	const struct durations *durations =
		level->is_business ? &view->stats->business : &view->stats->wall;

	return (struct stats_share){durations->count, durations_within(durations, level->after_s)};
}

char *stats_level_name(const struct alert_level *level)
{
	static const struct option seconds = {.type = OPTION_DURATION, .unit = UNIT_SECONDS};
	struct buffer name;

	buffer_init(&name, 64);
	option_format_duration(&seconds, level->after_s, &name);
	buffer_append_text(&name, level->is_business ? " business" : "");
	return buffer_take(&name);
}

void stats_bars(const struct durations *durations, struct stats_bar bars_out[STATS_BARS])
{
	static const struct {
		const char *name;
		int64_t up_to_s;
	} ends[STATS_BARS] = {
		{"1m", MINUTE_S},       {"2m", 2 * MINUTE_S},   {"5m", 5 * MINUTE_S},
		{"15m", 15 * MINUTE_S}, {"30m", 30 * MINUTE_S}, {"1h", HOUR_S},
		{"2h", 2 * HOUR_S},     {"4h", 4 * HOUR_S},     {"8h", 8 * HOUR_S},
		{"1d", DAY_S},          {"2d", 2 * DAY_S},      {"4d", 4 * DAY_S},
		{"7d", 7 * DAY_S},      {"14d", 14 * DAY_S},    {"30d", 30 * DAY_S},
		{NULL, INT64_MAX},
	};
	size_t before = 0;

	for (size_t i = 0; i < STATS_BARS; i++) {
		size_t within = durations_within(durations, ends[i].up_to_s);

		bars_out[i] = (struct stats_bar){ends[i].name, i > 0 ? ends[i - 1].up_to_s : -1,
		                                 ends[i].up_to_s, within - before};
		before = within;
	}
}

static bool read_since(const struct invocation *invocation, const char *text,
                       struct request *request)
{
	if (moment_read_span(text, &request->since)) {
		if (request->since > MOMENT_SPAN_MAX_S) {
			command_usage_error(invocation,
			                    "--since: found \"%s\", which is more than 3650 days",
			                    text);
			return false;
		}
		request->since = request->now - request->since;
	} else if (!moment_read(text, &request->since)) {
		command_usage_error(invocation, "--since: found \"%s\", expected %s", text,
		                    EXPECTED);
		return false;
	}
	if (request->since > request->now) {
		command_usage_error(invocation, "--since: found \"%s\", which is in the future",
		                    text);
		return false;
	}
	return true;
}

/* The account of that name in any case, or NULL. */
static const struct account *find_account(const struct config *config, const char *name)
{
	for (size_t i = 0; name != NULL && i < config->account_count; i++)
		if (strcasecmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	return NULL;
}

static int compare_views(const void *a, const void *b)
{
	const struct stats_view *one = a, *other = b;

	if (one->account != NULL && other->account != NULL)
		return (one->account > other->account) - (one->account < other->account);
	if (one->account != NULL || other->account != NULL)
		return one->account != NULL ? -1 : 1;
	if (one->name != NULL && other->name != NULL)
		return strcasecmp(one->name, other->name);
	return (one->name == NULL) - (other->name == NULL);
}

static void view_all(const struct config *config, const struct stats *stats,
                     struct stats_report *report)
{
	report->count = stats->account_count;
	report->views = xzalloc((report->count + 1) * sizeof(*report->views));
	for (size_t i = 0; i < report->count; i++) {
		struct stats_view *view = &report->views[i];

		view->stats = &stats->accounts[i];
		view->account = find_account(config, view->stats->account);
		view->name = view->account != NULL ? view->account->name : view->stats->account;
	}
	if (report->count > 1)
		qsort(report->views, report->count, sizeof(*report->views), compare_views);
	report->all.stats = &stats->all;
}

static void say_none(const struct config *config, const struct request *request)
{
	char since[OUTPUT_TIME_SIZE];

	fflush(stdout);
	output_time(since, request->since);
	if (request->account == NULL)
		command_complain("no wait ended since %s, and nobody waits", since);
	else
		command_complain("no wait of account \"%s\" ended since %s, and nobody waits%s",
		                 request->account, since,
		                 find_account(config, request->account) != NULL
		                         ? ""
		                         : "; the configuration names no such account");
}

static int run(const struct config *config, const struct request *request)
{
	struct stats_report report = {.since = request->since, .now = request->now};
	struct stats stats = {0};
	struct error err = {0};
	struct store *store = command_open_store(config, STORE_READ, &err);
	bool is_empty;
	int rc = -1;

	if (store != NULL)
		rc = store_read_stats(store, request->account, request->since, &stats, &err);
	store_close(store);
	if (rc < 0) {
		command_complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	view_all(config, &stats, &report);
	is_empty = report.count == 0;
	if (request->is_json)
		stats_print_json(&report);
	else if (request->is_csv)
		stats_print_csv(&report);
	else if (!is_empty)
		stats_print(&report);
	if (is_empty)
		say_none(config, request);
	free(report.views);
	stats_release(&stats);
	return is_empty ? EXIT_NO_RESULT : 0;
}

int command_stats(struct invocation *invocation)
{
	struct request request = {.now = time(NULL)};
	const char *since = SINCE_DEFAULT;
	const struct flag flags[] = {{"account", 'a', NULL, &request.account},
	                             {"since", 's', NULL, &since},
	                             {"json", 'j', &request.is_json, NULL},
	                             {"csv", 0, &request.is_csv, NULL},
	                             {NULL, 0, NULL, NULL}};
	const struct account *account;
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 0, 0, &status))
		return status;
	if (request.is_json && request.is_csv)
		return command_usage_error(invocation, "found --json and --csv, expected one");
	if (!read_since(invocation, since, &request))
		return EX_USAGE;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	account = find_account(config, request.account);
	if (account != NULL)
		request.account = account->name;
	status = run(config, &request);
	config_free(config);
	return status;
}
