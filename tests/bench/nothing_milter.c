/*
 * The yardstick of the benchmark: a libmilter filter that negotiates as
 * rejoinder-milter does and is sent the same, but edits nothing and stores
 * nothing.
 *
 * usage: nothing_milter SOCKET	(unix:/path or inet:port@host); SIGTERM ends it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libmilter/mfapi.h>

#define ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_ADDRCPT | SMFIF_DELRCPT | SMFIF_CHGFROM)

/* Steps not wanted, steps that get no reply, and a body that may end early. */
#define STEPS                                                                                      \
	(SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOUNKNOWN | SMFIP_NR_CONN | SMFIP_NR_MAIL |           \
	 SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_SKIP)

#define BODY_WANTED (256 * 1024)
#define DATA_MAX    (1024 * 1024)
#define BACKLOG     128

struct session {
	size_t body_bytes;
};

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
                             unsigned long unused2, unsigned long unused3,
                             unsigned long *actions_out, unsigned long *steps_out,
                             unsigned long *out2, unsigned long *out3)
{
	static char at_connect[] = "j", at_mail[] = "{auth_authen}", at_end[] = "i";
	(void)unused2;
	(void)unused3;
	if ((actions & ACTIONS) != ACTIONS || (steps & STEPS) != STEPS)
		return SMFIS_REJECT;
	smfi_setsymlist(ctx, SMFIM_CONNECT, at_connect);
	smfi_setsymlist(ctx, SMFIM_ENVFROM, at_mail);
	smfi_setsymlist(ctx, SMFIM_EOM, at_end);
	*actions_out = ACTIONS;
	*steps_out = STEPS;
	*out2 = 0;
	*out3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	(void)host;
	(void)address;
	struct session *session = calloc(1, sizeof(*session));
	if (!session)
		abort();
	smfi_setpriv(ctx, session);
	return SMFIS_NOREPLY;
}

static sfsistat on_mail(SMFICTX *ctx, char **args)
{
	(void)args;
	struct session *session = smfi_getpriv(ctx);
	(void)smfi_getsymval(ctx, (char *)"{auth_authen}");
	if (session)
		session->body_bytes = 0;
	return SMFIS_NOREPLY;
}

static sfsistat on_rcpt(SMFICTX *ctx, char **args)
{
	(void)ctx;
	(void)args;
	return SMFIS_NOREPLY;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx;
	(void)name;
	(void)value;
	return SMFIS_NOREPLY;
}

static sfsistat on_eoh(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *bytes, size_t length)
{
	(void)bytes;
	struct session *session = smfi_getpriv(ctx);
	if (session)
		session->body_bytes += length;
	return !session || session->body_bytes >= BODY_WANTED ? SMFIS_SKIP : SMFIS_CONTINUE;
}

static sfsistat on_eom(SMFICTX *ctx)
{
	(void)smfi_getsymval(ctx, (char *)"i");
	return SMFIS_ACCEPT;
}

static sfsistat on_abort(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	free(smfi_getpriv(ctx));
	smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: nothing_milter SOCKET\n");
		return 64;
	}
	struct smfiDesc filter = {
		.xxfi_name = (char *)"nothing",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = ACTIONS,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_header,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_eom,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};
	/* Postfix connects as its own user. */
	umask(0);
	smfi_setmaxdatasize(DATA_MAX);
	if (smfi_register(filter) != MI_SUCCESS || smfi_setconn(argv[1]) != MI_SUCCESS ||
	    smfi_setbacklog(BACKLOG) != MI_SUCCESS || smfi_opensocket(true) != MI_SUCCESS) {
		fprintf(stderr, "nothing_milter: cannot listen on %s\n", argv[1]);
		return 75;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 75;
}
