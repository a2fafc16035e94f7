#include "ctl/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/buffer.h"

#define LEVELS_BYTES 4000 /* of the text that names all levels of an account */

static int64_t ended_count(const struct wait_stats *stats)
{
	return stats->answered + stats->closed;
}

static json_t *json_durations(const struct durations *durations)
{
	json_t *object = json_object(), *array = json_array();
	struct stats_bar bars[STATS_BARS];

	json_object_set_new(object, "count", json_integer((json_int_t)durations->count));
	for (size_t i = 0; i < STATS_PERCENTS; i++) {
		int64_t seconds = durations_percentile(durations, stats_percent(i));
		char name[16];

		snprintf(name, sizeof(name), "p%u", stats_percent(i));
		json_object_set_new(object, name,
		                    seconds < 0 ? json_null() : json_integer(seconds));
	}
	stats_bars(durations, bars);
	for (size_t i = 0; i < STATS_BARS; i++) {
		json_t *bar = json_object();

		json_object_set_new(bar, "up_to_seconds",
		                    bars[i].name != NULL ? json_integer(bars[i].up_to_s)
		                                         : json_null());
		json_object_set_new(bar, "count", json_integer((json_int_t)bars[i].count));
		json_array_append_new(array, bar);
	}
	json_object_set_new(object, "histogram", array);
	return object;
}

static json_t *json_levels(const struct stats_view *view)
{
	const struct alert_levels *levels = stats_levels(view);
	json_t *array = json_array();

	for (size_t i = 0; i < levels->count; i++) {
		const struct alert_level *level = &levels->items[i];
		struct stats_share share = stats_share(view, level);
		json_t *object = json_object();

		json_object_set_new(object, "after_seconds", json_integer(level->after_s));
		json_object_set_new(object, "business", json_boolean(level->is_business));
		json_object_set_new(object, "count", json_integer((json_int_t)share.count));
		json_object_set_new(object, "within", json_integer((json_int_t)share.within));
		json_object_set_new(object, "share",
		                    share.count > 0
		                            ? json_real((double)share.within / (double)share.count)
		                            : json_null());
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *json_view(const struct stats_report *report, const struct stats_view *view)
{
	const struct wait_stats *stats = view->stats;
	json_t *object = json_object();

	json_object_set_new(object, "ended", json_integer(ended_count(stats)));
	json_object_set_new(object, "answered", json_integer(stats->answered));
	json_object_set_new(object, "closed", json_integer(stats->closed));
	json_object_set_new(object, "wall_seconds", json_durations(&stats->wall));
	json_object_set_new(object, "business_seconds", json_durations(&stats->business));
	json_object_set_new(object, "waiting", json_integer(stats->waiting));
	json_object_set_new(object, "waiting_since", json_time(stats->waiting_since));
	json_object_set_new(object, "waiting_seconds",
	                    stats->waiting > 0 ? json_integer(report->now - stats->waiting_since)
	                                       : json_null());
	return object;
}

void stats_print_json(const struct stats_report *report)
{
	json_t *document = json_object(), *array = json_array();

	for (size_t i = 0; i < report->count; i++) {
		const struct stats_view *view = &report->views[i];
		json_t *object = json_view(report, view);

		json_object_set_new(object, "account", json_text(view->name));
		json_object_set_new(object, "configured", json_boolean(view->account != NULL));
		json_object_set_new(object, "levels", json_levels(view));
		json_array_append_new(array, object);
	}
	json_object_set_new(document, "since", json_time(report->since));
	json_object_set_new(document, "until", json_time(report->now));
	json_object_set_new(document, "accounts", array);
	json_object_set_new(document, "all", json_view(report, &report->all));
	json_print(document);
}

/* RFC 4180: a field with what separates is quoted, a quote in it doubled. */
static void print_field(const char *text)
{
	bool is_quoted = strpbrk(text, ",\"\r\n") != NULL;

	if (is_quoted)
		putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	if (is_quoted)
		putchar('"');
}

/* A spreadsheet takes what begins so for a formula, and runs it. */
static bool is_formula(const char *text)
{
	text += strspn(text, " ");
	return *text != '\0' && strchr("=+-@", *text) != NULL;
}

static void print_name(const char *name)
{
	char *clean = output_clean(name);
	struct buffer text;

	buffer_init(&text, strlen(clean) + 2);
	buffer_append_text(&text, is_formula(clean) ? "'" : "");
	buffer_append_text(&text, clean);
	print_field(text.length > 0 ? text.data : "");
	buffer_release(&text);
	free(clean);
}

static void print_seconds(const struct durations *durations)
{
	for (size_t i = 0; i < STATS_PERCENTS; i++) {
		int64_t seconds = durations_percentile(durations, stats_percent(i));

		putchar(',');
		if (seconds >= 0)
			printf("%" PRId64, seconds);
	}
}

/* "30m 95.0 %; 4h business 100.0 %" */
static void print_levels(const struct stats_view *view)
{
	const struct alert_levels *levels = stats_levels(view);
	struct buffer text;

	buffer_init(&text, LEVELS_BYTES);
	for (size_t i = 0; i < levels->count; i++) {
		struct stats_share share = stats_share(view, &levels->items[i]);
		char *name;

		if (share.count == 0)
			continue;
		name = stats_level_name(&levels->items[i]);
		buffer_printf(&text, "%s%s %.1f %%", text.length > 0 ? "; " : "", name,
		              100.0 * (double)share.within / (double)share.count);
		free(name);
	}
	print_field(text.length > 0 ? text.data : "");
	buffer_release(&text);
}

static void print_time(int64_t at)
{
	json_t *text = json_time(at);

	print_field(json_is_string(text) ? json_string_value(text) : "");
	json_decref(text);
}

static void print_row(const struct stats_report *report, const struct stats_view *view,
                      const char *scope)
{
	const struct wait_stats *stats = view->stats;

	printf("%s,", scope);
	print_name(view->name);
	printf(",%s,", view->account != NULL ? "yes" : view == &report->all ? "" : "no");
	print_time(report->since);
	putchar(',');
	print_time(report->now);
	printf(",%" PRId64 ",%" PRId64 ",%" PRId64, ended_count(stats), stats->answered,
	       stats->closed);
	print_seconds(&stats->wall);
	print_seconds(&stats->business);
	putchar(',');
	print_levels(view);
	printf(",%" PRId64 ",", stats->waiting);
	print_time(stats->waiting_since);
	putchar(',');
	if (stats->waiting > 0)
		printf("%" PRId64, report->now - stats->waiting_since);
	fputs("\r\n", stdout);
}

void stats_print_csv(const struct stats_report *report)
{
	fputs("scope,account,configured,since,until,ended,answered,closed", stdout);
	for (size_t i = 0; i < STATS_PERCENTS; i++)
		printf(",wall_p%u_seconds", stats_percent(i));
	for (size_t i = 0; i < STATS_PERCENTS; i++)
		printf(",business_p%u_seconds", stats_percent(i));
	fputs(",levels,waiting,waiting_since,waiting_seconds\r\n", stdout);
	for (size_t i = 0; i < report->count; i++)
		print_row(report, &report->views[i], "account");
	print_row(report, &report->all, "all");
}
