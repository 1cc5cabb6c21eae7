#!/usr/bin/env python3
"""An update server for AT+CIUPDATE (docs/UPDATES.md):  tools/update_server.py [options] FOLDER

FOLDER holds FOLDER/MODULE/VERSION/NAME.bin, as FOLDER/ESP32C2-4MB/v3.5.0.1/ota.bin. The list of a module's versions is
made from the folders that are there, so a new version is there as soon as its folder is. Any other web server serves
the same files; it then needs a file MODULE/versions with one version a line.
"""
import argparse
import hmac
import http.server
import pathlib
import re
import ssl
import sys
import urllib.parse

VERSION = re.compile(r"v[0-9][A-Za-z0-9._+-]{0,29}")
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    folder = pathlib.Path()
    token = ""

    def refuse(self, status):
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def allowed(self):
        wanted = f"Bearer {self.token}"
        return not self.token or hmac.compare_digest(self.headers.get("Authorization", "").encode(), wanted.encode())

    def find(self):
        """The answer's bytes, None: there is nothing."""
        words = urllib.parse.unquote(self.path.split("?")[0]).strip("/").split("/")
        if not all(NAME.fullmatch(word) or VERSION.fullmatch(word) for word in words) or ".." in words:
            return None
        module = self.folder / words[0]
        if len(words) == 2 and words[1] == "versions" and module.is_dir():
            names = (entry.name for entry in module.iterdir() if entry.is_dir())
            return "".join(f"{name}\n" for name in sorted(names) if VERSION.fullmatch(name)).encode()
        if len(words) == 3 and VERSION.fullmatch(words[1]) and words[2].endswith(".bin"):
            file = module / words[1] / words[2]
            return file.read_bytes() if file.is_file() else None
        return None

    def answer(self, with_body):
        if not self.allowed():
            return self.refuse(401)
        body = self.find()
        if body is None:
            return self.refuse(404)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)
        return None

    def do_GET(self):
        self.answer(True)

    def do_HEAD(self):
        self.answer(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--address", default="127.0.0.1", help="to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8070, help="0: any free one, which is printed (8070)")
    parser.add_argument("--token", type=pathlib.Path, metavar="FILE", help="clients have to know FILE's first line")
    parser.add_argument("--cert", metavar="FILE", help="HTTPS with this certificate (PEM, chain behind it)")
    parser.add_argument("--key", metavar="FILE", help="its key")
    options = parser.parse_args()
    if not options.folder.is_dir():
        sys.exit(f"{options.folder} is no folder")
    Handler.folder = options.folder
    Handler.token = options.token.read_text().splitlines()[0].strip() if options.token else ""
    server = http.server.ThreadingHTTPServer((options.address, options.port), Handler)
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
        # The handshake in the client's thread: one that says nothing does not stop the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "https" if options.cert else "http"
    print(f"{scheme}://{options.address}:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
