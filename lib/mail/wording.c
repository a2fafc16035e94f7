#include "lib/mail/wording.h"

#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/scan.h"

char *wording_fold(const char *text, size_t max_bytes)
{
	size_t length = strnlen(text, max_bytes);
	char *out = xmalloc(length + 1);
	size_t written = 0;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (scan_is_blank(c)) {
			if (written > 0 && out[written - 1] != ' ')
				out[written++] = ' ';
			continue;
		}
		out[written++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	while (written > 0 && out[written - 1] == ' ')
		written--;
	out[written] = '\0';
	return out;
}

static bool has_phrase(const char *const *phrases, const char *folded)
{
	for (; *phrases != NULL; phrases++) {
		if (strstr(folded, *phrases) != NULL)
			return true;
	}
	return false;
}

static const char *const undelivered[] = {
	"could not be delivered",
	"couldn't be delivered",
	"cannot be delivered",
	"can't be delivered",
	"can not be delivered",
	"was not delivered",
	"wasn't delivered",
	"not been delivered",
	"unable to deliver",
	"able to deliver your message", /* with "wasn't" before it, which has several apostrophes */
	"could not deliver",
	"couldn't deliver",
	"not deliver the message",
	"undeliverable",
	"undelivered",
	"delivery failed",
	"delivery has failed",
	"delivery failure",
	"delivery to the following recipient",
	"error delivering your mail",
	"trouble delivering your message",
	"there was an error sending your mail",
	"attempting to deliver a message",
	"trying to deliver the mail",
	"trying to deliver your message",
	"failed to deliver",
	"failed delivery",
	"did not reach",
	"could not be reached",
	"could not be sent",
	"rejected by a remote mail server",
	"had delivery problems",
	"had delivery errors",
	"permanent fatal errors",
	"had fatal errors",
	"had transient non-fatal errors",
	"permanent error",
	"transcript of session follows",
	"failure reasons",
	"failure notice",
	"failed addresses follow",
	"returned mail",
	"returned to sender",
	"returning message to sender",
	"returned message",
	"unsent message",
	"no such user",
	"user unknown",
	"unknown user",
	"recipient not found",
	"mailbox unavailable",
	"mailbox is full",
	"mailbox full",
	"invalid final delivery userid",
	"unrouteable address",
	"original message follows",
	"may not exist, or you may not have permission",
	"delivery status notification",
	"nicht zugestellt werden",
	"nicht ausgeliefert werden",
	"unzustellbar",
	"n'a pas pu \xc3\xaatre",
	"n\xe2\x80\x99"
	"a pas pu \xc3\xaatre",
	"non remis",
	"no se pudo entregar",
	"no se ha podido entregar",
	"no ha podido ser entregado",
	"stato possibile recapitare",
	"stato possibile consegnare",
	"impossibile recapitare",
	"niet worden bezorgd",
	"niet worden afgeleverd",
	"n\xc3\xa3o foi poss\xc3\xadvel entregar",
	"n\xc3\xa3o p\xc3\xb4"
	"de ser entregue",
	"zosta\xc4\x87 dostarczona",
	"nie mo\xc5\xbcna dostarczy\xc4\x87",
	"kunde inte levereras",
	"kunne ikke leveres",
	"nelze doru\xc4\x8dit",
	"teslim edilemedi",
	/* Russian: cannot be delivered, is not delivered */
	"\xd0\xbd\xd0\xb5 \xd0\xbc\xd0\xbe\xd0\xb6\xd0\xb5\xd1\x82 \xd0\xb1\xd1\x8b\xd1\x82\xd1\x8c "
	"\xd0\xb4\xd0\xbe\xd1\x81\xd1\x82\xd0\xb0\xd0\xb2\xd0\xbb\xd0\xb5\xd0\xbd\xd0\xbe",
	"\xd0\xbd\xd0\xb5 \xd0\xb4\xd0\xbe\xd1\x81\xd1\x82\xd0\xb0\xd0\xb2\xd0\xbb\xd0\xb5\xd0\xbd\xd0\xbe",
	/* Japanese: could not be sent, could not be delivered (two words for it), failed to send */
	"\xe9\x80\x81\xe4\xbf\xa1\xe3\x81\xa7\xe3\x81\x8d\xe3\x81\xbe\xe3\x81\x9b\xe3\x82\x93",
	"\xe9\x85\x8d\xe4\xbf\xa1\xe3\x81\xa7\xe3\x81\x8d\xe3\x81\xbe\xe3\x81\x9b\xe3\x82\x93",
	"\xe9\x85\x8d\xe9\x80\x81\xe3\x81\xa7\xe3\x81\x8d\xe3\x81\xbe\xe3\x81\x9b\xe3\x82\x93",
	"\xe9\x80\x81\xe4\xbf\xa1\xe3\x81\xab\xe5\xa4\xb1\xe6\x95\x97",
	/* Chinese: cannot be delivered, returned mail */
	"\xe6\x97\xa0\xe6\xb3\x95\xe6\x8a\x95\xe9\x80\x92",
	"\xe9\x80\x80\xe4\xbf\xa1",
	NULL,
};

static const char *const delayed[] = {
	"has been delayed",
	"is delayed",
	"delivery delayed",
	"delayed mail",
	"delayed:",
	"(delay)",
	"notification: delayed",
	"not yet been delivered",
	"not been delivered yet",
	"will be retried",
	"still being retried",
	"still trying",
	"will keep trying",
	"will continue to try",
	"delivery attempts will continue",
	"attempts to deliver the message will continue",
	"warning message only",
	"warning only",
	"wurde verz\xc3\xb6gert",
	"noch nicht zugestellt",
	NULL,
};

bool wording_is_undelivered(const char *folded)
{
	return has_phrase(undelivered, folded) || has_phrase(delayed, folded);
}

bool wording_is_delayed(const char *folded)
{
	return has_phrase(delayed, folded);
}

/* What a subject begins with, and the characters of which one must follow ("" only the end; NULL anything). */
static bool begins_with(const char *const *phrases, const char *folded, const char *followers)
{
	for (; *phrases != NULL; phrases++) {
		size_t length = strlen(*phrases);
		const char *rest = folded + length;

		if (strncmp(folded, *phrases, length) != 0)
			continue;
		rest += strspn(rest, " ");
		if (followers == NULL || *rest == '\0' || strchr(followers, *rest) != NULL)
			return true;
	}
	return false;
}

bool wording_is_bounce_subject(const char *folded)
{
	static const char *const phrases[] = {
		"undeliverable",
		"undelivered mail returned to sender",
		"undelivered mail",
		"mail delivery failed",
		"mail delivery failure",
		"mail delivery system",
		"mail delivery status notification",
		"mail system error - returned mail",
		"mail could not be delivered",
		"message delivery has failed",
		"delivery status notification",
		"delivery failure",
		"delivery failed",
		"delivery has failed",
		"delivery delayed",
		"delayed mail",
		"failure notice",
		"failed delivery",
		"failure delivery",
		"returned mail",
		"there was an error sending your mail",
		"warning: could not send message",
		"unzustellbar",
		"non remis",
		"no se puede entregar",
		"onbestelbaar",
		"niet te bezorgen",
		"n\xc3\xa3o entregue",
		"impossibile recapitare",
		NULL,
	};

	return begins_with(phrases, folded, NULL);
}

bool wording_is_absence_subject(const char *folded)
{
	static const char *const phrases[] = {
		"out of office",
		"out of the office",
		"out of office autoreply",
		"out of office auto-reply",
		"out of office reply",
		"out of office notification",
		"out of office message",
		"out-of-office",
		"out-of-office reply",
		"auto-reply",
		"auto reply",
		"autoreply",
		"auto response",
		"auto-response",
		"autoresponse",
		"auto responder",
		"autoresponder",
		"automatic reply",
		"automatic response",
		"automated reply",
		"automated response",
		"vacation reply",
		"vacation response",
		"vacation message",
		"away from the office",
		"[auto-reply]",
		"[autoreply]",
		"(autoreply)",
		"abwesenheitsnotiz",
		"abwesenheitsnachricht",
		"abwesenheitsmeldung",
		"automatische antwort",
		"autom. antwort",
		"automatisch antwoord",
		"automatisch antwoorden",
		"afwezigheidsbericht",
		"afwezig",
		"r\xc3\xa9ponse automatique",
		"reponse automatique",
		"absence du bureau",
		"absent du bureau",
		"message d'absence",
		"respuesta autom\xc3\xa1tica",
		"respuesta automatica",
		"fuera de la oficina",
		"fuera de oficina",
		"risposta automatica",
		"fuori sede",
		"fuori ufficio",
		"resposta autom\xc3\xa1tica",
		"resposta automatica",
		"fora do escrit\xc3\xb3rio",
		"ausencia temporal",
		"autosvar",
		"automatiskt svar",
		"automatisk svar",
		"fr\xc3\xa5nvaromeddelande",
		"frav\xc3\xa6rsmelding",
		"poissa toimistosta",
		"automaattinen vastaus",
		"odpowied\xc5\xba automatyczna",
		"autoodpowied\xc5\xba",
		"automatick\xc3\xa1 odpov\xc4\x9b\xc4\x8f",
		"automatikus v\xc3\xa1lasz",
		"otomatik yan\xc4\xb1t",
		"r\xc4\x83spuns automat",
		/* Russian: automatic reply, auto-reply */
		"\xd0\xb0\xd0\xb2\xd1\x82\xd0\xbe\xd0\xbc\xd0\xb0\xd1\x82\xd0\xb8\xd1\x87\xd0\xb5\xd1\x81"
		"\xd0\xba\xd0\xb8\xd0\xb9 \xd0\xbe\xd1\x82\xd0\xb2\xd0\xb5\xd1\x82",
		"\xd0\x90\xd0\xb2\xd1\x82\xd0\xbe\xd0\xbc\xd0\xb0\xd1\x82\xd0\xb8\xd1\x87\xd0\xb5\xd1\x81"
		"\xd0\xba\xd0\xb8\xd0\xb9 \xd0\xbe\xd1\x82\xd0\xb2\xd0\xb5\xd1\x82",
		"\xd0\x90\xd0\xb2\xd1\x82\xd0\xbe\xd0\xbe\xd1\x82\xd0\xb2\xd0\xb5\xd1\x82",
		/* Chinese, simplified and traditional; Japanese; Korean */
		"\xe8\x87\xaa\xe5\x8a\xa8\xe7\xad\x94\xe5\xa4\x8d",
		"\xe8\x87\xaa\xe5\x8a\xa8\xe5\x9b\x9e\xe5\xa4\x8d",
		"\xe8\x87\xaa\xe5\x8b\x95\xe5\x9b\x9e\xe8\xa6\x86",
		"\xe8\x87\xaa\xe5\x8b\x95\xe5\xbf\x9c\xe7\xad\x94",
		"\xe8\x87\xaa\xe5\x8b\x95\xe8\xbf\x94\xe4\xbf\xa1",
		"\xec\x9e\x90\xeb\x8f\x99 \xed\x9a\x8c\xec\x8b\xa0",
		"\xeb\xb6\x80\xec\x9e\xac \xec\xa4\x91",
		NULL,
	};
	return begins_with(phrases, folded, ":([{");
}

bool wording_may_be_absence_subject(const char *folded)
{
	static const char *const phrases[] = {
		"out of office", "out of the office", "auto:",    "away ",  "ooo",
		"on vacation",   "on holiday",        "on leave", "absent", "abwesend",
		"im urlaub",     "absence",           "vacation", NULL,
	};
	static const char *const endings[] = {
		"is out of the office",
		"is out of office",
		"is away from the office",
		"ist au\xc3\x9f"
		"er haus",
		NULL,
	};

	return begins_with(phrases, folded, NULL) || has_phrase(endings, folded);
}
