#include "lib/mail/wording.h"

#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/scan.h"

/* Marks that are written in several ways. The first is never longer than what it replaces. */
static const struct {
	const char *from;
	const char *to;
} marks[] = {
	{"\xc2\xa0", " "},                         /* no-break space */
	{"\xe3\x80\x80", " "},                     /* ideographic space */
	{"\xe2\x80\xaf", " "},                     /* narrow no-break space */
	{"\xe2\x80\x98", "'"},                     /* single quotation marks */
	{"\xe2\x80\x99", "'"},  {"\xc2\xb4", "'"}, /* acute accent */
	{"\xe2\x80\x9c", "\""},                    /* double quotation marks */
	{"\xe2\x80\x9d", "\""}, {"\xe2\x80\x9e", "\""}, {"\xc2\xab", "\""},
	{"\xc2\xbb", "\""},     {"\xe2\x80\x90", "-"}, /* hyphens and dashes */
	{"\xe2\x80\x91", "-"},  {"\xe2\x80\x93", "-"},  {"\xe2\x80\x94", "-"},
	{"\xef\xbc\x9a", ":"}, /* full-width colon and brackets */
	{"\xef\xbc\x88", "("},  {"\xef\xbc\x89", ")"},  {"\xe3\x80\x90", "["},
	{"\xe3\x80\x91", "]"},  {"\xef\xbc\xbb", "["},  {"\xef\xbc\xbd", "]"},
	{"\xe3\x80\x8c", "["},  {"\xe3\x80\x8d", "]"},
};

/* Find the mark that a text begins with, or NULL; *length_out: how much of it that is. */
static const char *find_mark(const char *text, size_t *length_out)
{
	unsigned char first = (unsigned char)text[0];

	if (first != 0xc2 && first != 0xe2 && first != 0xe3 && first != 0xef)
		return NULL;
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		size_t length = strlen(marks[i].from);

		if (strncmp(text, marks[i].from, length) == 0) {
			*length_out = length;
			return marks[i].to;
		}
	}
	return NULL;
}

/* Lower the character of two bytes at text, where its small letter has two bytes too. */
static void lower_two_bytes(const char *text, char out[2])
{
	unsigned code = ((unsigned)(unsigned char)text[0] & 0x1f) << 6 |
	                ((unsigned)(unsigned char)text[1] & 0x3f);

	if ((code >= 0xc0 && code <= 0xde && code != 0xd7) || (code >= 0x391 && code <= 0x3a9) ||
	    (code >= 0x410 && code <= 0x42f))
		code += 0x20;
	else if (code >= 0x400 && code <= 0x40f)
		code += 0x50;
	else if ((code >= 0x100 && code <= 0x137 && code != 0x130) ||
	         (code >= 0x14a && code <= 0x177))
		code |= 1;
	else if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17e))
		code += code & 1;
	out[0] = (char)(0xc0 | code >> 6);
	out[1] = (char)(0x80 | (code & 0x3f));
}

