#include "milter/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <libmilter/mfapi.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"

#define DATA_SIZE_MAX                                                                              \
	(1024 *                                                                                    \
	 1024) /* of one packet: Postfix sends up to 65,535 bytes, and a field of 60,000 grows */
#define BACKLOG 128

#define WANTED_ACTIONS                                                                             \
	(SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_ADDRCPT | SMFIF_DELRCPT | SMFIF_CHGFROM)

/* What we have no use for, and where we need not answer. */
#define UNUSED_STEPS (SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOUNKNOWN)
#define SILENT_STEPS (SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR)

/*
 * Per connection, in smfi_setpriv.  It is NULL for a client that sent no offer to
 * negotiate: libmilter lets its next packet through.
 */
struct connection {
	struct session *session;
	unsigned long silent; /* those of SILENT_STEPS that Postfix agreed to */
	bool may_skip;
	bool wants_body;
};

/* libmilter's callbacks bring no context of ours. */
static struct {
	const struct services *services;
	pthread_mutex_t mutex; /* of ending */
	pthread_cond_t ended;
	unsigned ending; /* callbacks at the end of a message */
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static sfsistat answer(const struct connection *connection, unsigned long step)
{
	return connection != NULL && connection->silent & step ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *pf0, unsigned long *pf1,
                             unsigned long *pf2, unsigned long *pf3)
{
	/* Postfix's defaults lack some of these, and admins need not know. */
	static char at_connect[] = "j", at_mail[] = "{auth_authen}", at_end[] = "i";
	struct connection *connection;

	(void)f2;
	(void)f3;
	if ((f0 & WANTED_ACTIONS) != WANTED_ACTIONS) {
		log_error("cannot serve this mail server: it does not let a milter change "
		          "header fields, recipients and sender");
		return SMFIS_REJECT;
	}
	connection = xzalloc(sizeof(*connection));
	connection->session = session_new(server.services);
	connection->silent = f1 & SILENT_STEPS;
	connection->may_skip = (f1 & SMFIP_SKIP) != 0;
	smfi_setpriv(ctx, connection);
	smfi_setsymlist(ctx, SMFIM_CONNECT, at_connect);
	smfi_setsymlist(ctx, SMFIM_ENVFROM, at_mail);
	smfi_setsymlist(ctx, SMFIM_EOM, at_end);

	*pf0 = WANTED_ACTIONS;
	*pf1 = (f1 & (UNUSED_STEPS | SMFIP_SKIP)) | connection->silent;
	*pf2 = 0;
	*pf3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
	struct connection *connection = smfi_getpriv(ctx);

	(void)name;
	if (connection == NULL)
		return SMFIS_TEMPFAIL;
	session_set_client(connection->session, address);
	return answer(connection, SMFIP_NR_CONN);
}

static sfsistat on_mail(SMFICTX *ctx, char **arguments)
{
	struct connection *connection = smfi_getpriv(ctx);
	static char name[] = "{auth_authen}";
	const char *login = smfi_getsymval(ctx, name);

	if (connection == NULL)
		return SMFIS_TEMPFAIL;
	session_begin(connection->session, arguments[0] != NULL ? arguments[0] : "",
	              login != NULL && login[0] != '\0');
	return answer(connection, SMFIP_NR_MAIL);
}

static sfsistat on_rcpt(SMFICTX *ctx, char **arguments)
{
	struct connection *connection = smfi_getpriv(ctx);

	if (connection == NULL)
		return SMFIS_TEMPFAIL;
	if (arguments[0] != NULL)
		session_add_rcpt(connection->session, arguments[0]);
	return answer(connection, SMFIP_NR_RCPT);
}

static sfsistat on_field(SMFICTX *ctx, char *name, char *value)
{
	struct connection *connection = smfi_getpriv(ctx);

	if (connection == NULL)
		return SMFIS_TEMPFAIL;
	session_add_field(connection->session, name, value);
	return answer(connection, SMFIP_NR_HDR);
}

static sfsistat on_end_of_header(SMFICTX *ctx)
{
	struct connection *connection = smfi_getpriv(ctx);

	if (connection == NULL)
		return SMFIS_TEMPFAIL;
	connection->wants_body = true;
	if (session_end_header(connection->session))
		return SMFIS_CONTINUE;
	session_finish(connection->session, true);
	return SMFIS_ACCEPT;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *bytes, size_t length)
{
	struct connection *connection = smfi_getpriv(ctx);

	if (connection == NULL)
		return SMFIS_TEMPFAIL;
	if (connection->wants_body)
		connection->wants_body = session_add_body(connection->session, bytes, length);
	return connection->wants_body || !connection->may_skip ? SMFIS_CONTINUE : SMFIS_SKIP;
}

static int apply_edit(SMFICTX *ctx, const struct edit *edit)
{
	switch (edit->kind) {
	case EDIT_SET_FIELD:
		return smfi_chgheader(ctx, edit->name, (int)edit->index, edit->value);
	case EDIT_DELETE_FIELD:
		return smfi_chgheader(ctx, edit->name, (int)edit->index, NULL);
	case EDIT_INSERT_FIELD:
		return smfi_insheader(ctx, (int)edit->index, edit->name, edit->value);
	case EDIT_SET_SENDER:
		return smfi_chgfrom(ctx, edit->value, NULL);
	case EDIT_ADD_RCPT:
		return smfi_addrcpt(ctx, edit->value);
	case EDIT_DELETE_RCPT:
		return smfi_delrcpt(ctx, edit->value);
	}
	return MI_FAILURE;
}

static bool apply_edits(SMFICTX *ctx, const struct edit_list *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		if (apply_edit(ctx, &edits->items[i]) != MI_SUCCESS)
			return false;
	return true;
}

static sfsistat end_message(SMFICTX *ctx, struct session *session)
{
	static char name[] = "i";
	struct outcome outcome;
	sfsistat result = SMFIS_ACCEPT;
	bool are_applied = true;

	session_end_message(session, smfi_getsymval(ctx, name), &outcome);
	if (!outcome.is_accepted) {
		smfi_setreply(ctx, outcome.reply_code, outcome.reply_status, outcome.reply_text);
		result = outcome.reply_code[0] == '5' ? SMFIS_REJECT : SMFIS_TEMPFAIL;
	} else if (!apply_edits(ctx, &outcome.edits)) {
		are_applied = false;
		result = SMFIS_TEMPFAIL;
	} else if (outcome.edits.is_discard) {
		result = SMFIS_DISCARD;
	}
	edit_list_release(&outcome.edits);
	session_finish(session, are_applied);
	return result;
}

static sfsistat on_end_of_message(SMFICTX *ctx)
{
	struct connection *connection = smfi_getpriv(ctx);
	sfsistat result;

	if (connection == NULL)
		return SMFIS_TEMPFAIL;
	pthread_mutex_lock(&server.mutex);
	server.ending++;
	pthread_mutex_unlock(&server.mutex);

	result = end_message(ctx, connection->session);

	pthread_mutex_lock(&server.mutex);
	if (--server.ending == 0)
		pthread_cond_signal(&server.ended);
	pthread_mutex_unlock(&server.mutex);
	return result;
}

static sfsistat on_abort(SMFICTX *ctx)
{
	struct connection *connection = smfi_getpriv(ctx);

	if (connection != NULL)
		session_abort(connection->session);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	struct connection *connection = smfi_getpriv(ctx);

	/* NULL for a connection that was closed before it negotiated. */
	if (connection != NULL) {
		session_free(connection->session);
		free(connection);
		smfi_setpriv(ctx, NULL);
	}
	return SMFIS_CONTINUE;
}

int server_listen(const char *socket, const struct services *services, struct error *err)
{
	/* Not const: libmilter takes plain char pointers. */
	static char name[] = "rejoinder-milter";
	struct smfiDesc description = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = WANTED_ACTIONS,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_field,
		.xxfi_eoh = on_end_of_header,
		.xxfi_body = on_body,
		.xxfi_eom = on_end_of_message,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};
	char path[200];
	mode_t mask;
	int opened;

