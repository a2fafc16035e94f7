#include "ctl/stats.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/output.h"
#include "lib/base/buffer.h"

#define LABEL_INDENT 15
#define BAR_LEAST    10 /* columns, however narrow the terminal is */
#define EIGHTHS      8

/*
 * Whether the caller's terminal shows UTF-8, as his locale says; ours is another, which
 * he need not have.
 */
static bool is_utf8_terminal(void)
{
	bool is_utf8 = false;
	locale_t locale;

	if (!isatty(STDOUT_FILENO))
		return false;
	locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	if (locale != (locale_t)0) {
		is_utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
		freelocale(locale);
	}
	return is_utf8;
}

static void print_ended(const struct stats_report *report, const struct wait_stats *stats,
                        size_t width)
{
	char since[OUTPUT_TIME_SIZE];

	output_field("Ended", LABEL_INDENT, width,
	             "%" PRId64 " since %s: %" PRId64 " answered, %" PRId64 " closed",
	             stats->answered + stats->closed, output_time(since, report->since),
	             stats->answered, stats->closed);
}

static void print_waiting(const struct stats_report *report, const struct wait_stats *stats,
                          size_t width)
{
	char longest[OUTPUT_TIME_SIZE], since[OUTPUT_TIME_SIZE];

	if (stats->waiting == 0)
		output_wrapped("Waiting", LABEL_INDENT, "nobody", width);
	else
		output_field("Waiting", LABEL_INDENT, width,
		             "%" PRId64 ", the longest since %s (%s)", stats->waiting,
		             output_time(since, stats->waiting_since),
		             output_duration(longest, report->now - stats->waiting_since));
}

/* The percentiles, and of how many if those are not all. */
static void print_percentiles(const char *label, const struct durations *durations,
                              int64_t answered, size_t width)
{
	char time[OUTPUT_TIME_SIZE];
	struct buffer text;

	if (durations->count == 0)
		return;
	buffer_init(&text, 400);
	for (size_t i = 0; i < STATS_PERCENTS; i++)
		buffer_printf(
			&text, "%sp%u %s", i > 0 ? ", " : "", stats_percent(i),
			output_duration(time, durations_percentile(durations, stats_percent(i))));
	if ((int64_t)durations->count < answered)
		buffer_printf(&text, " (of %zu)", durations->count);
	output_wrapped(label, LABEL_INDENT, text.data, width);
	buffer_release(&text);
}

static void print_levels(const struct stats_view *view, size_t width)
{
	const struct alert_levels *levels = stats_levels(view);
	const char *label = "Within";

	for (size_t i = 0; i < levels->count; i++) {
		struct stats_share share = stats_share(view, &levels->items[i]);
		char *name;

		if (share.count == 0)
			continue;
		name = stats_level_name(&levels->items[i]);
		output_field(label, LABEL_INDENT, width, "%s: %zu of %zu (%.1f %%)", name,
		             share.within, share.count,
		             100.0 * (double)share.within / (double)share.count);
		label = "";
		free(name);
	}
}

/* At most `columns` wide; what is not 0 is seen. */
static void print_bar(size_t count, size_t most, size_t columns, bool is_utf8)
{
	static const char *const parts[EIGHTHS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	size_t steps = columns * (is_utf8 ? EIGHTHS : 1);
	size_t length = (size_t)((double)count / (double)most * (double)steps);

	if (count > 0 && length == 0)
		length = 1;
	for (size_t i = 0; i < length / (is_utf8 ? EIGHTHS : 1); i++)
		fputs(is_utf8 ? "█" : "#", stdout);
	if (is_utf8)
		fputs(parts[length % EIGHTHS], stdout);
	if (length > 0)
		putchar(' ');
}

/* From the first bar that is not empty to the last; the counts stand behind them. */
static void print_histogram(const struct durations *durations, size_t width, bool is_utf8)
{
	struct stats_bar bars[STATS_BARS];
	size_t first = STATS_BARS, last = 0, most = 0, columns;
	char text[32];

	stats_bars(durations, bars);
	for (size_t i = 0; i < STATS_BARS; i++) {
		if (bars[i].count == 0)
			continue;
		if (first == STATS_BARS)
			first = i;
		last = i;
		if (bars[i].count > most)
			most = bars[i].count;
	}
	if (most == 0)
		return;
	columns = LABEL_INDENT + 1 + (size_t)snprintf(text, sizeof(text), "%zu", most);
	columns = width > columns + BAR_LEAST ? width - columns - 1 : BAR_LEAST;
	putchar('\n');
	for (size_t i = first; i <= last; i++) {
		if (bars[i].name != NULL)
			snprintf(text, sizeof(text), "up to %s", bars[i].name);
		else
			snprintf(text, sizeof(text), "over %s", bars[i - 1].name);
		printf("  %-*s", LABEL_INDENT - 2, text);
		print_bar(bars[i].count, most, columns, is_utf8);
		printf("%zu\n", bars[i].count);
	}
}

static void print_view(const struct stats_report *report, const struct stats_view *view,
                       bool is_utf8)
{
	const struct wait_stats *stats = view->stats;
	size_t width = output_columns(OUTPUT_WIDTH);

	print_ended(report, stats, width);
	print_waiting(report, stats, width);
	print_percentiles("Wall time", &stats->wall, stats->answered, width);
	print_percentiles("Business time", &stats->business, stats->answered, width);
	print_levels(view, width);
	print_histogram(&stats->wall, width, is_utf8);
}

static const char *remark(const struct stats_view *view)
{
	if (view->name == NULL)
		return "";
	if (view->account == NULL)
		return " (the configuration names it no more)";
	return view->account->is_enabled ? "" : " (disabled)";
}

void stats_print(const struct stats_report *report)
{
	bool is_utf8 = is_utf8_terminal();
	size_t width = output_columns(OUTPUT_WIDTH);

	for (size_t i = 0; i < report->count; i++) {
		const struct stats_view *view = &report->views[i];

		if (i > 0)
			putchar('\n');
		output_field("Account", LABEL_INDENT, width, "%s%s",
		             view->name != NULL ? view->name : "none", remark(view));
		print_view(report, view, is_utf8);
	}
	if (report->count > 1) {
		puts("\nAll accounts");
		print_view(report, &report->all, is_utf8);
	}
}
