#ifndef REJOINDER_BASE_COMMAND_H
#define REJOINDER_BASE_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * Run a command of the configuration and read what it prints, which may be a
 * secret.
 *
 * line: the program and its arguments, separated by blanks; no shell reads it,
 * nothing in it is special.  The program is looked for in PATH; it gets
 * /dev/null as standard input and our standard error, and a process group of its
 * own, which is killed when timeout_ms have passed or it printed more than
 * max_bytes.
 * Returns 0 and *out, a string of the caller's (secret_free() with *length_out), or -1
 * with *err: ERROR_CONFIG if there is no such program, ERROR_TEMPORARY if it
 * failed.  The error names the program, never its arguments or what it printed.
 */
int command_output(const char *line, int64_t timeout_ms, size_t max_bytes, char **out,
                   size_t *length_out, struct error *err) MUST_CHECK;

/* What becomes of what a command writes to standard error. */
enum command_stderr { COMMAND_STDERR_OURS, COMMAND_STDERR_DROPPED, COMMAND_STDERR_WITH_OUTPUT };

/*
 * The same for words that may hold blanks, argv[0] the program, NULL at the end.  With
 * COMMAND_STDERR_WITH_OUTPUT *out is what it printed also when it failed, if that was
 * read to the end.
 */
int command_output_argv(const char *const *argv, enum command_stderr stderr_kind,
                        int64_t timeout_ms, size_t max_bytes, char **out, size_t *length_out,
                        struct error *err) MUST_CHECK;

#endif
