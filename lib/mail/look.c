#include "lib/mail/look.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/report.h"
#include "lib/mail/subject.h"
#include "lib/mail/text.h"
#include "lib/mail/wording.h"

#define TEXT_BYTES    (64 * 1024)
#define WORDS_BYTES   (16 * 1024)
#define SUBJECT_BYTES 1000
#define NAME_BYTES    1000

/* Local parts, by their beginnings. */
static enum sender_kind kind_of_address(const char *address)
{
	static const struct {
		const char *begin;
		enum sender_kind kind;
	} kinds[] = {
		{"mailer-daemon", SENDER_DAEMON},   {"mailerdaemon", SENDER_DAEMON},
		{"mailer_daemon", SENDER_DAEMON},   {"mail-daemon", SENDER_DAEMON},
		{"maildaemon", SENDER_DAEMON},      {"mail_daemon", SENDER_DAEMON},
		{"mailer@", SENDER_DAEMON},         {"microsoftexchange", SENDER_DAEMON},
		{"mdaemon", SENDER_DAEMON},         {"postmaster", SENDER_POSTMASTER},
		{"post_master", SENDER_POSTMASTER}, {"post-master", SENDER_POSTMASTER},
		{"post.master", SENDER_POSTMASTER}, {"noreply", SENDER_SYSTEM},
		{"no-reply", SENDER_SYSTEM},        {"no_reply", SENDER_SYSTEM},
		{"no.reply", SENDER_SYSTEM},        {"donotreply", SENDER_SYSTEM},
		{"do-not-reply", SENDER_SYSTEM},    {"do_not_reply", SENDER_SYSTEM},
		{"admin", SENDER_SYSTEM},           {"system", SENDER_SYSTEM},
		{"sysadm", SENDER_SYSTEM},          {"mailadm", SENDER_SYSTEM},
		{"mail-adm", SENDER_SYSTEM},        {"mailgate", SENDER_SYSTEM},
		{"mail-gate", SENDER_SYSTEM},       {"gateway", SENDER_SYSTEM},
		{"mailscan", SENDER_SYSTEM},        {"mailsystem", SENDER_SYSTEM},
		{"mail-system", SENDER_SYSTEM},     {"mailserver", SENDER_SYSTEM},
		{"mailmarshal", SENDER_SYSTEM},     {"mail@", SENDER_SYSTEM},
		{"interscan", SENDER_SYSTEM},       {"bounce", SENDER_SYSTEM},
		{"notification", SENDER_SYSTEM},    {"daemon", SENDER_SYSTEM},
		{"root@", SENDER_SYSTEM},           {"delivery", SENDER_SYSTEM},
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strncasecmp(address, kinds[i].begin, strlen(kinds[i].begin)) == 0)
			return kinds[i].kind;
	}
	return SENDER_ANYBODY;
}

/* Display names, and values of From that hold no address. */
static enum sender_kind kind_of_name(const char *folded)
{
	static const char *const daemons[] = {
		"mail delivery s",    "mail delivery agent", "mail deliver system",
		"mailer-daemon",      "mailer daemon",       "mailerdaemon",
		"delivery subsystem", "delivery system",     NULL,
	};
	static const char *const postmasters[] = {"postmaster", "post master", NULL};
	static const char *const systems[] = {
		"mail system",
		"mail server",
		"mailserver",
		"mail administrator",
		"mail gateway",
		"mail router",
		"internet mail",
		"email system",
		"e-mail system",
		"system administrator",
		"systemadministrator",
		"system admin",
		"administrateur système",
		"administrador del sistema",
		"administrador do sistema",
		"amministratore di sistema",
		"systeembeheerder",
		"systembeheerder",
		"administrator systemu",
		"системный администратор",
		"microsoft exchange",
		"microsoft outlook",
		"interscan",
		"mailmarshal",
		"no-reply",
		"noreply",
		"システム管理者",
		"系统管理员",
		"系統管理員",
		NULL,
	};

