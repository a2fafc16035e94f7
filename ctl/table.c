#include "ctl/output.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"

#define GAP         2
#define WIDTH_LEAST 8 /* a flexible column is not made narrower */

struct table {
	const struct column *columns;
	size_t column_count;
	struct string_list cells; /* clean text, row by row, the titles first */
};

struct table *table_new(const struct column *columns, size_t column_count)
{
	struct table *table = xzalloc(sizeof *table);

	table->columns = columns;
	table->column_count = column_count;
	for (size_t i = 0; i < column_count; i++)
		table_add(table, columns[i].title);
	return table;
}

void table_free(struct table *table)
{
	if (table == NULL)
		return;
	string_list_release(&table->cells);
	free(table);
}

void table_add(struct table *table, const char *text)
{
	string_list_take(&table->cells, output_clean(text));
}

/* Take columns from the widest flexible one, one after the other, until the table fits. */
static void shrink(const struct table *table, size_t *widths, size_t width)
{
	size_t total = GAP * (table->column_count - 1);

	for (size_t i = 0; i < table->column_count; i++)
		total += widths[i];
	for (; total > width; total--) {
		size_t widest = table->column_count;

		for (size_t i = 0; i < table->column_count; i++)
			if (table->columns[i].is_flexible && widths[i] > WIDTH_LEAST &&
			    (widest == table->column_count || widths[i] >= widths[widest]))
				widest = i;
		if (widest == table->column_count)
			return;
		widths[widest]--;
	}
}

/* Print as many characters as fit and say how many columns they took. */
static size_t print_cut(FILE *stream, const char *text, size_t width)
{
	size_t used = 0, length;
	uint32_t code;

	if (output_width(text) <= width) {
		fputs(text, stream);
		return output_width(text);
	}
	for (; (length = output_next_char(text, &code)) > 0; text += length) {
		char one[5] = "";
		size_t next = output_width(memcpy(one, text, length));

		if (used + next + 1 > width)
			break;
		fputs(one, stream);
		used += next;
	}
	fputs("…", stream);
	return used + 1;
}

static void print_row(const struct table *table, FILE *stream, char *const *cells,
                      const size_t *widths)
{
	for (size_t i = 0; i < table->column_count; i++) {
		size_t width = output_width(cells[i]);
		bool is_last = i + 1 == table->column_count;

		if (table->columns[i].is_right && width < widths[i])
			fprintf(stream, "%*s", (int)(widths[i] - width), "");
		width = print_cut(stream, cells[i], widths[i]);
		if (!is_last && !table->columns[i].is_right && width < widths[i])
			fprintf(stream, "%*s", (int)(widths[i] - width), "");
		fputs(is_last ? "\n" : "  ", stream);
	}
}

void table_print(const struct table *table, FILE *stream, size_t width)
{
	size_t *widths = xzalloc(table->column_count * sizeof *widths);
	size_t columns = table->column_count;

	for (size_t i = 0; i < table->cells.count; i++) {
		size_t cell = output_width(table->cells.items[i]);

		if (cell > widths[i % columns])
			widths[i % columns] = cell;
	}
	if (width > 0)
		shrink(table, widths, width);
	for (size_t i = 0; i + columns <= table->cells.count; i += columns)
		print_row(table, stream, &table->cells.items[i], widths);
	free(widths);
}
