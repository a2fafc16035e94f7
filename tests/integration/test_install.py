"""make install and make uninstall: into a tree for a package, and onto a machine of one's own."""

import os
import shutil
import stat
import subprocess
import tempfile
import unittest

import machine
from rejoinder import build_directory

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("rejoinder", "rejoinder-fetcher", "rejoinder-milter", "rejoinder-scheduler")
UNITS = ("rejoinder-fetcher.service", "rejoinder-milter.service", "rejoinder-scheduler.service",
         "rejoinder.target")

# What a distribution would say, with directories that no file of ours names by itself.
PREFIX, SYSCONFDIR, LOCALSTATEDIR = "/opt/mail", "/opt/etc", "/opt/var"
STATE = LOCALSTATEDIR + "/lib/rejoinder"
SOCKETS = LOCALSTATEDIR + "/spool/postfix/rejoinder"
DIRECTORIES = (f"PREFIX={PREFIX}", f"SYSCONFDIR={SYSCONFDIR}", f"LOCALSTATEDIR={LOCALSTATEDIR}")


def make(*words, code=0):
    """`make WORDS` for the build under test, which it must not touch: `-o all`."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("MAKE") and name != "MFLAGS"}
    done = subprocess.run(["make", "--no-print-directory", "-C", ROOT, "-o", "all",
                           f"B={build_directory()}", *words], env=environment, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if done.returncode != code:
        raise AssertionError(f"make {' '.join(words)} ended with {done.returncode}, not {code}:\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def files_below(tree):
    """{path below the tree: mode} of all that is no directory."""
    return {path.removeprefix(tree): stat.S_IMODE(os.lstat(path).st_mode)
            for path in (os.path.join(folder, name) for folder, _, names in os.walk(tree)
                         for name in names)}


def expected_files():
    """What is installed: what every build has, and the pages and directories as they are."""
    expected = {f"{PREFIX}/sbin/{name}": 0o755 for name in PROGRAMS}
    expected |= {f"{PREFIX}/lib/systemd/system/{name}": 0o644 for name in UNITS}
    documents = f"{PREFIX}/share/doc/rejoinder"
    texts = [f"{PREFIX}/lib/sysusers.d/rejoinder.conf", f"{PREFIX}/lib/tmpfiles.d/rejoinder.conf",
             f"{documents}/README.md", f"{documents}/LICENSE", f"{documents}/directories",
             f"{documents}/examples/rejoinder.conf"]
    texts += [f"{PREFIX}/share/man/man{page[-1]}/{page}"
              for page in os.listdir(os.path.join(ROOT, "man"))]
    texts += [f"{documents}/{folder}/{name}" for folder in ("postfix", "supervise")
              for name in os.listdir(os.path.join(ROOT, "contrib", folder))]
    return expected | dict.fromkeys(texts, 0o644)


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="rejoinder-install-")
        self.addCleanup(shutil.rmtree, self.tree)

    def make(self, *words, code=0):
        return make(f"DESTDIR={self.tree}", *DIRECTORIES, *words, code=code)

    def put(self, path, text):
        os.makedirs(os.path.dirname(self.tree + path), exist_ok=True)
        with open(self.tree + path, "w", encoding="utf-8") as stream:
            stream.write(text)

    def test_exactly_these_files_are_installed(self):
        self.make("install")
        self.assertEqual(files_below(self.tree), expected_files())
        self.assertIn(f"{PREFIX}/share/man/man5/rejoinder.conf.5", expected_files())
        self.make("install")  # again, over what is there
        self.assertEqual(files_below(self.tree), expected_files())

    def test_what_is_installed_runs(self):
        self.make("install")
        for name in PROGRAMS:
            done = subprocess.run([f"{self.tree}{PREFIX}/sbin/{name}", "--version"], timeout=30,
                                  capture_output=True, text=True, check=True)
            self.assertRegex(done.stdout, rf"^{name} \d+\.\d+\.\d+\n$")

    def test_files_name_the_directories_they_are_installed_for(self):
        self.make("install")
        text = "".join(read(self.tree + path) for path, mode in files_below(self.tree).items()
                       if mode == 0o644)
        self.assertNotRegex(text, r"@[A-Z]+@")
        self.assertNotRegex(text, r"(?<!/opt)(/etc/rejoinder|/var/lib/rejoinder)")
        self.assertNotIn(" /var/spool/postfix/rejoinder", text)
        unit = read(f"{self.tree}{PREFIX}/lib/systemd/system/rejoinder-milter.service")
        self.assertIn(f"\nExecStart={PREFIX}/sbin/rejoinder-milter "
                      f"-c {SYSCONFDIR}/rejoinder/rejoinder.conf\n", unit)
        self.assertIn(f"\nReadWritePaths={STATE} -{SOCKETS}\n", unit)

    def test_programs_look_where_they_are_installed_for(self):
        build = os.path.join(self.tree, "build")
        config, daemon = f"{build}/lib/base/config.o", f"{build}/lib/base/daemon.o"
        for root in ("/opt/etc", "/srv/etc"):  # the second time they are there already
            make(f"B={build}", *DIRECTORIES, f"SYSCONFDIR={root}", config, daemon)
            with open(daemon, "rb") as stream:
                self.assertIn(f"{root}/rejoinder/rejoinder.conf".encode(), stream.read())
        with open(config, "rb") as stream:
            compiled = stream.read()
        for path in (f"{STATE}/rejoinder.db", f"{STATE}/keys", f"{STATE}/backup",
                     f"unix:{SOCKETS}/milter.sock", f"{SOCKETS}/password.sock"):
            self.assertIn(path.encode(), compiled)

    def test_uninstall_leaves_what_is_not_ours(self):
        kept = [f"{SYSCONFDIR}/rejoinder/rejoinder.conf", f"{STATE}/keys",
                f"{STATE}/rejoinder.db", f"{PREFIX}/sbin/other"]
        self.make("install")
        for path in kept:
            self.put(path, "x")
        said = self.make("uninstall")
        self.assertEqual(sorted(files_below(self.tree)), sorted(kept))
        self.assertIn(f"left {self.tree}{SYSCONFDIR}/rejoinder", said)
        self.assertIn(f"left {self.tree}{STATE}", said)
        for folder in ("share/doc", "lib/systemd", "lib/sysusers.d", "share/man/man8"):
            self.assertFalse(os.path.exists(f"{self.tree}{PREFIX}/{folder}"), folder)
        self.make("uninstall", "PURGE=1")
        self.assertEqual(sorted(files_below(self.tree)), [f"{PREFIX}/sbin/other"])

    def test_directories_that_were_there_stay(self):
        there = [f"{PREFIX}/lib/systemd/system", f"{PREFIX}/share/man/man8", f"{PREFIX}/sbin"]
        for path in there:
            os.makedirs(self.tree + path)
        before = sorted(folder for folder, _, _ in os.walk(self.tree))
        self.make("install")
        self.make("install")  # which finds all of them there
        self.make("uninstall", "PURGE=1")
        self.assertEqual(sorted(folder for folder, _, _ in os.walk(self.tree)), before)

    def test_purge_removes_only_what_bears_our_name(self):
        self.put("/opt/shared/other.sock", "x")
        self.make("SOCKETDIR=/opt/shared", "install")
        self.make("SOCKETDIR=/opt/shared", "uninstall", "PURGE=1")
        self.assertEqual(sorted(files_below(self.tree)), ["/opt/shared/other.sock"])

    def test_a_directory_that_cannot_be_meant_is_refused(self):
        for words in (("PREFIX=usr",), ("SYSCONFDIR=/etc|x",), ("LOCALSTATEDIR=",)):
            with self.subTest(words):
                self.assertIn("found the directory", self.make(*words, "install", code=2))
                self.assertEqual(files_below(self.tree), {})


SCRIPT = r"""
make_it() { make --no-print-directory -o all B="$1" PREFIX=/usr/local "$2" PURGE="${3-}" FORCE="${4-}"; }
look() { stat -c "%n %a %U %G" "$@"; }
test -d /mnt/upper # the machine is not the one that tests run on
cd "$1"
make_it "$2" install
look /etc/rejoinder /var/lib/rejoinder /var/spool/postfix/rejoinder
getent passwd rejoinder | cut -d : -f 6,7
id -Gn rejoinder
rejoinder init --domain company.test
rejoinder keys add
look /etc/rejoinder/rejoinder.conf /var/lib/rejoinder/keys
make_it "$2" install >/dev/null
look /etc/rejoinder/rejoinder.conf
cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
echo 'smtpd_milters = unix:rejoinder/milter.sock' >>/etc/postfix/main.cf
if make_it "$2" uninstall; then exit 1; fi
make_it "$2" uninstall "" 1
make_it "$2" install >/dev/null
sed -i 's/^smtpd_milters/# &/' /etc/postfix/main.cf
make_it "$2" uninstall
look /etc/rejoinder/rejoinder.conf /var/lib/rejoinder/keys
test ! -e /var/spool/postfix/rejoinder
make_it "$2" uninstall 1
test ! -e /etc/rejoinder
test ! -e /var/lib/rejoinder
if getent passwd rejoinder || getent group rejoinder; then exit 1; fi
echo the end
"""

CONFIG_STANDS = "/etc/rejoinder/rejoinder.conf 640 root rejoinder\n"
KEYS_STAND = "/var/lib/rejoinder/keys 640 rejoinder rejoinder\n"

SAID = ("Nothing was started. Next:\n", "\trejoinder setup\t",
        "/etc/rejoinder 2750 root rejoinder\n"
        "/var/lib/rejoinder 750 rejoinder rejoinder\n"
        "/var/spool/postfix/rejoinder 2710 rejoinder postfix\n"
        "/var/lib/rejoinder:/usr/sbin/nologin\n"
        "rejoinder\n",
        CONFIG_STANDS + KEYS_STAND + CONFIG_STANDS,
        "main.cf names the milter. First: rejoinder setup --undo --config-dir /etc/postfix; "
        "FORCE=1 goes on all the same\n",
        "left /etc/rejoinder; PURGE=1 removes it too\n",
        "left /etc/rejoinder; PURGE=1 removes it too\n",
        CONFIG_STANDS + KEYS_STAND, "the end\n")


class MachineTest(unittest.TestCase):
    """As root and without DESTDIR."""

    def setUp(self):
        if reason := machine.why_impossible():
            self.skipTest(f"no machine of one's own can be made here: {reason}")

    def check(self, preparation):
        code, output = machine.enter(build_directory(),
                                     ["/bin/sh", "-euc", preparation + SCRIPT, "sh", ROOT,
                                      build_directory()])
        self.assertEqual(code, 0, output)
        at = 0
        for said in SAID:  # in this order
            self.assertIn(said, output[at:], output)
            at = output.index(said, at) + len(said)

    def test_root_gets_user_and_directories_by_sysusers(self):
        if not shutil.which("systemd-sysusers"):
            self.skipTest("there is no systemd-sysusers")
        self.check("")

    def test_root_gets_user_and_directories_by_useradd(self):
        self.check("rm -f /bin/systemd-sysusers /usr/bin/systemd-sysusers")


if __name__ == "__main__":
    unittest.main()
