#ifndef REJOINDER_CTL_OUTPUT_H
#define REJOINDER_CTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/list.h"

/*
 * Printing for people: untrusted text made fit for a terminal, tables, fields
 * that wrap, local times and durations.  Every text that is printed through here
 * is cleaned; widths are columns of a terminal, not bytes.
 */

#define OUTPUT_WIDTH     80 /* where the output is no terminal */
#define OUTPUT_TIME_SIZE 32

/*
 * The next character of untrusted bytes: how many bytes it takes (at least 1), 0
 * at the end.  What is not UTF-8 (RFC 3629) is U+FFFD, byte by byte.
 */
size_t output_next_char(const char *text, uint32_t *code_out);

/*
 * A heap copy on one line: control characters, the marks that reorder text and
 * what is not UTF-8 are U+FFFD, blanks, tabs and line ends a blank.  NULL gives "".
 */
char *output_clean(const char *text);

/* Columns that clean text takes. */
size_t output_width(const char *text);

/* The columns of the terminal that stdout is, or fallback. */
size_t output_columns(size_t fallback);

/* Local time, "2026-11-22 10:00:05"; all three return out. */
const char *output_time(char out[OUTPUT_TIME_SIZE], int64_t at);
/* "45s", "5m", "2h 5m", "3d 4h"; negative is 0. */
const char *output_duration(char out[OUTPUT_TIME_SIZE], int64_t seconds);
/* "2h 5m ago", "just now" within a minute. */
const char *output_ago(char out[OUTPUT_TIME_SIZE], int64_t at, int64_t now);

/* Untrusted items joined with ", "; a heap string. */
char *output_join(const struct string_list *items);

/*
 * Print the head, then the text wrapped at blanks so that lines end before
 * `width` columns; the text's first line follows the head, the others are
 * indented by `indent` columns.  The head is printed as it is, padded to indent;
 * colours that it switches take no columns.
 */
void output_wrapped(const char *head, size_t indent, const char *text, size_t width);

/* output_wrapped() of formatted text. */
void output_field(const char *head, size_t indent, size_t width, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

struct column {
	const char *title;
	bool is_right;    /* aligned right */
	bool is_flexible; /* is cut with an ellipsis when the table is too wide */
};

struct table;

/* columns stay the caller's and must outlive the table. */
struct table *table_new(const struct column *columns, size_t column_count);
void table_free(struct table *table);
/* Append the next cell, row by row. */
void table_add(struct table *table, const char *text);
/* Print it within width columns as far as flexible columns allow; 0 is no limit. */
void table_print(const struct table *table, FILE *stream, size_t width);

#endif