	server.services = services;
	if ((size_t)snprintf(path, sizeof(path), "%s", socket) >= sizeof(path))
		return error_set(err, ERROR_CONFIG, "cannot listen on %.60s...: name too long",
		                 socket);
	smfi_setmaxdatasize(DATA_SIZE_MAX);
	if (smfi_register(description) != MI_SUCCESS || smfi_setconn(path) != MI_SUCCESS ||
	    smfi_setbacklog(BACKLOG) != MI_SUCCESS)
		return error_set(err, ERROR_CONFIG, "cannot set up libmilter for %s", socket);

	mask = umask(0117);
	opened = smfi_opensocket(true);
	umask(mask);
	if (opened != MI_SUCCESS)
		return error_set(
			err, ERROR_TEMPORARY,
			"cannot listen on %s: %s (does its directory exist, with mode 2710 and group "
			"postfix?)",
			socket, strerror(errno));
	return 0;
}

static void wait_for_ending(int64_t drain_ms)
{
	struct timespec until;
	int waited = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += drain_ms / 1000;
	pthread_mutex_lock(&server.mutex);
	while (server.ending > 0 && waited == 0)
		waited = pthread_cond_timedwait(&server.ended, &server.mutex, &until);
	if (server.ending > 0)
		log_warning("stopping with %u message%s unanswered; Postfix tries again",
		            server.ending, server.ending == 1 ? "" : "s");
	pthread_mutex_unlock(&server.mutex);
}

int server_run(int64_t drain_ms, struct error *err)
{
	int result = smfi_main(), error = errno;

	wait_for_ending(drain_ms);
	/*
	 * libmilter closes the socket at a stop, and one that comes before it listens
	 * makes it open the socket again, which it does not remove.
	 */
	return result == MI_SUCCESS || error == EADDRINUSE
	               ? 0
	               : error_set(err, ERROR_TEMPORARY, "libmilter failed: %s", strerror(error));
}
