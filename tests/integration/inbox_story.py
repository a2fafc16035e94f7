"""The story's second half: an external inbox joins in, and nobody waits unseen."""

import datetime
import email.utils
import os
import re

from mail import Mail, compose, token_of
from scene import CONFIG, CUSTOMER, EXTERNAL, INBOXES, JANE, REPLIES, Scene, tags_of
from scheduler import let_messages_age
from wait import wait_for

INBOX = """
[account "Sales"]
address = sales@company.test
incoming = yes
pop3 = pop3s://localhost:{port}
username = {user}
password_file = {password_file}
leave = forever
poll = 10s
"""

ALERT_S = 3
ALERT = f"alert = {ALERT_S}s to owner, team@company.test\n"

# What the provider's server puts above a message.
PROVIDER = """\
Return-Path: <{sender}>
Delivered-To: {user}
Received: from mx.example.org by mx.provider.test; {date}
"""

OTHER = "other@example.com"

# A report on a message of Jane's, as a server of the customer's writes it.
REPORT = """\
--part
Content-Type: text/plain

{text}

--part
Content-Type: {type}

{facts}

--part
Content-Type: text/rfc822-headers

From: {jane}
Message-ID: {msgid}

--part--
"""


class InboxStory(Scene):
    """External inboxes, and alerts."""

    def _configure(self, with_alert):
        """Write rejoinder.conf anew, with the inbox of Sales."""
        head, title, rest = CONFIG.partition("[rejoinder]\n")
        password_file = os.path.join(self.world.directory, "sales.password")
        with open(password_file, "w", encoding="ascii") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(INBOXES[EXTERNAL] + "\n")
        inbox = INBOX.format(port=self.world.dovecot.pop3s, user=EXTERNAL,
                             password_file=password_file)
        self.rejoinder.write_config(f"{head}{title}ca_file = {self.world.ca_file}\n{rest}"
                                    + (ALERT if with_alert else "") + inbox)
        return inbox

    # 9

    def an_answer_waits_in_an_inbox(self):
        self.tell.say("The company has an old mailbox at a provider. Some lines in rejoinder.conf, "
                      "and it joins in.")
        self.tell.file("rejoinder.conf, one account more:", self._configure(False))
        self.rejoinder.reload()
        self.rejoinder.wait_log(r"info: read \S+ again")
        self.inbox = self.world.dovecot.inbox(EXTERNAL)

        self.tell.say("The customer answers to the address he knows from long ago. His mail "
                      "carries a field of ours, too, which he made up.")
        by_ids = self._at_provider(
            compose(CUSTOMER, EXTERNAL, "Re: Your order", "You do not read this one?\n",
                    In_Reply_To=self.first.value("Message-ID"),
                    Rejoinder_Reference="Sales Order SO-0001"))
        self.tell.say("Then he answers to all. His own server is slow today: the copy for the "
                      "provider is there first.")
        self.late = self.answer(CUSTOMER, self.address, "Re: Your order", "Hello? Anybody?\n",
                                self.question, Cc=EXTERNAL)
        self.question = self._at_provider(self.late)

        self._see_fetch("nothing is changed by a look", "--dry-run",
                        expected="2 on the server, 2 to fetch; nothing was changed")
        self.tell.say("rejoinder-fetcher starts. It hands what it finds to Postfix, and the milter "
                      "tags it like any mail.")
        self.rejoinder.fetcher.start()
        arrived = self.in_mailbox("jane", by_ids)
        self.see_tagged(arrived, "in-reply-to")
        names = [name for name, _ in tags_of(arrived)]
        self.see("the customer's own field is gone, and was not believed",
                 "Rejoinder-Reference" not in names and self.show()["reference"] is None,
                 arrived.fields)
        self.see("the provider's Delivered-To is gone, Postfix would take it for a loop",
                 arrived.values("Delivered-To") == ["jane@company.test"],
                 arrived.values("Delivered-To"))
        self.see_same_but(by_ids, arrived, *names, "Rejoinder-Reference")
        arrived = self.in_mailbox("jane", self.question)
        self.see_tagged(arrived, "token")
        self.see("both went to Jane, the owner, and not to sales",
                 arrived.value("Delivered-To") == "jane@company.test"
                 and not self.postfix.mailbox("sales").messages())
        row = self.recorded(by_ids)
        self.see("it is recorded as fetched", [one.split()[0] for one in row["deliveries"]]
                 == ["fetch"], row["deliveries"])
        self.rejoinder.fetcher.wait_log(r"info: fetch Sales: new=2 delivered=2 .* left=0")
        self.see("the server still has them: leave = forever", len(self.inbox.messages()) == 2)
        self._see_fetch("a second look brings nothing", expected="new=0 delivered=0")

        self.tell.say("kill -9, and the fetcher starts again. What it brings then is in the next "
                      "step.")
        self.rejoinder.fetcher.kill()
        self.rejoinder.fetcher.start()

    def _at_provider(self, data):
        """Let a message arrive in the external inbox; return what the customer sent."""
        mail = Mail(data)
        self.tell.sent("the customer's server, to the provider", mail)
        above = PROVIDER.format(sender=mail.address("From"), user=EXTERNAL,
                                date=email.utils.formatdate())
        self.inbox.deliver(above.encode() + data.replace(b"\r\n", b"\n"))
        return mail

    def _see_fetch(self, claim, *options, expected):
        arguments = ("fetch", *options, "Sales")
        # The fetcher lets go of the inbox a moment after it has said what it did.
        done = wait_for(lambda: (one := self.rejoinder.attempt(*arguments)).returncode
                        != os.EX_TEMPFAIL and one, "a free inbox")
        output = done.stdout.decode()
        self.tell.command(arguments, output)
        self.see(claim, done.returncode == 0 and f"Sales: {expected}" in output,
                 output + done.stderr.decode())

    # 10

    def the_same_answer_by_both_ways(self):
        self.tell.say("The customer's slow server delivers its copy of \"Hello? Anybody?\" at "
                      "last.")
        count = len(self.show()["messages"])
        first = self.postfix.mailbox("jane").wait(self.question.value("Message-ID"))
        self.from_outside(self.late, self.address)
        second = self.in_mailbox("jane", self.question, 2)
        self._see_one_message(self.question, first, second, "fetch", "smtp")
        self.see("no message more than before", len(self.show()["messages"]) == count)

        self.tell.say("The other way round: by SMTP first, then the copy in the inbox.")
        data = self.answer(CUSTOMER, self.address, "Re: Your order", "I will call you.\n",
                           self.question, Cc=EXTERNAL)
        self.question = self.from_outside(data, self.address)
        first = self.in_mailbox("jane", self.question)
        self._at_provider(data)
        self.tell.say("The fetcher looks every ten seconds.")
        second = self.in_mailbox("jane", self.question, 2)
        self._see_one_message(self.question, first, second, "smtp", "fetch")
        self.see("one message more than before", len(self.show()["messages"]) == count + 1)
        self.rejoinder.fetcher.wait_log("fetch Sales: new=1 delivered=1 ")
        polls = re.findall(r"fetch Sales: new=(\d+) ", self.rejoinder.fetcher.log())
        self.see("this is all that the fetcher brought after its restart",
                 sum(map(int, polls[1:])) == 1, polls)
        self.see("the customer waits, once", self.running_waits() == [CUSTOMER])
        self.tell_timeline()

    def _see_one_message(self, mail, first, second, *ways):
        row = self.recorded(mail)
        self.see(f"it is one message with two deliveries, {ways[0]} and {ways[1]}",
                 [one.split()[0] for one in row["deliveries"]] == list(ways), row["deliveries"])
        self.see("both copies got the same tags", tags_of(first) == tags_of(second) != [],
                 (tags_of(first), tags_of(second)))

    # 11

    def nobody_answers(self):
        self.tell.say("An hour has passed: the customer has written more in these seconds than "
                      "people do, and Rejoinder takes no notice of more than ten messages in ten "
                      "minutes.")
        let_messages_age(self.rejoinder.store, 3600)
        strangers = [row["id"] for row in self.rejoinder.json("list", "--waiting")
                     if row["id"] != self.conversation]
        self.tell.say("The strangers of step 4 get no answer, and that is all right:")
        for conversation in strangers:
            self.tell.command(("close", conversation), self.rejoinder.run("close", conversation))
        self.tell.say("Jane answers the customer, so that the clock can begin anew.")
        self.staff_answers("jane", JANE, "We are here.\n")
        self.see("he does not wait any more", not self.running_waits(), self.show()["waits"])

        self.tell.say("One line in rejoinder.conf, and rejoinder-scheduler starts.")
        self.tell.file("rejoinder.conf, in the account \"Replies\":", ALERT)
        self._configure(True)
        self.rejoinder.scheduler.start()
        self.customer_asks("And where is my order?\n")
        self.see("the customer waits", self.running_waits() == [CUSTOMER])
        alert = self._wait_alert("jane", self.question)
        self.tell.arrived("in the mailbox jane@company.test: the alert", None, alert)
        self._see_alert(alert)
        self._wait_alert("team", self.question)

        self.tell.say("Nobody answers that either. Another customer writes, whom nobody knows "
                      "yet; the scheduler is restarted meanwhile.")
        other = self.from_outside(compose(OTHER, REPLIES, "A question", "Do you have red ones?\n"),
                                  REPLIES)
        self.rejoinder.scheduler.stop()
        self.rejoinder.scheduler.start()
        for user in ("replies", "team"):
            self._wait_alert(user, other)
        self.see("nobody owns that conversation: its alert went to the account and the list",
                 self._alerts("replies") == [other.value("Message-ID")], self._alerts("replies"))
        asked = [self.question.value("Message-ID")]
        self.see("Jane and the list were told of the first customer once, and not again",
                 self._alerts("jane") == asked
                 and self._alerts("team") == asked + [other.value("Message-ID")],
                 (self._alerts("jane"), self._alerts("team")))

        self.tell.say("Jane presses Reply, in her mail client, on the alert.")
        mail = self.by_submission(
            "jane", self.answer(JANE, alert.value("Reply-To"), "Re: " + alert.value("Subject"),
                                "It arrives today.\n", alert), CUSTOMER)
        arrived = self.at_customer(mail).mail
        self.see("it reaches the customer as any mail of Jane's",
                 arrived.values("From") == [JANE]
                 and (token_of(arrived.value("Reply-To")) or "")[1:14] == self.conversation
                 and self.recorded(mail)["direction"] == "out", arrived.fields)
        self.see("it names his question, so that it stands in his thread",
                 asked[0] in arrived.value("References").split(), arrived.value("References"))
        waits = self.show()["waits"]
        self.see("and his wait ended", not self.running_waits()
                 and waits[-1]["ended_by"] == self.recorded(mail)["id"], waits)
        self.answered = mail
        self.tell_timeline()

    def _see_alert(self, alert):
        self.see("answers to it go to the customer", alert.values("Reply-To") == [CUSTOMER],
                 alert.values("Reply-To"))
        self.see("it says that a program wrote it, and no mark of ours is left in it",
                 alert.values("Auto-Submitted") == ["auto-generated"] and not tags_of(alert),
                 alert.fields)
        wait = self.show()["waits"][-1]
        since = datetime.datetime.fromisoformat(wait["started"].replace("Z", "+00:00"))
        sent = email.utils.parsedate_to_datetime(alert.value("Date"))
        self.see(f"it did not come before {ALERT_S} seconds",
                 (sent - since).total_seconds() >= ALERT_S, (since, sent))

    def _alerts(self, user):
        """The ids of the messages that a user got alerts about, in the order of the alerts."""
        return [mail.value("In-Reply-To") for mail in self.postfix.mailbox(user).messages()
                if mail.values("Auto-Submitted") == ["auto-generated"]]

    def _wait_alert(self, user, mail):
        """Wait for the alert about a message."""
        msgid = mail.value("Message-ID")
        return self.postfix.mailbox(user).wait_until(
            lambda one: one.values("Auto-Submitted") == ["auto-generated"]
            and one.values("In-Reply-To") == [msgid], f"the alert about {msgid}")

    # 12

    def machine_mail_alerts_nobody(self):
        before = {user: self._alerts(user) for user in ("jane", "team", "replies")}
        waits = self.show()["waits"]
        msgid = self.answered.value("Message-ID")

        self.tell.say("A report: Jane's answer is delayed on its way.")
        report = self._report(
            "Mailer-Daemon@mx.example.org", "jane@company.test", "Delayed mail", "delivery-status",
            "Not yet delivered.", "message/delivery-status",
            f"Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; {CUSTOMER}\n"
            "Action: delayed\nStatus: 4.4.1")
        self._see_machine("jane", self.from_outside(report, "jane@company.test", sender=""),
                          "report", "bounce")
        self.tell.say("A receipt: the customer's mail client says that it was read. It has no "
                      "sender to answer to, so it stays in the replies mailbox.")
        receipt = self._report(
            CUSTOMER, self.address, "Read: Your order", "disposition-notification",
            "Your message was displayed.", "message/disposition-notification",
            f"Final-Recipient: rfc822; {CUSTOMER}\nOriginal-Message-ID: {msgid}\n"
            "Disposition: manual-action/MDN-sent-manually; displayed", In_Reply_To=msgid)
        self._see_machine("replies", self.from_outside(receipt, self.address, sender=""),
                          "token", "receipt")
        self.tell.say("And he is away.")
        away = self.answer(CUSTOMER, self.address, "Automatic reply: Your order",
                           "I am away until Monday.\n", self.answered,
                           Auto_Submitted="auto-replied")
        self._see_machine("jane", self.from_outside(away, self.address), "token", "auto-reply")
        self.see("none of them makes a wait", self.show()["waits"] == waits, self.show()["waits"])

        self.tell.say("What he writes himself does, and after its alert it is plain that the "
                      "others have none.")
        self.customer_asks("It did arrive. Whom do I thank?\n")
        for user in ("jane", "team"):
            self._wait_alert(user, self.question)
            self.see(f"{user}@company.test was told of it, and of nothing else",
                     self._alerts(user) == before[user] + [self.question.value("Message-ID")],
                     self._alerts(user))
        self.see("and the account of nothing", self._alerts("replies") == before["replies"])
        self._see_it_all()

    def _report(self, sender, to, subject, kind, text, part, facts, **fields):
        body = REPORT.format(text=text, type=part, facts=facts, jane=JANE,
                             msgid=self.answered.value("Message-ID"))
        return compose(sender, to, subject, body, MIME_Version="1.0",
                       Content_Type=f'multipart/report; report-type={kind}; boundary="part"',
                       **fields)

    def _see_machine(self, user, mail, match, kind):
        arrived = self.in_mailbox(user, mail)
        self.see(f"it is known as {kind}, and whose it is",
                 (arrived.value("Rejoinder-Class") or "").startswith(kind + ";")
                 and arrived.values("Rejoinder-Match") == [match]
                 and arrived.values("Rejoinder-Conversation") == [self.conversation],
                 arrived.fields)

    def _see_it_all(self):
        # A mail may arrive before the scheduler has noted that it was taken.
        wait_for(lambda: not self.rejoinder.json("status")["alerts"]["waiting"],
                 "the end of the last alert")
        for verb in ("accounts", "status"):
            self.tell.command((verb,), self.rejoinder.run(verb))
        accounts = {row["name"]: row for row in self.rejoinder.json("accounts")}
        inbox = accounts["Sales"]["inbox"]
        self.see("`rejoinder accounts` knows the inbox: three on the server, three delivered, "
                 "nothing left, no error",
                 (inbox["on_server"], inbox["delivered"], inbox["backlog"], inbox["error"])
                 == (3, 3, 0, None) and accounts["Replies"]["inbox"] is None, accounts)
        alerts = self.rejoinder.json("status")["alerts"]
        self.see("`rejoinder status` counts the alerts: two for each of the three who waited",
                 alerts == {"waiting": 0, "sent": 6, "dropped": 0}, alerts)
        self.see_quiet_logs()
