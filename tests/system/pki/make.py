#!/usr/bin/env python3
"""Makes the PKI of the TLS tests with openssl:  make.py FOLDER.  Nothing of it is worth keeping.

Certificates are valid from 1970 to 2099 unless their name says otherwise, so that a module whose clock was
never set accepts them (guide 4.2.8 has no step that sets it).
"""
import pathlib
import subprocess
import sys

ALWAYS = ("19700101000000Z", "20991231235959Z")
CONFIG = """
[ca]
default_ca = tests
[tests]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index
serial = {folder}/serial
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = supplied
"""
CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
SERVER = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n"
CLIENT = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n"


class Pki:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "openssl.cnf").write_text(CONFIG.format(folder=self.folder))
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("01\n")

    def __call__(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def path(self, name, ending):
        return self.folder / f"{name}.{ending}"

    def key(self, name, kind):
        if kind == "ec":
            self("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", self.path(name, "key"))
        else:
            self("genrsa", "-out", self.path(name, "key"), kind)

    def make(self, name, issuer=None, *, common_name=None, extensions=SERVER, key="ec", dates=ALWAYS, digest="sha256"):
        """name.key and name.crt, signed by issuer (by itself without one)."""
        common_name = common_name or f"attache test {name}"
        self.key(name, key)
        extension_file = self.path(name, "ext")
        extension_file.write_text(extensions)
        self("req", "-new", "-key", self.path(name, "key"), "-subj", f"/CN={common_name}", "-out",
             self.path(name, "csr"), "-batch", "-config", "/dev/null")
        signer = ["-selfsign", "-keyfile", self.path(name, "key")] if issuer is None else \
            ["-cert", self.path(issuer, "crt"), "-keyfile", self.path(issuer, "key")]
        self("ca", "-batch", "-notext", "-config", self.folder / "openssl.cnf", "-in", self.path(name, "csr"),
             "-out", self.path(name, "crt"), "-startdate", dates[0], "-enddate", dates[1], "-md", digest,
             "-extfile", extension_file, *signer)


def make(folder):
    pki = Pki(folder)
    pki.make("ca", extensions=CA)
    pki.make("other-ca", extensions=CA)
    pki.make("middle", "ca", extensions=CA)
    pki.make("server", "ca", common_name="server.test")
    pki.make("server-rsa", "ca", common_name="server.test", key="2048")
    pki.make("san", "ca", common_name="unused.test", extensions=SERVER + "subjectAltName=DNS:san.test,DNS:*.wild.test,IP:192.168.3.102\n")
    pki.make("expired", "ca", common_name="server.test", dates=("20200101000000Z", "20210101000000Z"))
    pki.make("future", "ca", common_name="server.test", dates=("20900101000000Z", "20991231235959Z"))
    pki.make("recent", "ca", common_name="server.test", dates=("20200101000000Z", "20991231235959Z"))
    pki.make("unknown", "other-ca", common_name="server.test")
    pki.make("self-signed", common_name="server.test")
    pki.make("weak-key", "ca", common_name="server.test", key="1024")
    pki.make("sha1", "ca", common_name="server.test", digest="sha1")
    pki.make("leaf", "middle", common_name="server.test")
    pki.make("wrong-use", "ca", common_name="server.test", extensions=CLIENT)
    pki.make("client", "ca", common_name="client.test", extensions=CLIENT)
    pki.make("client1", "ca", common_name="client1.test", extensions=CLIENT, key="2048")
    pki.make("client-unknown", "other-ca", common_name="client.test", extensions=CLIENT)
    pki.make("module", "ca", common_name="module.test")
    return pki


if __name__ == "__main__":
    make(sys.argv[1])
