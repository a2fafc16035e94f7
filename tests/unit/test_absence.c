#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "tests/unit/class_fixture.h"

/* What may stand in the header besides the subject. */
#define NOTHING  ""
#define NOTES    "X-MIMETrack: Itemize by SMTP Server on mx/company\n"
#define LOTUS    "X-Mailer: Lotus Notes Release 8.5\n"
#define BULK     "Precedence: bulk\n"
#define RULE     "X-MS-Exchange-Inbox-Rules-Loop: jane@company.test\n"
#define SUPPRESS "X-Auto-Response-Suppress: All\n"
#define OUTLOOK  "X-Mailer: Microsoft Outlook 16.0\n"

/* Subjects of responders. */
static const struct {
	const char *subject;
	const char *fields;
} replies[] = {
	/* English */
	{"Out of Office", NOTHING},
	{"Out of Office: Offer 4711", NOTHING},
	{"Out of Office AutoReply: Offer 4711", NOTHING},
	{"Out of Office Autoreply", NOTHING},
	{"OUT OF OFFICE", NOTHING},
	{"Out of the office (back on 5 May)", NOTHING},
	{"Out-of-Office: Your order", NOTHING},
	{"Automatic reply: Your order", NOTHING},
	{"Automatic reply: Re: Out of office furniture", NOTHING},
	{"Automatic reply - Your order", NOTHING},
	{"Auto-Reply: Your order", NOTHING},
	{"Auto reply", NOTHING},
	{"[Auto-Reply] Re: Your order", NOTHING},
	{"(Autoreply) Your order", NOTHING},
	{"*** Automatic reply *** Your order", NOTHING},
	{"Autoreply", NOTHING},
	{"Automated response: ticket", NOTHING},
	{"Vacation reply", NOTHING},
	{"away from my mail", NOTHING},
	{"I am out of the office", NOTHING},
	{"I\xe2\x80\x99m out of the office!", NOTHING},
	{"[External] Automatic reply: Your order", NOTHING},
	{"EXTERN: Automatic reply: Your order", NOTHING},
	{"AUTO: Jane Doe is out of the office (returning 05/01/2027)", NOTHING},
	{"Jane Doe is out of the office.", NOTES},
	{"Jane Doe/Sales/Company is out of the office (returning 05/01)", LOTUS},
	{"Away until 5 May", BULK},
	{"Out of office until Monday", RULE},
	{"On vacation", BULK},
	/* German */
	{"Abwesenheitsnotiz", NOTHING},
	{"Abwesenheitsnotiz: Angebot", NOTHING},
	{"ABWESENHEITSNOTIZ : Angebot", NOTHING},
	{"Automatische Antwort: Angebot", NOTHING},
	{"Abwesenheitsnachricht Re: Angebot", RULE},
	{"Automatische R\xc3\xbc"
         "ckantwort: Angebot",
         NOTHING},
	{"Ich bin im Urlaub", NOTHING},
	{"Jane Doe ist au\xc3\x9f"
         "er Haus.",
         LOTUS},
	{"Urlaub bis 5. Mai", BULK},
	/* French */
	{"R\xc3\xa9ponse automatique : Devis", NOTHING},
	{"R\xc3\xa9ponse automatique\xc2\xa0: Devis", NOTHING},
	{"R\xc3\x89PONSE AUTOMATIQUE: Devis", NOTHING},
	{"Message d\xe2\x80\x99"
         "absence",
         NOTHING},
	{"Absente du bureau", NOTHING},
	/* Spanish */
	{"Respuesta autom\xc3\xa1tica: Oferta", NOTHING},
	{"Respuesta automatica: Oferta", NOTHING},
	{"Fuera de la oficina", NOTHING},
	{"De vacaciones hasta el lunes", BULK},
	/* Portuguese */
	{"Resposta autom\xc3\xa1tica: Proposta", NOTHING},
	{"Fora do escrit\xc3\xb3rio: Proposta", NOTHING},
	{"AUS\xc3\x8ANCIA TEMPOR\xc3\x81RIA", NOTHING},
	/* Italian */
	{"Risposta automatica: Offerta", NOTHING},
	{"Fuori sede", NOTHING},
	{"In ferie fino al 20 agosto", BULK},
	/* Dutch */
	{"Automatisch antwoord: Offerte", NOTHING},
	{"Afwezigheidsbericht", NOTHING},
	{"Niet op kantoor", NOTHING},
	/* Polish */
	{"Odpowied\xc5\xba automatyczna: Oferta", NOTHING},
	{"ODPOWIED\xc5\xb9 AUTOMATYCZNA: Oferta", NOTHING},
	{"Poza biurem", NOTHING},
	/* Russian */
	{"Автоматический ответ: Заказ", NOTHING},
	{"АВТООТВЕТ", NOTHING},
	{"В отпуске до 5 мая", BULK},
	/* Chinese, Japanese, Korean */
	{"自动答复: 报价", NOTHING},
	{"自动回复：报价", NOTHING},
	{"自動回覆: 報價", NOTHING},
	{"【自動返信】お問い合わせ", NOTHING},
	{"自動応答: 見積", NOTHING},
	{"자동 회신: 견적", NOTHING},
	/* Others */
	{"Otomatik yan\xc4\xb1t: Teklif", NOTHING},
	{"Automatiskt svar: Offert", NOTHING},
};

