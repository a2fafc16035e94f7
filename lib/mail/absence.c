#include "lib/mail/absence.h"

#include <stddef.h>
#include <string.h>

#define TAG_MAX_BYTES 24 /* "[External sender]" */

/* What no person begins a subject with, unless a sentence goes on. */
static const char *const sure[] = {
	/* English */
	"automatic reply",
	"automatic response",
	"automatic answer",
	"automatic e-mail reply",
	"automatic email reply",
	"automated reply",
	"automated response",
	"automated email response",
	"auto reply",
	"auto-reply",
	"autoreply",
	"auto response",
	"auto-response",
	"autoresponse",
	"auto responder",
	"auto-responder",
	"autoresponder",
	"auto answer",
	"auto-answer",
	"out of office autoreply",
	"out of office auto-reply",
	"out of office auto reply",
	"out of office automatic reply",
	"out of office reply",
	"out of office response",
	"out of office notification",
	"out of office notice",
	"out of office message",
	"out of office alert",
	"out of the office autoreply",
	"out of the office auto-reply",
	"out of the office reply",
	"out of the office message",
	"out-of-office autoreply",
	"out-of-office auto-reply",
	"out-of-office reply",
	"out-of-office response",
	"out-of-office notification",
	"out-of-office message",
	"ooo autoreply",
	"ooo auto-reply",
	"vacation reply",
	"vacation autoreply",
	"vacation auto-reply",
	"vacation auto reply",
	"vacation response",
	"vacation message",
	"vacation notice",
	"holiday autoreply",
	"holiday auto-reply",
	"away from my mail",
	/* German */
	"abwesenheitsnotiz",
	"abwesenheitsnachricht",
	"abwesenheitsmeldung",
	"abwesenheitsmitteilung",
	"abwesenheitsbenachrichtigung",
	"abwesenheitshinweis",
	"abwesenheitsinfo",
	"abwesenheitsassistent",
	"automatische antwort",
	"autom. antwort",
	"automatische rückantwort",
	"automatische rückmeldung",
	"automatische abwesenheitsnotiz",
	"automatische abwesenheitsnachricht",
	"automatische abwesenheitsmeldung",
	"automatische e-mail-antwort",
	"automatische eingangsbestätigung",
	/* French */
	"réponse automatique",
	"reponse automatique",
	"réponse automatisée",
	"message automatique d'absence",
	"message d'absence",
	"avis d'absence",
	"notification d'absence",
	"absence du bureau",
	/* Spanish */
	"respuesta automática",
	"respuesta automatica",
	"respuesta automatizada",
	"contestación automática",
	"autorespuesta",
	"auto-respuesta",
	"auto respuesta",
	"aviso de ausencia",
	"mensaje de ausencia",
	"notificación de ausencia",
	/* Portuguese */
	"resposta automática",
	"resposta automatica",
	"resposta automatizada",
	"autoresposta",
	"auto-resposta",
	"aviso de ausência",
	"mensagem de ausência",
	"notificação de ausência",
	"resposta de ausência",
	/* Italian */
	"risposta automatica",
	"risposta automatizzata",
	"risponditore automatico",
	"autorisposta",
	"avviso di assenza",
	"messaggio di assenza",
	"notifica di assenza",
	"messaggio automatico di assenza",
	/* Dutch */
	"automatisch antwoord",
	"automatisch antwoorden",
	"automatische reactie",
	"automatische beantwoording",
	"automatisch bericht van afwezigheid",
	"afwezigheidsbericht",
	"afwezigheidsmelding",
	"afwezigheidsassistent",
	/* Polish */
	"odpowiedź automatyczna",
	"odpowiedz automatyczna",
	"automatyczna odpowiedź",
	"automatyczna odpowiedz",
	"autoodpowiedź",
	"informacja o nieobecności",
	"wiadomość o nieobecności",
	"powiadomienie o nieobecności",
	/* Russian, Ukrainian */
	"автоматический ответ",
	"автоматична відповідь",
	"автоответ",
	"автоответчик",
	"уведомление об отсутствии",
	"сообщение об отсутствии",
	/* Chinese */
	"自动答复",
	"自动回复",
	"自动应答",
	"自動回覆",
	"自動答覆",
	"自動回復",
	"外出时的自动答复",
	"外出自动回复",
	"外出自动答复",
	"不在办公室自动回复",
	/* Japanese */
	"自動応答",
	"自動返信",
	"自動返答",
	"自動応答メール",
	"自動返信メール",
	"不在通知",
	"不在応答",
	"不在時自動応答",
	/* Korean */
	"자동 회신",
	"자동회신",
	"자동 응답",
	"자동응답",
	"부재 중 자동 회신",
	/* Others */
	"autosvar",
	"automatiskt svar",
	"automatisk svar",
	"automatisk besvarelse",
	"frånvaromeddelande",
	"fraværsmelding",
	"fraværsbesked",
	"automaattinen vastaus",
	"poissaoloilmoitus",
	"automatická odpověď",
	"automatická odpoveď",
	"automatski odgovor",
	"samodejni odgovor",
	"automatikus válasz",
	"otomatik yanıt",
	"otomatik cevap",
	"răspuns automat",
	"автоматичен отговор",
	"αυτόματη απάντηση",
	"תשובה אוטומטית",
	"رد تلقائي",
	"الرد التلقائي",
	"balasan otomatis",
	"trả lời tự động",
	NULL,
};

