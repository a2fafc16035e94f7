#ifndef REJOINDER_CTL_MAIL_FILE_H
#define REJOINDER_CTL_MAIL_FILE_H

#include <stdbool.h>

#include "lib/base/buffer.h"

/*
 * A message in a file, as verbs are given one: its header, perhaps behind the line
 * that a mailbox file puts before it, and as much of its body as the milter looks at.
 */

#define MAIL_FILE_STDIN "-"

/* Read it into out, which is initialised here. 0, or -1 with errno. */
int mail_file_read(const char *path, struct buffer *out) __attribute__((warn_unused_result));

/* Does the line of a mailbox file (mbox) name the null sender? */
bool mail_file_is_of_null_sender(const struct buffer *bytes);

#endif
