#ifndef REJOINDER_FETCHER_DELIVER_H
#define REJOINDER_FETCHER_DELIVER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buffer.h"
#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"
#include "lib/net/smtp.h"

/* Handing a fetched message over to Postfix, with the mark that the milter knows us by. */

#define DELIVER_QUEUE_ID_SIZE 64

/*
 * Make what the hand-over adds.
 *
 * The envelope sender is the message's Return-Path, `<>` included; without that
 * field, or where it cannot stand in a MAIL command, the address of its From, and without
 * such a one the account's mailbox: the null sender would say that a program wrote it.
 * Returns it, a heap string; *prefix_out (the caller's, initialised)
 * gets the lines that go before the message.  bytes: the message, untrusted.
 */
char *deliver_prepare(const struct keyring *keys, const struct account *account, const char *bytes,
                      size_t length, int64_t now, struct buffer *prefix_out);

/*
 * Hand one message over to the account's mailbox.  0 when Postfix took it,
 * queue_id_out says as what; -1 with *err as smtp_send().
 */
int deliver(struct smtp *smtp, const struct keyring *keys, const struct account *account,
            const char *bytes, size_t length, int64_t now, char queue_id_out[DELIVER_QUEUE_ID_SIZE],
            struct error *err) MUST_CHECK;

#endif
