#include "fetcher/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/store.h"

#define BAR_COLUMNS 30
#define DRAW_MS     100

void progress_init(struct progress *progress, const char *name)
{
	*progress = (struct progress){.name = name, .is_terminal = isatty(STDERR_FILENO) == 1};
}

void progress_show(struct progress *progress, size_t done, size_t total, uint64_t bytes)
{
	char bar[BAR_COLUMNS + 1];
	int64_t now_ms = store_clock_ms();
	size_t filled = total > 0 ? done * BAR_COLUMNS / total : 0;

	if (!progress->is_terminal || total == 0 ||
	    (progress->is_shown && done < total && now_ms - progress->drawn_at_ms < DRAW_MS))
		return;
	memset(bar, ' ', BAR_COLUMNS);
	memset(bar, '#', filled);
	bar[BAR_COLUMNS] = '\0';
	fprintf(stderr, "\r%.20s [%s] %zu of %zu, %.1f MB", progress->name, bar, done, total,
	        (double)bytes / 1e6);
	progress->is_shown = true;
	progress->drawn_at_ms = now_ms;
}

void progress_clear(struct progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
	progress->is_shown = false;
}