/* What people write too, but hardly as the whole of a subject. */
static const char *const plain[] = {
	"out of office",
	"out-of-office",
	"out of the office",
	"currently out of office",
	"currently out of the office",
	"i am out of office",
	"i am out of the office",
	"i'm out of office",
	"i'm out of the office",
	"i am currently out of office",
	"i am currently out of the office",
	"i'm currently out of the office",
	"away from the office",
	"away from office",
	"not in the office",
	"auto: out of office",
	"auto: out of the office",
	"außer haus",
	"ausser haus",
	"nicht im büro",
	"nicht im buero",
	"derzeit nicht im büro",
	"zur zeit nicht im büro",
	"ich bin nicht im büro",
	"ich bin im urlaub",
	"bin im urlaub",
	"absent du bureau",
	"absente du bureau",
	"hors du bureau",
	"je suis absent",
	"je suis absente",
	"je suis en congé",
	"je suis en congés",
	"fuera de la oficina",
	"fuera de oficina",
	"estoy fuera de la oficina",
	"ausente de la oficina",
	"ausencia temporal",
	"fora do escritório",
	"fora do escritorio",
	"estou fora do escritório",
	"ausente do escritório",
	"ausência temporária",
	"fuori sede",
	"fuori ufficio",
	"fuori dall'ufficio",
	"assente dall'ufficio",
	"sono fuori ufficio",
	"niet op kantoor",
	"buiten kantoor",
	"ik ben niet op kantoor",
	"afwezig",
	"poza biurem",
	"jestem poza biurem",
	"nieobecność w biurze",
	"вне офиса",
	"я в отпуске",
	"нахожусь в отпуске",
	"нет на рабочем месте",
	"不在办公室",
	"不在辦公室",
	"外出",
	"休假中",
	"不在のお知らせ",
	"不在のご連絡",
	"休暇中",
	"부재 중",
	"부재중",
	"ofis dışında",
	"ofis dışındayım",
	"poissa toimistosta",
	"ute fra kontoret",
	"inte på kontoret",
	"ikke på kontoret",
	NULL,
};

/* What is a responder's only where the header shows one. */
static const char *const weak[] = {
	"auto:",
	"away",
	"ooo",
	"i am away",
	"i'm away",
	"i am on vacation",
	"i'm on vacation",
	"on vacation",
	"on holiday",
	"on leave",
	"on annual leave",
	"annual leave",
	"absent",
	"absence",
	"vacation",
	"holiday",
	"abwesend",
	"abwesenheit",
	"im urlaub",
	"urlaub",
	"en congé",
	"en congés",
	"congés",
	"en vacances",
	"vacaciones",
	"de vacaciones",
	"ausencia",
	"ausente",
	"ausência",
	"férias",
	"em férias",
	"de férias",
	"estou de férias",
	"assenza",
	"assente",
	"ferie",
	"in ferie",
	"afwezigheid",
	"vakantie",
	"op vakantie",
	"met vakantie",
	"nieobecność",
	"nieobecny",
	"nieobecna",
	"urlop",
	"na urlopie",
	"jestem na urlopie",
	"отпуск",
	"в отпуске",
	"отсутствие",
	"отсутствую",
	"休假",
	"出差",
	"出差中",
	"不在",
	"休暇",
	NULL,
};