/* Subjects of people. */
static const struct {
	const char *subject;
	const char *fields;
} people[] = {
	{"Re: out of office furniture", NOTHING},
	{"Re: Out of Office", NOTHING},
	{"RE: Automatic reply: Your order", NOTHING},
	{"AW: Abwesenheitsnotiz", NOTHING},
	{"Fwd: Abwesenheitsnotiz: Angebot", NOTHING},
	{"R: Risposta automatica", NOTHING},
	{"Odp: Odpowied\xc5\xba automatyczna", NOTHING},
	{"回复: 自动答复", NOTHING},
	{"Out of office furniture", NOTHING},
	{"Out of office furniture for sale", OUTLOOK},
	{"Out of office next week?", NOTHING},
	{"Out of office until Monday", NOTHING},
	{"Out of office until Monday", SUPPRESS},
	{"Out of office from 1 to 5 May", OUTLOOK},
	{"Out of officers", NOTHING},
	{"Out of the office chairs you sent, two are broken", NOTHING},
	{"Automatic reply settings", NOTHING},
	{"Automatic reply?", NOTHING},
	{"Automatic replies do not work", NOTHING},
	{"Automatic response times of your service", NOTHING},
	{"Auto-reply, how do I switch it on?", NOTHING},
	{"Autoreply is broken", NOTHING},
	{"Autoresponders compared", NOTHING},
	{"How to set an automatic reply", NOTHING},
	{"Question about your Out of Office", NOTHING},
	{"Your out of office: who stands in?", NOTHING},
	{"Auto: insurance renewal", NOTHING},
	{"Auto parts, order 4711", NOTHING},
	{"Away game tickets", NOTHING},
	{"Vacation rental offer", NOTHING},
	{"Vacation", NOTHING},
	{"On vacation next week, please ship later", NOTHING},
	{"Holiday opening hours", NOTHING},
	{"Bob is out of the office today", NOTHING},
	{"Bob is out of the office", OUTLOOK},
	{"Absent employees list", NOTHING},
	{"Abwesenheitsnotiz einrichten", NOTHING},
	{"Abwesenheitsnotizen im Team", NOTHING},
	{"Abwesenheit am Freitag", NOTHING},
	{"Automatische Antworten", NOTHING},
	{"Automatische Antwort funktioniert nicht", NOTHING},
	{"Urlaub", NOTHING},
	{"Urlaubsantrag", NOTHING},
	{"Nicht im B\xc3\xbcro vorr\xc3\xa4tig", NOTHING},
	{"R\xc3\xa9ponse automatique aux clients : votre avis", NOTHING},
	{"Absence de Jeanne lundi", NOTHING},
	{"Respuesta autom\xc3\xa1tica no funciona", NOTHING},
	{"Vacaciones de agosto", NOTHING},
	{"Fuera de la oficina hay un paquete", NOTHING},
	{"F\xc3\xa9rias coletivas", NOTHING},
	{"Fora do escrit\xc3\xb3rio central", NOTHING},
	{"Risposta automatica del forno", NOTHING},
	{"Ferie agosto", NOTHING},
	{"Fuori sede di lavoro: rimborso", NOTHING},
	{"Automatisch antwoord instellen", NOTHING},
	{"Afwezig op vrijdag", NOTHING},
	{"Automatyczna odpowied\xc5\xba nie dzia\xc5\x82"
         "a",
         NOTHING},
	{"Urlop", NOTHING},
	{"Автоматический ответчик не работает", NOTHING},
	{"Отпуск", NOTHING},
	{"自动回复设置问题", NOTHING},
	{"外出活动安排", NOTHING},
	{"自動返信メールが届きません", NOTHING},
	{"休暇申請", NOTHING},
	{"Re: Jane Doe is out of the office", NOTES},
	{"Your order", SUPPRESS},
	{"Your order", RULE},
	{"Your order", LOTUS},
};

static bool is_auto_reply(const char *subject, const char *fields)
{
	char *raw =
		xasprintf("%s%sSubject: %s\n\nThank you for your mail.\n", JANE, fields, subject);
	struct classification found;
	bool is_hit;

	classify_raw(raw, false, &found);
	is_hit =
		found.class == CLASS_AUTO_REPLY && strcmp(found.rule, "out-of-office-subject") == 0;
	classification_release(&found);
	free(raw);
	return is_hit;
}

static void responders_are_known_by_their_subject(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		if (!is_auto_reply(replies[i].subject, replies[i].fields))
			fail_msg("taken for a person's: %s", replies[i].subject);
	}
}

static void people_write_such_words_too(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof people / sizeof people[0]; i++) {
		if (is_auto_reply(people[i].subject, people[i].fields))
			fail_msg("taken for a responder's: %s", people[i].subject);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responders_are_known_by_their_subject),
		cmocka_unit_test(people_write_such_words_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
