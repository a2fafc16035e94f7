"""Free TCP ports on loopback for servers that cannot bind port 0 themselves.

They lie below the kernel's ephemeral range, so that no outgoing connection of
another test takes one between the look and the server's bind.  A port that was
drawn stays with its process: what reserves it is an abstract Unix socket of that
number, which like the port belongs to the network namespace and goes with the process.
"""

import random
import socket

LOWEST = 10000

_reservations = []


def _ephemeral_start():
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as stream:
        return int(stream.read().split()[0])


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _reserve(port):
    """False if another test has drawn it, whose server may not be there yet."""
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0rejoinder-test-port-{port}")
    except OSError:
        reservation.close()
        return False
    _reservations.append(reservation)
    return True


def free_ports(count):
    """Return count different free ports, which no other call returns while this process lives."""
    end = max(_ephemeral_start(), LOWEST + 1000)
    found = []
    for _ in range(1000):
        if len(found) == count:
            return found
        port = random.randrange(LOWEST, end)
        if _reserve(port) and _is_free(port):
            found.append(port)
    raise RuntimeError(f"found only {len(found)} of {count} free ports below {end}")


def is_listening(port):
    """Does somebody listen there, on IPv4?  Looks only: a connection would wake a server."""
    with open("/proc/net/tcp", encoding="ascii") as stream:
        rows = [line.split() for line in stream.readlines()[1:]]
    return any(row[3] == "0A" and int(row[1].partition(":")[2], 16) == port for row in rows)