char *wording_fold(const char *text, size_t max_bytes)
{
	size_t length = strnlen(text, max_bytes);
	char *out = xmalloc(length + 1);
	size_t written = 0;
	size_t i = 0;

	while (i < length) {
		size_t taken = 1;
		const char *mark = find_mark(text + i, &taken);
		char c = mark != NULL ? *mark : text[i];
		bool is_pair = mark == NULL && ((unsigned char)c & 0xe0) == 0xc0 &&
		               i + 1 < length && ((unsigned char)text[i + 1] & 0xc0) == 0x80;

		if (scan_is_blank(c)) {
			if (written > 0 && out[written - 1] != ' ')
				out[written++] = ' ';
		} else if (is_pair) {
			lower_two_bytes(text + i, out + written);
			written += 2;
			taken = 2;
		} else {
			out[written++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
		}
		i += taken;
	}
	while (written > 0 && out[written - 1] == ' ')
		written--;
	out[written] = '\0';
	return out;
}

bool wording_has_phrase(const char *const *phrases, const char *folded)
{
	for (; *phrases != NULL; phrases++) {
		if (strstr(folded, *phrases) != NULL)
			return true;
	}
	return false;
}

static bool begins_with(const char *const *phrases, const char *folded)
{
	for (; *phrases != NULL; phrases++) {
		if (strncmp(folded, *phrases, strlen(*phrases)) == 0)
			return true;
	}
	return false;
}

bool wording_is_bounce_subject(const char *folded)
{
	static const char *const phrases[] = {
		"undeliver",
		"mail undeliver",
		"message undeliver",
		"mail delivery",
		"mail system error",
		"mail could not be delivered",
		"mail failed",
		"mail failure",
		"mail not delivered",
		"mail returned",
		"mail status report",
		"email delivery fail",
		"e-mail delivery fail",
		"message could not be delivered",
		"message delivery",
		"message not delivered",
		"message was not delivered",
		"message status - undeliver",
		"message you sent blocked",
		"**message you sent blocked",
		"your message could not be",
		"your message couldn't be",
		"your message was not delivered",
		"your mail could not be",
		"sorry, your message could not",
		"unable to deliver",
		"could not deliver",
		"couldn't deliver",
		"could not send message",
		"delivery status",
		"delivery failure",
		"delivery failed",
		"delivery has failed",
		"delivery error",
		"delivery problem",
		"delivery report",
		"delivery notification",
		"delivery delay",
		"delayed mail",
		"failure notice",
		"failed delivery",
		"failed mail",
		"failed to deliver",
		"failure delivery",
		"returned mail",
		"returned to sender",
		"returned message",
		"returned e-mail",
		"returned email",
		"return receipt: fail",
		"nondeliverable",
		"non-deliver",
		"non deliver",
		"nondelivery",
		"not delivered:",
		"notice: mail delivery",
		"error sending your mail",
		"error delivering",
		"postmaster notify",
		"address not found",
		"[bounce]",
		"bounce:",
		"bounced mail",
		"bounced message",
		"mailer-daemon",
		"automatic bounce",
		"there was an error sending your mail",
		"warning: could not send message",
		"warning: message",
		"warning from mail system",
		"rejected mail",
		"unzustellbar",
		"nicht zustellbar",
		"zustellung fehlgeschlagen",
		"zustellungsfehler",
		"fehler bei der nachrichtenzustellung",
		"mail konnte nicht zugestellt",
		"e-mail konnte nicht zugestellt",
		"nachricht konnte nicht zugestellt",
		"non remis",
		"message non remis",
		"non délivré",
		"échec de la remise",
		"échec de remise",
		"échec de livraison",
		"échec d'envoi",
		"no se puede entregar",
		"no se pudo entregar",
		"no entregado",
		"no entregable",
		"mensaje no entregado",
		"correo no entregado",
		"error de entrega",
		"onbestelbaar",
		"niet te bezorgen",
		"kan niet worden bezorgd",
		"bezorging mislukt",
		"não entregue",
		"não é possível entregar",
		"não foi possível entregar",
		"mensagem não entregue",
		"falha na entrega",
		"erro de entrega",
		"impossibile recapitare",
		"mancato recapito",
		"mancata consegna",
		"recapito non riuscito",
		"non recapitabile",
		"avviso di mancata consegna",
		"nie można dostarczyć",
		"niedostarczone",
		"niedostarczalne",
		"nie dostarczono",
		"zwrot poczty",
		"недоставленное",
		"недоставлено",
		"не доставлено",
		"не удается доставить",
		"не удалось доставить",
		"невозможно доставить",
		"сообщение не доставлено",
		"письмо не доставлено",
		"系统退信",
		"系統退信",
		"退信",
		"无法投递",
		"无法送达",
		"未送达",
		"未传递",
		"投递失败",
		"無法傳遞",
		"無法送達",
		"未傳遞",
		"配信不能",
		"配信できません",
		"配信エラー",
		"送信エラー",
		"送信できません",
		"メールを送信できません",
		"メールを配信できません",
		"メッセージを配信できません",
		"メール配信に失敗",
		"メール配信エラー",
		"배달되지 않음",
		"배달 실패",
		"반송",
		"메일 전송 실패",
		"teslim edilemedi",
		"iletilemedi",
		"kan inte levereras",
		"det går inte att leverera",
		"kan ikke leveres",
		"ikke levert",
		"ikke leveret",
		"nedoručiteln",
		"nedoručen",
		"nelze doručit",
		"kézbesíthetetlen",
		"nelivrabil",
		NULL,
	};

	return begins_with(phrases, folded);
}

bool wording_is_receipt_subject(const char *folded)
{
	static const char *const phrases[] = {
		"read:",      "not read:", "gelesen:",      "nicht gelesen:", "ungelesen:",
		"lu:",        "lu :",      "non lu:",       "non lu :",       "leído:",
		"no leído:",  "lida:",     "lido:",         "não lida:",      "letto:",
		"non letto:", "gelezen:",  "niet gelezen:", "przeczytane:",   "прочитано:",
		"已读:",      "未读:",     "已讀取:",       "開封済み:",      NULL,
	};

	return begins_with(phrases, folded);
}

bool wording_is_complaint(const char *folded)
{
	static const char *const phrases[] = {
		"this is an email abuse report",
		"this is an e-mail abuse report",
		"this is an abuse report for an email message",
		"email abuse report for an email message",
		"email abuse complaint regarding",
		"this is an opt-out report for an email message",
		"this is a spam report for an email message",
		"this is a spam complaint for an email message",
		"this message was reported as spam by",
		"feedback-type: ",
		NULL,
	};

	return wording_has_phrase(phrases, folded);
}

bool wording_is_list_refusal(const char *folded)
{
	static const char *const phrases[] = {
		"are not member",
		"not a member of",
		"not a subscriber",
		"not subscribed to",
		"not allowed to post",
		"not authorized to post",
		"reject mail",
		"rejected",
		"refused",
		"ignored not member",
		"article from",
		"loop back warning",
		"mail loop",
		"too large mail",
		"unknown ml",
		NULL,
	};

	return wording_has_phrase(phrases, folded);
}

const char *wording_status_detail(const char *folded)
{
	/* The first that is found decides: the sharper ones stand before the vague ones. */
	static const struct {
		const char *phrase;
		const char *detail;
	} meanings[] = {
		{"mailbox is full", "2.2"},
		{"mailbox full", "2.2"},
		{"mail box full", "2.2"},
		{"over quota", "2.2"},
		{"quota exceeded", "2.2"},
		{"exceeded storage", "2.2"},
		{"exceeds quota", "2.2"},
		{"insufficient disk space", "2.2"},
		{"account is disabled", "2.1"},
		{"mailbox disabled", "2.1"},
		{"account has been disabled", "2.1"},
		{"message too large", "3.4"},
		{"message too big", "3.4"},
		{"message is too large", "3.4"},
		{"message size exceeds", "3.4"},
		{"exceeds maximum", "3.4"},
		{"hop count exceeded", "4.6"},
		{"too many hops", "4.6"},
		{"mail loop", "4.6"},
		{"mail forwarding loop", "4.6"},
		{"retry timeout exceeded", "4.7"},
		{"retry time", "4.7"},
		{"time expired", "4.7"},
		{"has been on the queue too long", "4.7"},
		{"in the queue too long", "4.7"},
		{"host unknown", "1.2"},
		{"unknown host", "1.2"},
		{"host not found", "1.2"},
		{"domain not found", "1.2"},
		{"domain does not exist", "1.2"},
		{"unrouteable", "1.2"},
		{"no mx record", "1.2"},
		{"name or service not known", "1.2"},
		{"connection timed out", "4.1"},
		{"connection refused", "4.1"},
		{"connection was dropped", "4.2"},
		{"did not accept our requests to connect", "4.1"},
		{"no route to host", "4.1"},
		{"relay access denied", "7.1"},
		{"relaying denied", "7.1"},
		{"blocked", "7.1"},
		{"user unknown", "1.1"},
		{"unknown user", "1.1"},
		{"unknown recipient", "1.1"},
		{"recipient unknown", "1.1"},
		{"no such user", "1.1"},
		{"no such address", "1.1"},
		{"no such recipient", "1.1"},
		{"no such mailbox", "1.1"},
		{"user not found", "1.1"},
		{"user doesn't", "1.1"},
		{"user does not exist", "1.1"},
		{"recipient not found", "1.1"},
		{"recipient name is not recognized", "1.1"},
		{"mailbox not found", "1.1"},
		{"does not exist", "1.1"},
		{"doesn't exist", "1.1"},
		{"not listed in", "1.1"},
		{"address not found", "1.1"},
		{"invalid recipient", "1.1"},
		{"may not exist", "1.1"},
		{"invalid final delivery userid", "1.1"},
	};

	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
		if (strstr(folded, meanings[i].phrase) != NULL)
			return meanings[i].detail;
	}
	return NULL;
}
