"""What an admin does from README.md, on a machine of his own (machine.py): install, wire, see mail
go through, undo, uninstall.  Afterwards the machine must be what it was.

usage: install_walk.py BUILD   (inside the machine only)
"""

import json
import os
import pwd
import re
import smtplib
import socket
import subprocess
import sys
import threading
import time

from fake_smtp import FakeSmtp
from machine import changes, set_up_network
from mail import Mail, compose, token_of
from wait import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOG = "/var/log/mail.log"
CONFIG = "/etc/rejoinder/rejoinder.conf"
SERVER, CUSTOMER_HOST = "192.0.2.1", "192.0.2.2"
CUSTOMER = "customer@example.org"

# As Debian's package writes it for an "Internet Site", but for the road out.
MAIN_CF = """\
# See /usr/share/postfix/main.cf.dist for a commented, more complete version
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no

# appending .domain is the MUA's job.
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6

smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mx.company.test
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
mydestination = $myhostname, company.test, localhost.company.test, , localhost
relayhost = [127.0.0.1]:{port}
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = ipv4
"""

# What may be there afterwards: what Postfix and mail leave behind, and the copies that the
# programs for users make of the files they change.
LEFT_BEHIND = ("/mnt", "/dev", "/proc", "/tmp", "/run", "/var/spool/postfix", "/var/lib/postfix",
               "/var/mail", "/var/log", "/var/cache", "/etc/passwd-", "/etc/group-",
               "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-",
               "/etc/.pwd.lock")


class Syslog(threading.Thread):
    """Writes what comes to /dev/log into LOG, as rsyslog does for facility mail."""

    def __init__(self):
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)

    def run(self):
        while True:
            line = self._socket.recv(65536).decode(errors="replace").rstrip("\n\0")
            line = re.sub(r"^<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ", "", line)
            with open(LOG, "a", encoding="utf-8") as stream:
                stream.write(f"{time.strftime('%b %e %H:%M:%S')} mx {line}\n")


def step(title):
    print(f"== {title}", flush=True)


def see(claim, is_true, shown=""):
    if not is_true:
        raise AssertionError(f"not so: {claim}\n{shown}")
    print(f"   {claim}", flush=True)


def run(*command, codes=(0,), data=None, user=None):
    """Run a command, print what it printed, return that."""
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120, user=user, cwd=ROOT)
    output = done.stdout.decode(errors="replace")
    print(f"$ {' '.join(command)}\n{output}", flush=True)
    if done.returncode not in codes:
        raise AssertionError(f"{command[0]} ended with {done.returncode}")
    return output


def log():
    with open(LOG, encoding="utf-8") as stream:
        return stream.read()


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def make_machine(far):
    """A mail server as it is before anybody thought of Rejoinder."""
    set_up_network(SERVER, CUSTOMER_HOST)
    open(LOG, "a", encoding="utf-8").close()
    Syslog().start()
    run("useradd", "-m", "jane")
    with open("/etc/postfix/main.cf", "w", encoding="utf-8") as stream:
        stream.write(MAIN_CF.format(port=far.port))
    with open("/usr/share/postfix/master.cf.dist", "rb") as source:
        text = source.read()
    with open("/etc/postfix/master.cf", "wb") as stream:
        stream.write(text)
    with open("/etc/aliases", "w", encoding="utf-8") as stream:
        stream.write("postmaster: root\nroot: jane\n")
    run("newaliases")
    run("postfix", "start")
    see("the daemons of Postfix are chrooted, as Debian has it",
        re.search(r"^smtp +inet +n +- +y ", text.decode(), re.MULTILINE))


def install(build):
    run("make", "--no-print-directory", f"B={os.path.relpath(build, ROOT)}", "install")
    facts = os.stat("/var/spool/postfix/rejoinder")
    see("the directory of the sockets is 2710 and rejoinder's",
        oct(facts.st_mode)[-4:] == "2710" and facts.st_uid == pwd.getpwnam("rejoinder").pw_uid)


def configure():
    run("rejoinder", "init", "--domain", "company.test")
    text = read(CONFIG).decode()
    see("init names the domain", "company.test" in text)
    see("and leaves the senders to the admin", "\n#senders = @company.test\n" in text, text)
    text = text.replace("\n#senders = @company.test\n", "\nsenders = jane@company.test\n", 1)
    with open(CONFIG, "w", encoding="utf-8") as stream:
        stream.write(text)
    run("rejoinder", "config")
    run("rejoinder", "keys", "add")


