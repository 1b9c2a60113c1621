"""What the canary's services ask: a server that sends everything back, a proxy, and one that gives out tokens."""
import base64
import http.server
import json
import socket
import threading


class Echo(http.server.BaseHTTPRequestHandler):
    """Every request in its answer, twice: as text, and as JSON; by its path with 200, 500, or on to elsewhere."""

    protocol_version = "HTTP/1.1"
    secrets = {}

    def _serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/token"):
            return self._answer(200, json.dumps({"access_token": self.secrets["access_token"], "token_type": "Bearer",
                                                 "expires_in": 600}).encode(), {"Content-Type": "application/json"})
        seen = f"{self.command} {self.path}\n{self.headers}".encode() + body
        encoded = self.headers.get("Authorization", "").partition(" ")[2]
        try:
            seen += b"\n" + base64.b64decode(encoded, validate=True)
        except ValueError:
            pass
        said = json.dumps({"headers": dict(self.headers), "body": body.decode("latin-1"), "path": self.path}).encode()
        more = {"Set-Cookie": f"sid={self.secrets['set_cookie']}", "X-Echo": self.headers.get("X-Api-Key", "-"),
                "Cookie": self.headers.get("Cookie", "-"), "Authorization": self.headers.get("Authorization", "-")}
        page = seen + b"\n" + said
        if self.path == "/p":  # the only service with a pattern for it
            page += f"\nsession={self.secrets['body_pattern']}".encode()
        if "/redirect" in self.path:
            more["Location"] = f"http://u:{self.secrets['location_userinfo']}@{self.headers['Host']}/after"
            return self._answer(302, page, more)
        # Alternates, so that each answer is news and its evidence is kept.
        status = 500 if next(self.server.counter) % 2 else 200
        self._answer(status, page, more)

    do_GET = do_POST = do_PUT = _serve

    def do_CONNECT(self):
        host, _, port = self.path.rpartition(":")
        if self.server.refuses:
            return self._answer(407, str(self.headers).encode(), {"Proxy-Authenticate": "Basic"})
        self.server.refuses = not self.server.refuses
        there = socket.create_connection((host, int(port)), timeout=5)
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=_pass, args=(there, self.connection), daemon=True)
        back.start()
        _pass(self.connection, there)
        back.join(5)
        self.close_connection = True

    def _answer(self, status, body, headers):
        self.send_response(status, "said " + self.headers.get("X-Api-Key", ""))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _pass(source, drain):
    try:
        while data := source.recv(65536):
            drain.sendall(data)
        drain.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    refuses = False
    counter = iter(range(1 << 60))

    def handle_error(self, request, client_address):
        pass  # the monitor has closed the connection


def serve(secrets):
    """Its port. It ends with this process."""
    handler = type("Handler", (Echo,), {"secrets": secrets})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