	if (wording_has_phrase(daemons, folded))
		return SENDER_DAEMON;
	if (wording_has_phrase(postmasters, folded))
		return SENDER_POSTMASTER;
	return wording_has_phrase(systems, folded) ? SENDER_SYSTEM : SENDER_ANYBODY;
}

static enum sender_kind stronger(enum sender_kind a, enum sender_kind b)
{
	return a > b ? a : b;
}

static void look_at_from(struct look *look, const struct field *from)
{
	char *name = subject_decode(from->value, from->length, NAME_BYTES);
	char *folded = wording_fold(name, NAME_BYTES);
	struct address_list list = {0};

	address_list_parse(&list, from->value, from->length, 1);
	if (list.count > 0) {
		char *phrase = subject_decode(list.items[0].phrase, strlen(list.items[0].phrase),
		                              NAME_BYTES);
		char *folded_phrase = wording_fold(phrase, NAME_BYTES);

		look->sender = stronger(look->sender, kind_of_address(list.items[0].address));
		look->sender = stronger(look->sender, kind_of_name(folded_phrase));
		free(folded_phrase);
		free(phrase);
	} else {
		/* `From: <>`, `From: MAILER-DAEMON`, `From: Mail Delivery System <>` */
		look->sender = stronger(look->sender, kind_of_name(folded));
		if (strspn(folded, "<> ") == strlen(folded))
			look->sender = stronger(look->sender, SENDER_POSTMASTER);
	}
	/* The name in a comment: `mailer-daemon@example.org (Mail Delivery System)` */
	if (strchr(folded, '(') != NULL)
		look->sender = stronger(look->sender, kind_of_name(strchr(folded, '(')));
	address_list_release(&list);
	free(folded);
	free(name);
}

static void look_at_sender(struct look *look, const struct envelope_facts *envelope)
{
	const struct field *from = header_field(look->header, "From", 1);
	const struct field *return_path = header_field(look->header, "Return-Path", 1);

	look->is_null = envelope->is_null_sender;
	if (return_path != NULL) {
		char *address = address_from_envelope(return_path->value);

		look->is_null = look->is_null || (address != NULL && address[0] == '\0');
		if (strncasecmp(return_path->value, "<mailer-daemon", 14) == 0 ||
		    strncasecmp(return_path->value, "mailer-daemon", 13) == 0)
			look->sender = SENDER_DAEMON;
		free(address);
	}
	if (from != NULL)
		look_at_from(look, from);
}

static void look_at_text(struct look *look)
{
	const struct part *part = text_first_part(&look->parts);
	size_t returned_at;
	char *words;

	/* A multipart whose boundary is nowhere is read as the text it then is. */
	if (part == NULL && look->parts.count == 1)
		part = &look->parts.items[0];
	look->text = part == NULL ? xstrdup("") : text_of_part(part, TEXT_BYTES);
	returned_at = report_returned_offset(look->text);
	look->has_returned = look->text[returned_at] != '\0';
	for (size_t i = 0; i < look->parts.count; i++)
		look->has_returned =
			look->has_returned || report_is_returned_part(&look->parts.items[i]);
	words = xmemdup0(look->text, returned_at < WORDS_BYTES ? returned_at : WORDS_BYTES);
	look->words = wording_fold(words, WORDS_BYTES);
	free(words);
}

void look_init(struct look *look, const struct message *message,
               const struct envelope_facts *envelope)
{
	const struct field *field = header_field(message->header, "Subject", 1);
	char *subject = field == NULL ? xstrdup("")
	                              : subject_decode(field->value, field->length, SUBJECT_BYTES);

	memset(look, 0, sizeof *look);
	look->header = message->header;
	message_parts(message, &look->parts);
	look->subject = wording_fold(subject, SUBJECT_BYTES);
	look_at_sender(look, envelope);
	look_at_text(look);
	look->is_personal = subject_strip(subject) != subject && !look->is_null &&
	                    look->sender != SENDER_DAEMON;
	free(subject);
}

void look_release(struct look *look)
{
	part_list_release(&look->parts);
	free(look->text);
	free(look->words);
	free(look->subject);
}
