"""A git server over TLS for the tests: smart HTTP through `git http-backend`.

https.py ROOT CERTIFICATE KEY: serves the repositories of ROOT, prints its port on the first line, and then
a line for every request: method, path, and what came as `Authorization`. The first part of a path says how it
is answered:

  /open/X           to anybody
  /auth/X           to `me` with the password `s3cret-token`
  /moved/X          redirected to /open/X
  /away/H/P/X       redirected to https://H:P/open/X
  /plain/X          redirected to http on the same host
  /status/N/X       with status N
  /hang/X           never
  /stall/X          with a beginning, and then nothing
  /page/X           with a page for people
"""

import base64
import http.server
import os
import ssl
import subprocess
import sys
import threading

ROOT, CERTIFICATE, KEY = sys.argv[1:]
LOGIN = "Basic " + base64.b64encode(b"me:s3cret-token").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        sent = self.headers.get("Authorization", "-")
        # In one piece, as others do the same.
        print(f"{self.command} {self.path} {sent}\n", end="", flush=True)
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "open" or (kind == "auth" and sent == LOGIN):
            self.git(rest)
        elif kind == "auth":
            self.plain(401, [("WWW-Authenticate", 'Basic realm="tests"')])
        elif kind == "moved":
            self.plain(302, [("Location", f"https://{self.headers['Host']}/open/{rest}")])
        elif kind == "away":
            host, port, path = rest.split("/", 2)
            self.plain(302, [("Location", f"https://{host}:{port}/open/{path}")])
        elif kind == "plain":
            self.plain(302, [("Location", f"http://{self.headers['Host']}/open/{rest}")])
        elif kind == "status":
            self.plain(int(rest.split("/")[0]))
        elif kind == "stall":
            self.send_response(200)
            self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"001e# service=git-upload-pack\n0000")
            self.wfile.flush()
            threading.Event().wait()
        elif kind == "hang":
            threading.Event().wait()
        else:
            self.plain(200, [("Content-Type", "text/html")], b"<html>\x1b[31mhello</html>")

    do_GET = do_POST = answer

    def plain(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def git(self, path):
        path, _, query = path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": ROOT,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_1": "true",
            "PATH_INFO": "/" + path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        backend = subprocess.run(
            ["git", "http-backend"], input=self.rfile.read(length), env=environment, capture_output=True
        )
        head, _, body = backend.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
        status = next((int(value[:3]) for name, value in headers if name == "Status"), 200)
        self.plain(status, [header for header in headers if header[0] != "Status"], body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client):
        # On the connection's own thread, so that a slow one holds nobody up.
        super().finish_request(context.wrap_socket(request, server_side=True), client)

    def handle_error(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