def start_daemons():
    started = []
    for program in ("rejoinder-milter", "rejoinder-fetcher", "rejoinder-scheduler"):
        started.append(subprocess.Popen(
            ["setpriv", "--reuid", "rejoinder", "--regid", "rejoinder", "--init-groups", program],
            umask=0o007, cwd="/"))
        wait_for(lambda program=program: f"{program}[" in log() and
                 re.search(rf"{program}\[\d+\]: (?:info: )?version ", log()),
                 lambda: f"{program}; the log:\n{log()}")
    return started


def stop_daemons(started):
    for process in reversed(started):
        process.terminate()
        see("a daemon stops with 0", process.wait(60) == 0, process.args)


def send_out(far):
    """Jane writes by sendmail(1)."""
    data = compose("Jane <jane@company.test>", CUSTOMER, "Your order", "It is on its way.\n")
    mail = Mail(data)
    run("sendmail", "-i", "-f", "jane@company.test", CUSTOMER,
        data=data.replace(b"\r\n", b"\n"), user="jane")
    arrived = far.wait(mail.value("Message-ID")).mail
    see("it leaves with a token in Reply-To", token_of(arrived.value("Reply-To")), arrived.fields)
    return arrived


def answer(sent):
    """The customer answers on port 25."""
    data = compose(CUSTOMER, sent.value("Reply-To"), "Re: Your order", "When will it be here?\n",
                   In_Reply_To=sent.value("Message-ID"))
    to = sent.address("Reply-To")
    with smtplib.SMTP(SERVER, 25, local_hostname="client.example.org",
                      source_address=(CUSTOMER_HOST, 0), timeout=60) as smtp:
        smtp.sendmail(CUSTOMER, [to], data)
    msgid = Mail(data).value("Message-ID")
    wait_for(lambda: os.path.exists("/var/mail/jane") and msgid in read("/var/mail/jane").decode(),
             lambda: f"the answer in Jane's mailbox; the log:\n{log()}")
    text = read("/var/mail/jane").decode()
    see("the answer is tagged and Jane's", "Rejoinder-Match: token" in text
        and "Rejoinder-Owner: jane@company.test" in text, text)
    see("its mailbox is the real one, by local(8)", "Delivered-To: jane@company.test" in text, text)


def trace(conversation):
    queue_id = re.search(r"rejoinder-milter\[\d+\]: (?:info: )?([0-9A-Za-z]+): conv=.*dir=in",
                         log()).group(1)
    story = run("rejoinder", "trace", queue_id)
    see("trace tells of the match and of the delivery",
        "token" in story and "jane@company.test" in story and queue_id in story, story)
    see("and list of the wait",
        any(row["id"] == conversation for row in json.loads(
            run("rejoinder", "list", "--waiting", "--json"))))


def walk(build):
    far = FakeSmtp()
    far.start()
    step("A mail server with Debian's Postfix")
    make_machine(far)
    before = changes(*LEFT_BEHIND)
    main_cf, master_cf = read("/etc/postfix/main.cf"), read("/etc/postfix/master.cf")

    step("make install, rejoinder init, keys, daemons")
    install(build)
    configure()
    daemons = start_daemons()

    step("rejoinder setup")
    run("rejoinder", "setup", "--dry-run")
    see("a dry run changes nothing", (main_cf, master_cf) ==
        (read("/etc/postfix/main.cf"), read("/etc/postfix/master.cf")))
    run("rejoinder", "setup", "--yes")
    run("rejoinder", "doctor")

    step("A mail goes out, its answer comes back")
    sent = send_out(far)
    answer(sent)
    trace(token_of(sent.value("Reply-To"))[1:14])

    step("rejoinder setup --undo --all, make uninstall")
    run("rejoinder", "setup", "--undo", "--all", "--yes")
    see("main.cf and master.cf are what they were, byte for byte", (main_cf, master_cf) ==
        (read("/etc/postfix/main.cf"), read("/etc/postfix/master.cf")),
        run("cat", "/etc/postfix/main.cf"))
    stop_daemons(daemons)
    run("make", "--no-print-directory", "uninstall", "PURGE=1")
    run("postfix", "stop")
    after = changes(*LEFT_BEHIND)
    differing = sorted(path for path in before.keys() | after.keys()
                       if before.get(path) != after.get(path))
    see("no file of the machine differs from before", not differing,
        "\n".join(f"{path}: {before.get(path)} -> {after.get(path)}" for path in differing))
    see("nor is a directory of ours left in Postfix's",
        not os.path.exists("/var/spool/postfix/rejoinder"))
    far.stop()


if __name__ == "__main__":
    try:
        walk(sys.argv[1])
    except BaseException:
        print("The log:\n" + (log() if os.path.exists(LOG) else "none"), flush=True)
        raise
