"""A Debian machine of one's own, made of the files of this one.

Its files are those of this machine under an overlay: whatever is installed, configured or
mailed there stands in memory and is gone with it.  Its network, processes and mounts are
nobody else's, so Postfix runs there from /etc/postfix, on port 25, chrooted as Debian has it.

enter() starts a program there; changes() tells that program what has changed so far.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Inside: what was changed, and the files as they were.
_UPPER = "/mnt/upper"
_LOWER = "/mnt/lower"

# $1: a directory for it, $2: the program's tree and $3: the build, both at their own paths, whose
# files it may read.  Each is bound by itself: they may lie on file systems of their own.
_SET_UP = """
directory=$1 tree=$2 build=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root"
mount -t overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" \
    overlay "$directory/root"
cd "$directory/root"
mkdir -p mnt/upper mnt/lower
mount --bind "$directory/upper" mnt/upper
mount --bind / mnt/lower
mount -t proc proc proc
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p ".$tree" ".$build"
mount --bind "$tree" ".$tree"
mount --bind "$build" ".$build"
mount -t tmpfs -o mode=755 tmpfs dev
for device in null,1,3 zero,1,5 full,1,7 random,1,8 urandom,1,9 tty,5,0; do
    IFS=, read -r name major minor <<END
$device
END
    mknod -m 666 "dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd dev/fd
mkdir -m 1777 dev/shm
exec chroot . "$@"
"""


def why_impossible():
    """What keeps this host from such a machine, or None."""
    directory = tempfile.mkdtemp(prefix="rejoinder-")
    try:
        done = _run(directory, directory, ["true"], 60)
        return None if done.returncode == 0 else done.stdout.strip().replace("\n", "; ")
    except FileNotFoundError:
        return "there is no unshare(1)"
    finally:
        shutil.rmtree(directory)


def _run(directory, build, command, seconds):
    return subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", _SET_UP,
         "machine", directory, _ROOT, build, *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=seconds, text=True, errors="replace",
        env={"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
             "PYTHONDONTWRITEBYTECODE": "1"})


def enter(build, command, seconds=300):
    """Run a command there, which ends what it started by ending; return (exit code, output)."""
    directory = tempfile.mkdtemp(prefix="rejoinder-")
    try:
        done = _run(directory, os.path.abspath(build), command, seconds)
        return done.returncode, done.stdout
    finally:
        shutil.rmtree(directory)


# Inside

def set_up_network(*addresses):
    """Bring loopback up, and give it these addresses as well."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for i, address in enumerate(("127.0.0.1", *addresses)):
            name = b"lo" if i == 0 else f"lo:{i}".encode()
            fcntl.ioctl(control, 0x8916,  # SIOCSIFADDR
                        struct.pack("16sHH4s8x", name, socket.AF_INET, 0,
                                    socket.inet_aton(address)))
            fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", name, 0x41))  # SIOCSIFFLAGS, up


def changes(*ignored):
    """{path: what stands there}, of all that is not as it was; None stands for what is gone.

    A directory counts only if it is new.  ignored: paths that are left out, with all below.
    """
    found = {}
    for directory, names, files in os.walk(_UPPER):
        names[:] = [name for name in names
                    if os.path.join(directory, name)[len(_UPPER):] not in ignored]
        for name in names + files:
            path = os.path.join(directory, name)[len(_UPPER):]
            if path in ignored:
                continue
            if name in names and os.path.isdir(_LOWER + path):
                continue
            found[path] = _describe(_UPPER + path)
    return found


def _describe(path):
    facts = os.lstat(path)
    if stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0:
        return None
    what = [stat.filemode(facts.st_mode), facts.st_uid, facts.st_gid]
    if stat.S_ISLNK(facts.st_mode):
        what.append(os.readlink(path))
    elif stat.S_ISREG(facts.st_mode):
        with open(path, "rb") as stream:
            what.append(hashlib.sha256(stream.read()).hexdigest())
    return tuple(what)
