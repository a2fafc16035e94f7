"""A certificate authority of one's own, and certificates for servers on loopback.

Made by openssl(1) in a directory of the caller's; nothing of the system's trust
is touched.
"""

import os
import subprocess

LOOPBACK = ("DNS:localhost", "IP:127.0.0.1")
DAYS = 30


def _openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *arguments], input=text, text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


class Certificates:
    """ca = Certificates(directory); certificate, key = ca.issue("server")

    ca.ca_file is what a client must trust.
    """

    def __init__(self, directory, name="Rejoinder test CA"):
        self.directory = os.path.abspath(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.ca_file = self._path("ca.pem")
        self._ca_key = self._path("ca.key")
        self._make_key(self._ca_key)
        _openssl("req", "-x509", "-new", "-key", self._ca_key, "-subj", f"/CN={name}",
                 "-days", str(DAYS), "-out", self.ca_file,
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def _path(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def _make_key(path):
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-out", path)

    def issue(self, name, names=LOOPBACK, days=DAYS):
        """Return the paths of a new certificate and its key.

        name: of the files, without suffix.  names: what the certificate is valid
        for, as subjectAltName has it; a wrong one tests a client's verification.
        days: for how long it is good; one below 0 has expired.
        """
        certificate, key = self._path(name + ".pem"), self._path(name + ".key")
        request, extensions = self._path(name + ".csr"), self._path(name + ".ext")
        self._make_key(key)
        with open(extensions, "w", encoding="ascii") as stream:
            stream.write("basicConstraints=critical,CA:FALSE\n"
                         "extendedKeyUsage=serverAuth\n"
                         f"subjectAltName={','.join(names)}\n")
        _openssl("req", "-new", "-key", key, "-subj", "/CN=test server", "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", self._ca_key,
                 "-CAcreateserial", "-days", str(days), "-extfile", extensions,
                 "-out", certificate)
        return certificate, key
