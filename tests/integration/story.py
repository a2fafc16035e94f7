"""The story of a conversation, told in real mail on a real Postfix.

A Story plays STEPS in order, each on what the one before left behind.
"""

import re

from inbox_story import InboxStory
from mail import Mail, compose, new_msgid, token_of
from scene import BOB, CUSTOMER, JANE, REPLIES, tags_of
from wait import wait_for

OWN_ID = re.compile(r"<[a-z2-7]{34}@company\.test>")


class Story(InboxStory):
    """The loop on port 25.

    It plays on a World made with CONFIG and INBOXES of scene.py, whose Postfix has a
    listener `plain` without milters.
    """

    def play(self, number):
        """Play one step, counted from 1."""
        title, step = STEPS[number - 1]
        self.tell.step(number, title)
        step(self)

    # 1

    def out_with_a_way_home(self):
        self.tell.say("Jane writes to a customer. The account \"Replies\" names her, so her mail "
                      "leaves with a Reply-To that finds its way home.")
        data = compose(JANE, f"Customer <{CUSTOMER}>", "Your order",
                       "Hello,\n\nyour order is on its way.\n\nJane\n")
        self.first = self.by_submission("jane", data, CUSTOMER)
        arrived = self.at_customer(self.first).mail
        self.conversation, self.address = self._see_rewritten(self.first, arrived)
        shown = self.show()
        self.see("a conversation is recorded, and Jane owns it",
                 (shown["state"], shown["owner"], shown["subject"], shown["account"])
                 == ("open", "jane@company.test", "Your order", "Replies"), shown)
        row = self.recorded(self.first)
        self.see("with her message in it",
                 (row["direction"], row["class"], row["recipients"]) == ("out", "human", [CUSTOMER])
                 and len(shown["messages"]) == 1, row)
        self.tell_timeline()

        self.tell.say("Once more, through sendmail(1), as the programs on the server do.")
        data = compose(JANE, CUSTOMER, "Your invoice", "It is attached to the next mail.\n")
        mail = Mail(data)
        self.tell.sent("sendmail(1) on the server", mail)
        self.postfix.sendmail(data, "-f", "jane@company.test", CUSTOMER)
        conversation, _ = self._see_rewritten(mail, self.at_customer(mail).mail)
        self.see("it is a conversation of its own", conversation != self.conversation)
        row = self.recorded(mail, conversation)
        self.see("handed in on this host", [one.split()[0] for one in row["deliveries"]]
                 == ["local"], row["deliveries"])

        self.tell.say("Jane's private mail, which no account names, is nobody's business. It "
                      "leaves as it would from a Postfix without Rejoinder.")
        data = compose("Jane <jane@home.test>", "friend@example.com", "Sunday",
                       "Cake at four?\n.\nGrüße \n", X_Odd="a  b\t c\n   folded ",
                       References="<one@example.com>\n <two@example.com>")
        mail = self.by_submission("jane", data, "friend@example.com")
        received = self.far.wait(mail.value("Message-ID"))
        self.tell.arrived("at the friend's", mail, received.mail)
        self.postfix.send(data, "jane@home.test", "friend@example.com",
                          port=self.postfix.ports["plain"])
        plain = self.far.wait(mail.value("Message-ID"), 2)
        self.see("it leaves byte for byte as it came", received.data.endswith(data), received.data)
        self.see("and equals what a Postfix without milters sends", received is not plain
                 and received.mail.without("Received") == plain.mail.without("Received")
                 and received.mail.body == plain.mail.body
                 and (received.sender, received.recipients) == (plain.sender, plain.recipients))
        self.see("and nothing of it is recorded", "Sunday" not in self._subjects())

    def _see_rewritten(self, before, after):
        """See what an outbound message becomes; return its conversation and reply address."""
        self.see("From is still Jane", after.values("From") == [JANE], after.values("From"))
        token = token_of(after.value("Reply-To"))
        address = f"replies+{token}@company.test"
        self.see("Reply-To is Jane's name and the replies address with a token",
                 token is not None and after.values("Reply-To") == [f"Jane <{address}>"],
                 after.values("Reply-To"))
        references = " ".join(after.values("References")).split()
        conversation = token[1:14]
        self.see("References holds our own id, once", len(references) == 1
                 and OWN_ID.fullmatch(references[0]) and references[0][2:15] == conversation,
                 references)
        self.see_same_but(before, after, "Reply-To", "References")
        return conversation, address

    def _subjects(self):
        return [row["subject"] for row in self.rejoinder.json("list")]

    # 2

    def the_reply_comes_back_tagged(self):
        self.tell.say("The customer presses Reply. The answer goes to the Reply-To and comes in "
                      "on port 25, like any mail from outside.")
        sent = self.far.wait(self.first.value("Message-ID")).mail
        data = self.answer(f"Customer <{CUSTOMER}>", sent.value("Reply-To"), "Re: Your order",
                           "When will it be here?\n", sent)
        self.question = self.from_outside(data, self.address)
        arrived = self.in_mailbox("jane", self.question)
        self.see_tagged(arrived, "token")
        tags = tags_of(arrived)
        fields = arrived.without("Return-Path", "X-Original-To", "Delivered-To", "Received")
        self.see("the tag stands at the top of the header", fields[:len(tags)] == tags, fields)
        self.see("the tag names the owner",
                 arrived.values("Rejoinder-Owner") == ["jane@company.test"])
        self.see("it went to Jane, the owner, and not to the replies mailbox",
                 arrived.value("Delivered-To") == "jane@company.test"
                 and not self.postfix.mailbox("replies").messages())
        self.see_same_but(self.question, arrived, *[name for name, _ in tags])
        self.see("and the customer waits from now on",
                 self.running_waits() == [CUSTOMER], self.show()["waits"])
        self.tell_timeline()

    # 3

    def replies_without_the_token(self):
        self.tell.say("Some answers lose the token: the customer typed the address, or wrote from "
                      "a ticket system. The ids of the thread still lead home.")
        first_id = self.first.value("Message-ID")
        elsewhere = new_msgid("tickets.example.org")

        self.tell.say("An answer to the bare replies address, with In-Reply-To:")
        mail = self.from_outside(
            compose(CUSTOMER, REPLIES, "AW: Your order", "Only In-Reply-To.\n",
                    In_Reply_To=first_id), REPLIES)
        self.see_tagged(self.in_mailbox("jane", mail), "in-reply-to")

        self.tell.say("One to Jane herself, with References only; they also name an id that "
                      "nobody here has ever seen:")
        mail = self.from_outside(
            compose(CUSTOMER, JANE, "Your order", "Only References.\n",
                    References=f"{elsewhere} {first_id}"), "jane@company.test")
        self.see_tagged(self.in_mailbox("jane", mail), "references")

        self.tell.say("One that names nothing but that unseen id. An earlier message named it, "
                      "and that is enough:")
        mail = self.from_outside(
            compose(CUSTOMER, REPLIES, "Ticket 17", "Only an id named before.\n",
                    In_Reply_To=elsewhere), REPLIES)
        self.see_tagged(self.in_mailbox("jane", mail), "named")

        self.tell.say("And one whose relay replaced every Message-ID, so that only our own id in "
                      "References is left:")
        own_id = self.far.wait(first_id).mail.value("References")
        mail = self.from_outside(
            compose(CUSTOMER, REPLIES, "Re: Your order", "Only your own id.\n",
                    References=own_id), REPLIES)
        self.see_tagged(self.in_mailbox("jane", mail), "own-id")
        self.see("the customer still waits, once", self.running_waits() == [CUSTOMER])
        self.tell_timeline()

    # 4

    def forgeries(self):
        self.tell.say("Somebody outside writes our fields himself, to the replies address:")
        forged = {"Rejoinder_Conversation": self.conversation, "rejoinder_match": "token",
                  "Rejoinder_Anything": "yes"}
        mail = self.from_outside(
            compose("stranger@example.com", REPLIES, "Trust me", "Really.\n", **forged), REPLIES)
        arrived = self.in_mailbox("replies", mail)
        self.see("it is not taken into the conversation",
                 len(arrived.values("Rejoinder-Conversation")) == 1
                 and arrived.value("Rejoinder-Conversation") != self.conversation
                 and arrived.values("Rejoinder-Match") == ["new"]
                 and not arrived.values("Rejoinder-Anything"), arrived.fields)
        self.see("and the sender is called a stranger",
                 arrived.values("Rejoinder-Sender") == ["stranger"])

        self.tell.say("The same to a person, in a mail that is none of our business:")
        mail = self.from_outside(
            compose("stranger@example.com", BOB, "Trust me too", "Really.\n", **forged),
            "bob@company.test")
        arrived = self.in_mailbox("bob", mail)
        names = [name for name, _ in arrived.fields if name.lower().startswith("rejoinder-")]
        self.see("every field of ours is gone", not names, names)

        self.tell.say("A token with one character changed:")
        token = token_of(self.address)
        changed = token[:20] + ("a" if token[20] != "a" else "b") + token[21:]
        address = self.address.replace(token, changed)
        before = self.rejoinder.json("status")["invalid_tokens"]
        mail = self.from_outside(
            compose("stranger@example.com", address, "Your order", "Nice try.\n"), address)
        arrived = self.in_mailbox("replies", mail)
        self.see("the mail still arrives, and is not believed",
                 arrived.values("Rejoinder-Match") == ["new"]
                 and arrived.value("Rejoinder-Conversation") != self.conversation, arrived.fields)
        self.see("and `rejoinder status` counts the token",
                 self.rejoinder.json("status")["invalid_tokens"] == before + 1)
        problems = self.rejoinder.problems()
        self.see("and the milter's log says why", len(problems) == 1
                 and "a token is not believed: forged" in problems[0], problems)

    # 5

    def a_bounce_finds_its_conversation(self):
        self.tell.say("Jane mistypes an address. The far side says 550, and Postfix writes a "
                      "bounce to Jane. Rejoinder sees that too.")
        mail = self.by_submission(
            "jane", compose(JANE, "nobody@example.org", "Your offer", "Please find it below.\n"),
            "nobody@example.org")
        bounce = self._bounce_of(mail, "the bounce in Jane's mailbox")
        self.tell.arrived("in the mailbox jane@company.test: the bounce", None, bounce)
        conversation = bounce.value("Rejoinder-Conversation")
        self.see("the bounce is tagged as one",
                 (bounce.value("Rejoinder-Class") or "").startswith("bounce;")
                 and bounce.values("Rejoinder-Match") == ["report"], bounce.fields)
        row = self.recorded(mail, conversation)
        self.see("Jane's message shows as bounced, and why", row["bounced"]
                 and any("nobody@example.org failed 5.1.1" in one for one in row["failures"]), row)
        self.tell_timeline(conversation)

    def _bounce_of(self, mail, what):
        msgid = mail.value("Message-ID").encode()
        return self.postfix.mailbox("jane").wait_until(
            lambda one: (one.value("Content-Type") or "").startswith("multipart/report")
            and msgid in one.body, what)

    # 6

    def waits_end_and_run_again(self):
        self.see("the customer waits since step 2", self.running_waits() == [CUSTOMER])
        self.tell.say("Jane answers from her mail client; all it knows is In-Reply-To.")
        mail = self.staff_answers("jane", JANE, "Tomorrow.\n")
        arrived = self.at_customer(mail).mail
        self.see("it leaves in the same conversation",
                 (token_of(arrived.value("Reply-To")) or "")[1:14] == self.conversation,
                 arrived.value("Reply-To"))
        waits = self.show()["waits"]
        self.see("her answer ended the wait", not self.running_waits()
                 and waits[-1]["ended_by"] == self.recorded(mail)["id"], waits)

        self.tell.say("The customer asks again, and this time Bob answers for Jane.")
        self.customer_asks("Morning or afternoon?\n")
        self.see("a new wait runs", self.running_waits() == [CUSTOMER], self.show()["waits"])
        self.staff_answers("bob", BOB, "In the morning. Bob, for Jane\n")
        self.see("a colleague's answer ends it too", not self.running_waits(),
                 self.show()["waits"])
        self.see("and Jane is no longer the only one who answered: Bob owns it now",
                 self.show()["owner"] == "bob@company.test", self.show()["owner"])

        self.tell.say("The customer's out-of-office reply:")
        count = len(self.show()["waits"])
        mail = self.from_outside(
            self.answer(CUSTOMER, self.address, "Automatic reply: Your order",
                        "I am away until Monday.\n", self.question,
                        Auto_Submitted="auto-replied"), self.address)
        arrived = self.in_mailbox("bob", mail)
        self.see_tagged(arrived, "token", "auto-reply; rule=auto-submitted")
        self.see("starts no wait", len(self.show()["waits"]) == count, self.show()["waits"])
        self.customer_asks("Back again. Which day was it?\n")
        self.see("his own words do", self.running_waits() == [CUSTOMER])
        self.tell.say("And Jane's out-of-office reply to him:")
        self.staff_answers("jane", JANE, "I am away.\n", Auto_Submitted="auto-replied")
        self.see("ends none", self.running_waits() == [CUSTOMER], self.show()["waits"])

        self.tell.say("Jane answers, but the customer's server has trouble.")
        self.far.answer("rcpt", CUSTOMER, "450 4.2.0 mailbox busy")
        mail = self.staff_answers("jane", JANE, "It was Tuesday.\n")
        self.see("as long as Postfix tries, the wait is over", not self.running_waits(),
                 self.show()["waits"])
        self.far.answer("rcpt", CUSTOMER, "550 5.2.1 mailbox disabled")
        self._wait_tried()
        self._bounce_of(mail, "the bounce of Jane's answer")
        self.see("the answer bounced", self.recorded(mail)["bounced"], self.recorded(mail))
        self.see("so the wait runs again", self.running_waits() == [CUSTOMER],
                 self.show()["waits"])
        self.far.answer_normally("rcpt", CUSTOMER)
        self.tell_timeline()

    def _wait_tried(self):
        def is_out():
            self.postfix.flush()
            return not self.postfix.queued()
        wait_for(is_out, "Postfix's next try")

    # 7

    def inside_and_twice(self):
        self.tell.say("Bob hits Reply on a mail whose Reply-To is the token: it goes to nobody "
                      "outside.")
        owner = self.show()["owner"]
        waits = self.show()["waits"]
        self.see("Jane owns the conversation again", owner == "jane@company.test", owner)
        mail = self.by_submission(
            "bob", compose(BOB, self.address, "Re: Your order", "Jane, was it not Wednesday?\n"),
            self.address)
        self.in_mailbox("jane", mail)
        row = self.recorded(mail)
        self.see("it goes to Jane, the owner, as internal", row["direction"] == "internal", row)
        self.see("it neither starts nor ends a wait", self.show()["waits"] == waits)

        self.tell.say("Jane writes to the customer with a copy to Bob: one recipient outside "
                      "makes it outbound.")
        mail = self.by_submission(
            "jane", self.answer(JANE, CUSTOMER, "Re: Your order", "Wednesday it is.\n",
                                self.question, Cc=BOB), [CUSTOMER, "bob@company.test"])
        outside, inside = self.at_customer(mail).mail, self.in_mailbox("bob", mail)
        self.see("both get the same Reply-To", token_of(outside.value("Reply-To")) is not None
                 and outside.values("Reply-To") == inside.values("Reply-To"),
                 (outside.fields, inside.fields))
        row = self.recorded(mail)
        self.see("it is recorded as out, and the wait is over",
                 row["direction"] == "out" and not self.running_waits(), row)

        self.tell.say("The customer's server delivers the same reply twice.")
        count = len(self.show()["messages"])
        data = self.answer(CUSTOMER, self.address, "Re: Your order", "Thank you!\n", outside)
        mail = self.from_outside(data, self.address)
        first = self.in_mailbox("jane", mail)
        self.from_outside(data, self.address)
        second = self.in_mailbox("jane", mail, 2)
        row = self.recorded(mail)
        self.see("one message more is recorded, with two deliveries",
                 len(self.show()["messages"]) == count + 1 and len(row["deliveries"]) == 2, row)
        self.see("both copies got the same tags", tags_of(first) == tags_of(second) != [],
                 (tags_of(first), tags_of(second)))
        self.see("and one wait runs", self.running_waits() == [CUSTOMER])

    # 8

    def the_command_shows_it_all(self):
        rejoinder = self.rejoinder
        for arguments in (("list",), ("list", "--waiting"), ("show", self.conversation),
                          ("status",)):
            self.tell.command(arguments, rejoinder.run(*arguments))
        listed = {row["id"]: row for row in rejoinder.json("list")}
        self.see("`rejoinder list` has the conversation, with the customer waiting",
                 listed.get(self.conversation, {}).get("waiting") == 1, listed)
        self.see("`rejoinder list --waiting` has only those that wait",
                 {row["id"] for row in rejoinder.json("list", "--waiting")}
                 == {key for key, row in listed.items() if row["waiting"]}
                 and len(listed) > len(rejoinder.json("list", "--waiting")))
        self.see("`rejoinder show` has every message in both forms",
                 len(self.show()["messages"]) == listed[self.conversation]["messages"]
                 and "customer@example.org" in rejoinder.run("show", self.conversation))
        self.see("`rejoinder show` takes the beginning of an id, too",
                 self.show(self.conversation[:12].upper())["id"] == self.conversation)
        status = rejoinder.json("status")
        self.see("`rejoinder status` says that the milter answers, and counts",
                 status["milter"]["answers"]
                 and status["conversations"]["open"] == len(listed)
                 and status["messages"]["bounced"] == 2
                 and status["waits"]["running"] == sum(row["waiting"] for row in listed.values()),
                 status)
        self.see_quiet_logs()


STEPS = [
    ("Jane writes to a customer", Story.out_with_a_way_home),
    ("The customer's answer comes back tagged", Story.the_reply_comes_back_tagged),
    ("Answers that lost the token", Story.replies_without_the_token),
    ("Forgeries", Story.forgeries),
    ("A bounce finds its conversation", Story.a_bounce_finds_its_conversation),
    ("Who waits, and for how long", Story.waits_end_and_run_again),
    ("Inside mail, mixed recipients, the same mail twice", Story.inside_and_twice),
    ("The rejoinder command shows it all", Story.the_command_shows_it_all),
    ("An answer waits in an external inbox", Story.an_answer_waits_in_an_inbox),
    ("The same answer by both ways", Story.the_same_answer_by_both_ways),
    ("Nobody answers: an alert", Story.nobody_answers),
    ("Machine mail, and no alert", Story.machine_mail_alerts_nobody),
]