/* What Notes puts behind a person's name. */
static const char *const of_person[] = {
	" is out of the office",
	" is out of office",
	" is away from the office",
	" is on vacation",
	" is on leave",
	" will be out of the office",
	" ist außer haus",
	" ist ausser haus",
	" ist abwesend",
	" ist nicht im büro",
	" ist im urlaub",
	" est absent",
	" sera absent",
	" est en congé",
	" está fuera de la oficina",
	" estará fuera de la oficina",
	" está ausente",
	" está fora do escritório",
	" estará ausente",
	" è fuori ufficio",
	" è assente",
	" is afwezig",
	" is niet op kantoor",
	" jest poza biurem",
	" jest nieobecn",
	" отсутствует",
	" в отпуске",
	NULL,
};

/* Step over what a subject is decorated with. */
static const char *skip_decoration(const char *s)
{
	return s + strspn(s, " *[(<{\"'=~-#!");
}

/* Step over the tag that a gateway of ours puts first: "[External]", "EXTERN:". */
static const char *skip_tag(const char *s)
{
	static const char *const words[] = {"external:", "extern:", "ext:", "[spam]", NULL};
	const char *close = strchr(s, ']');

	if (*s == '[' && close != NULL && close - s <= TAG_MAX_BYTES && close[1] != '\0')
		return close + 1 + strspn(close + 1, " ");
	for (size_t i = 0; words[i] != NULL; i++)
		if (strncmp(s, words[i], strlen(words[i])) == 0)
			return s + strlen(words[i]) + strspn(s + strlen(words[i]), " ");
	return s;
}

/* Nothing but marks up to the end. */
static bool is_end(const char *rest)
{
	return rest[strspn(rest, " *])>}\"'=~-#!.")] == '\0';
}

/* Does a machine's phrase end here? */
static bool ends_sure(const char *rest)
{
	if (is_end(rest) || strchr(":([{])}*|\"<>/=", *rest) != NULL)
		return true;
	rest += strspn(rest, " ");
	return strchr(":([{|\"<*", *rest) != NULL || strncmp(rest, "- ", 2) == 0 ||
	       strncmp(rest, "/ ", 2) == 0;
}

/* Does a phrase that people use too end here? */
static bool ends_plain(const char *rest)
{
	if (is_end(rest))
		return true;
	rest += strspn(rest, " ");
	return strchr(":([{])", *rest) != NULL;
}

/* Does a word end here? */
static bool ends_word(const char *rest)
{
	return !((*rest >= 'a' && *rest <= 'z') || (*rest >= '0' && *rest <= '9') ||
	         (unsigned char)*rest >= 0x80);
}

static bool begins_with(const char *const *phrases, const char *s, bool (*ends)(const char *rest))
{
	for (; *phrases != NULL; phrases++) {
		size_t length = strlen(*phrases);

		if (strncmp(s, *phrases, length) == 0 && ends(s + length))
			return true;
	}
	return false;
}

static bool has_phrase(const char *const *phrases, const char *s)
{
	for (; *phrases != NULL; phrases++)
		if (strstr(s, *phrases) != NULL)
			return true;
	return false;
}

static bool is_subject(const char *s)
{
	static const char *const notes[] = {"auto:", NULL};

	s = skip_decoration(s);
	return begins_with(sure, s, ends_sure) || begins_with(plain, s, ends_plain) ||
	       (begins_with(notes, s, ends_word) && has_phrase(of_person, s));
}

bool absence_is_subject(const char *folded)
{
	const char *untagged = skip_tag(folded);

	return is_subject(folded) || (untagged != folded && is_subject(untagged));
}

bool absence_may_be_subject(const char *folded)
{
	const char *s = skip_decoration(skip_tag(folded));

	return begins_with(sure, s, ends_word) || begins_with(plain, s, ends_word) ||
	       begins_with(weak, s, ends_word) || has_phrase(of_person, s);
}
