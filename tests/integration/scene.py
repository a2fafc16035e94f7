"""What every step of the story stands on: the people, the ways mail goes, and looking.

Whatever is claimed is looked at: see() raises AssertionError when it is not so.
What happens is told to `tell`, an object with the methods of Silent.
"""

from mail import Mail, changes, compose
from wait import wait_for

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test, bob@company.test
"""

# What a provider outside keeps for the company: {user: password}.
EXTERNAL = "external@provider.test"
INBOXES = {EXTERNAL: "external-secret"}

JANE = "Jane <jane@company.test>"
BOB = "Bob <bob@company.test>"
CUSTOMER = "customer@example.org"
REPLIES = "replies@company.test"


class Silent:
    """Tells nothing."""

    def step(self, number, title):
        """A step begins."""

    def say(self, text):
        """What happens next."""

    def sent(self, how, mail):
        """A message as it is sent."""

    def arrived(self, where, before, after):
        """The same message as it arrived; before is None if nobody sent it."""

    def file(self, what, text):
        """Something was written into a file."""

    def command(self, arguments, output):
        """A rejoinder command and what it printed."""

    def seen(self, claim):
        """A claim that turned out to be true."""


def tags_of(mail):
    return [field for field in mail.fields if field[0].startswith("Rejoinder-")]


class Scene:
    """Steps are methods of its subclasses; what one leaves behind, the next finds here."""

    def __init__(self, world, tell=None):
        self.world = world
        self.postfix = world.postfix
        self.far = world.far
        self.rejoinder = world.rejoinder
        self.tell = tell or Silent()
        self.conversation = None  # the main one, from step 1 on
        self.address = None       # where its answers go, with the token
        self.first = None         # Jane's first message
        self.question = None      # the customer's last message

    def see(self, claim, is_so, found=None):
        if not is_so:
            detail = "" if found is None else f"\nfound: {found}"
            raise AssertionError(f"not so: {claim}{detail}")
        self.tell.seen(claim)

    def by_submission(self, user, data, recipients, sender=None):
        mail = Mail(data)
        self.tell.sent(f"{user.capitalize()}'s mail client, signed in on the submission port", mail)
        self.postfix.send(data, sender or mail.address("From"), recipients,
                          login=self.world.login(user))
        return mail

    def from_outside(self, data, recipients, sender=None):
        mail = Mail(data)
        self.tell.sent("the customer's server, on port 25", mail)
        if sender is None:
            sender = mail.address("From")
        self.postfix.send_from_outside(data, sender, recipients)
        return mail

    def at_customer(self, mail, count=1):
        received = self.far.wait(mail.value("Message-ID"), count)
        self.tell.arrived("at the customer", mail, received.mail)
        return received

    def in_mailbox(self, user, mail, count=1):
        arrived = self.postfix.mailbox(user).wait(mail.value("Message-ID"), count)
        self.tell.arrived(f"in the mailbox {user}@company.test", mail, arrived)
        return arrived

    def answer(self, sender, to, subject, body, to_mail, **fields):
        """A message that answers to_mail, as mail clients make it."""
        msgid = to_mail.value("Message-ID")
        references = " ".join(filter(None, (to_mail.value("References"), msgid)))
        return compose(sender, to, subject, body,
                       **{"In_Reply_To": msgid, "References": references, **fields})

    def show(self, conversation=None):
        return self.rejoinder.json("show", conversation or self.conversation)

    def tell_timeline(self, conversation=None):
        arguments = ("show", conversation or self.conversation)
        self.tell.command(arguments, self.rejoinder.run(*arguments))

    def recorded(self, mail, conversation=None):
        """The store's row of a message."""
        msgid = mail.value("Message-ID")
        rows = [row for row in self.show(conversation)["messages"] if row["msgid"] == msgid]
        if len(rows) != 1:
            raise AssertionError(f"{msgid} is recorded {len(rows)} times, not once")
        return rows[0]

    def running_waits(self):
        return [wait["customer"] for wait in self.show()["waits"] if wait["ended"] is None]

    def see_tagged(self, mail, match, kind="human; rule=none", conversation=None, sender="known"):
        wanted = {"Rejoinder-Conversation": conversation or self.conversation,
                  "Rejoinder-Match": match, "Rejoinder-Class": kind, "Rejoinder-Sender": sender}
        found = {name: mail.values(name) for name in wanted}
        self.see(f"it is tagged: Rejoinder-Match: {match}",
                 found == {name: [value] for name, value in wanted.items()}, found)

    def see_same_but(self, before, after, *names):
        """The message is what was sent, but for fields of these names."""
        others = [change for change in changes(before, after) if change[1] not in names]
        self.see("nothing else of the message was touched",
                 not others and before.body == after.body, others or after.body)

    def see_quiet_logs(self):
        problems = self.postfix.problems() + self.rejoinder.problems()
        self.see("no warning stands in any log", not problems, problems)

    def customer_asks(self, text):
        self.question = self.from_outside(
            self.answer(CUSTOMER, self.address, "Re: Your order", text, self.question),
            self.address)

    def staff_answers(self, user, sender, text, **fields):
        return self.by_submission(
            user, compose(sender, CUSTOMER, "Re: Your order", text,
                          In_Reply_To=self.question.value("Message-ID"), **fields), CUSTOMER)
