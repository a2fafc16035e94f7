#ifndef REJOINDER_CTL_AGREE_H
#define REJOINDER_CTL_AGREE_H

#include <stdbool.h>

#include "ctl/command.h"

/*
 * Ask on the terminal whether something that cannot be undone is to be done.  True: yes.  Else
 * *exit_out, after a sentence that nothing was changed: the answer was no, or there is no
 * terminal to ask at.
 */
bool agree(const struct invocation *invocation, const char *question, int *exit_out);

#endif
