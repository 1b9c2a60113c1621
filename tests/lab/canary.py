"""Secrets in every input; then everything that the program writes, says or shows is searched for them."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time
import urllib.parse

from harness.processes import wait_until

from . import canary_server
from .cases import require
from .cluster import Cluster
from .daemon import Daemon
from .proof import ended

NAME = "canary"
WHAT = "secrets in every input are in no log, row, error, process list, socket reply or file that it writes"
SHORT = LONG = None

# What is planted, and where it may be seen all the same, and why.
SECRETS = ("url_password", "url_environment", "header_api_key", "header_authorization", "header_cookie",
           "header_environment", "header_file", "body", "body_environment", "body_file", "basic_password",
           "basic_file", "bearer_token", "bearer_file", "oauth_secret", "oauth_file", "access_token", "proxy_password",
           "proxy_environment", "database_password", "database_file", "location_userinfo", "set_cookie", "body_pattern",
           "tls_key", "wrong_token", "wrong_uri", "wrong_body", "reload_header", "set_option", "token_url_password",
           "form_body")
# A URL's query is stored as it is typed, and is in no log line: docs/configuration.md, Secrets.
TYPED = "typed_query"
_TYPED_MAY = ("database", "postgresql", "output")


class Config:
    """Written by hand: what a Daemon needs of one."""

    services, interval, place = 18, 1, None

    def __init__(self, secrets, port, uri):
        self.secrets = secrets
        self.port = port
        self.uri = uri
        self.more = ""

    def write(self, folder):
        secrets = self.secrets
        for name in ("header_file", "body_file", "basic_file", "bearer_file", "oauth_file", "database_file"):
            _private(folder / f"{name}.txt", self.uri if name == "database_file" else secrets[name] + "\n")
        _private(folder / "client.key", f"-----BEGIN PRIVATE KEY-----\n{secrets['tls_key']}\n-----END PRIVATE KEY-----\n")
        path = folder / "monitoring-config"
        fresh = folder / "monitoring-config.fresh"
        _private(fresh, _TEXT.format(folder=folder, here=f"127.0.0.1:{self.port}", more=self.more, **secrets))
        fresh.rename(path)
        return path


_TEXT = """\
local_database_path: {folder}/local.sqlite3
external_database_uri_file: database_file.txt
interval_limits: {{min: 1, max: 86400}}
services:
  - {{name: userinfo, url: "http://u:{url_password}@{here}/a", interval_sec: 1}}
  - {{name: environment, url: "http://{here}/${{URL_ENVIRONMENT}}?q=${{URL_ENVIRONMENT}}", interval_sec: 1}}
  - {{name: typed, url: "http://{here}/t?token={typed_query}", interval_sec: 1}}
  - {{name: api-key, url: "http://{here}/b", interval_sec: 1, headers: {{X-Api-Key: "{header_api_key}"}}}}
  - {{name: authorization, url: "http://{here}/c", interval_sec: 1, headers: {{Authorization: "Own {header_authorization}"}}}}
  - {{name: cookie, url: "http://{here}/d", interval_sec: 1, headers: {{Cookie: "id={header_cookie}"}}}}
  - {{name: header-environment, url: "http://{here}/e", interval_sec: 1, headers: {{X-Free: "${{HEADER_ENVIRONMENT}}"}}}}
  - {{name: header-file, url: "http://{here}/f", interval_sec: 1, headers: {{X-Free: {{file: header_file.txt}}}}}}
  - {{name: body, method: POST, url: "http://{here}/g", interval_sec: 1, body: "{body}"}}
  - {{name: body-environment, method: POST, url: "http://{here}/h", interval_sec: 1, body: "a=${{BODY_ENVIRONMENT}}&b=2"}}
  - {{name: body-file, method: POST, url: "http://{here}/i", interval_sec: 1, body_file: body_file.txt}}
  - {{name: basic, url: "http://{here}/j", interval_sec: 1, auth: {{basic: {{user: u, password: "{basic_password}"}}}}}}
  - {{name: basic-file, url: "http://{here}/redirect", interval_sec: 1, redirects: {{follow: true}}, auth: {{basic: {{user: u, password_file: basic_file.txt}}}}}}
  - {{name: bearer, url: "http://{here}/k", interval_sec: 1, auth: {{bearer: {{token: "{bearer_token}"}}}}}}
  - {{name: bearer-file, url: "http://{here}/redirect", interval_sec: 1, auth: {{bearer: {{token_file: bearer_file.txt}}}}}}
  - {{name: oauth, url: "http://{here}/l", interval_sec: 1, auth: {{oauth2: {{token_url: "http://{here}/token", client_id: c, client_secret: "{oauth_secret}"}}}}}}
  - {{name: oauth-file, url: "http://{here}/m", interval_sec: 1, auth: {{oauth2: {{token_url: "http://{here}/token", client_id: d, client_secret_file: oauth_file.txt}}}}}}
  - {{name: proxy, url: "http://{here}/n", interval_sec: 1, proxy: "http://p:{proxy_password}@{here}"}}
  - {{name: proxy-environment, url: "http://{here}/o", interval_sec: 1, proxy: "http://p:${{PROXY_ENVIRONMENT}}@{here}"}}
  - {{name: pattern, url: "http://{here}/p", interval_sec: 1, evidence: {{redact: ['session=\\w+']}}}}
{more}"""

# Additions that a reload or `config validate` has to refuse, or, the last one, to take.
_WRONG = {
    "wrong_token": '  - {{name: wrong, url: "http://{here}/w", auth: {{bearer: {{token: "{wrong_token} with blanks"}}}}}}\n',
    "wrong_body": '  - {{name: wrong, url: "http://{here}/w", method: POST, body: ["{wrong_body}"]}}\n',
    "tls_key": '  - {{name: wrong, url: "https://{here}/w", tls: {{cert: client.key, key: client.key}}}}\n',
    "token_url_password": '  - {{name: wrong, url: "http://{here}/w", auth: {{oauth2: {{token_url: "ftp://u:{token_url_password}@x/", '
                          'client_id: c, client_secret: "s"}}}}}}\n',
    "wrong_uri": "external_database_uri: \"postgresql://u:{wrong_uri}@127.0.0.1:99999/x?sslmode=never\"\n",
    "reload_header": '  - {{name: later, url: "http://{here}/q", interval_sec: 1, headers: {{X-Secret: "{reload_header}"}}}}\n',
}


def _private(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


class Search:
    """Forms in which a secret could be seen, and where each was."""

    def __init__(self, secrets, folder):
        self.forms = {}
        for name, secret in secrets.items():
            for form in _forms(secret):
                self.forms[form] = name
        self.pattern = re.compile(b"|".join(re.escape(form) for form in self.forms))
        self.planted = folder
        self.found = []
        self.bytes = self.places = 0

    def look(self, kind, place, data):
        if isinstance(data, str):
            data = data.encode(errors="replace")
        self.places += 1
        self.bytes += len(data)
        for hit in self.pattern.finditer(data):
            name = self.forms[hit[0]]
            if name == TYPED and kind in _TYPED_MAY:
                continue
            around = data[max(0, hit.start() - 60):hit.end() + 20].decode(errors="replace")
            self.found.append(f"{name} is in {place}: …{around!r}…")


def _forms(secret):
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield raw[::-1]
    yield raw.decode().encode("utf-16-le")
    for shift in range(3):  # base64 at each place of a longer text: what no neighbour changes
        encoded = base64.b64encode(b"x" * shift + raw)
        yield encoded[4 if shift else 0:len(encoded) - 4]


def run(lab):
    cluster = Cluster(lab.room("cluster"), ["max_connections=20", "log_statement=none"])
    secrets = {name: "cNy" + "".join(lab.random.choice("abcdefghkmnpqrstuvwxyzABCDEFGHKLMNP23456789") for _ in range(21))
               for name in (*SECRETS, TYPED)}
    cluster.sql(f"CREATE ROLE canary LOGIN PASSWORD '{secrets['database_password']}'")
    cluster.sql("CREATE DATABASE canary OWNER canary")
    uri = f"postgresql://canary:{secrets['database_password']}@127.0.0.1:{cluster.port}/canary"
    room = lab.room("world")
    port = canary_server.serve(secrets)
    config = Config(secrets, port, uri)
    daemon = Daemon(lab.binary, room / "monitor", config)
    search = Search(secrets, daemon.folder)
    with ended(cluster, daemon):
        _live(lab, cluster, daemon, config, search)
        _search_all(cluster, daemon, search)
    if search.found:
        raise_with = sorted(set(search.found))
        require(False, f"{len(search.found)} times a secret was seen: " + "\n".join(raise_with[:40]))
    return {"secrets": len(SECRETS) + 1, "forms": len(search.forms), "places": search.places,
            "bytes_searched": search.bytes, "seen": 0}


def _environment(secrets):
    return {name.upper(): secrets[name] for name in ("url_environment", "header_environment", "body_environment",
                                                     "proxy_environment")}


def _live(lab, cluster, daemon, config, search):
    environment = _environment(config.secrets)
    daemon.start(environment=environment, verbosity="-vvvvv")
    daemon.ready(30 * lab.slowness)
    for suffix in ("cmdline", "comm", "status", "limits", "mountinfo"):
        search.look("process list", f"/proc/PID/{suffix}", pathlib.Path(f"/proc/{daemon.process.pid}/{suffix}").read_bytes())
    time.sleep(10 if lab.long else 5)
    # An error of PostgreSQL that quotes what it was given; then one of the password.
    cluster.sql("ALTER TABLE monitoring_definitions ADD CONSTRAINT no CHECK (false) NOT VALID", "canary")
    cluster.sql("ALTER ROLE canary PASSWORD 'another'")
    _cut(cluster)
    _reloads(daemon, config, search, environment)
    time.sleep(3)
    cluster.sql(f"ALTER ROLE canary PASSWORD '{config.secrets['database_password']}'")
    time.sleep(2)
    cluster.sql("ALTER TABLE monitoring_definitions DROP CONSTRAINT no", "canary")
    _commands(daemon, config, search, environment)
    _socket(daemon, search)
    wait_until(lambda: int(cluster.sql("SELECT count(*) FROM monitoring_results", "canary") or 0) > 50, 60,
               lambda: f"nothing arrives: {daemon.said()}")
    search.look("status", "what systemd is told", daemon.status)
    _modes(daemon)
    daemon.signal(signal.SIGKILL)  # so that the write-ahead log is left as it is
    daemon.process.wait(10)


def _cut(cluster):
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'canary'")


def _reloads(daemon, config, search, environment):
    here = f"127.0.0.1:{config.port}"
    for name, text in _WRONG.items():
        config.more = text.format(here=here, **config.secrets)
        config.write(daemon.folder)
        daemon.signal(signal.SIGHUP)
        status, said = daemon.run("config", "validate", environment=environment)
        search.look("error", f"config validate, {name}", said)
        require(bool(status) == (name != "reload_header"), f"validate of {name} ends with {status}: {said[:400]}")
        search.look("reply", f"reload over the socket, {name}", _ask(daemon, {"command": "reload"}))
        time.sleep(0.3)
    time.sleep(1.5)


def _commands(daemon, config, search, environment):
    names = re.findall(r"name: ([\w-]+)", (daemon.folder / "monitoring-config").read_text())
    several = [["config", "validate"], ["config", "show"], ["config", "services", "show"], ["config", "services", "list"],
               ["config", "databases", "show"], ["plan"], ["plan", "--json"], ["report"], ["report", "--json"],
               ["report", "--csv"], ["report", "--external"], ["report", "--external", "--json"], ["verify"],
               ["verify", "--json"], ["db", "stats"], ["db", "check"], ["quarantine", "list"], ["health"],
               ["health", "--json"], ["start", "--yes"],
               ["check", "--set", f"headers.X-Secret={config.secrets['set_option']}", "bearer"],
               ["check", "--set", f"auth.bearer.token={config.secrets['set_option']} x", "bearer"],
               ["config", "services", "update", "api-key", "--set", f"auth.bearer.token={config.secrets['set_option']} x"]]
    several += [["check", *more, name] for name in names for more in ([], ["--json"])]
    for words in several:
        _, said = daemon.run(*words, environment=environment)
        search.look("output", f"monitor {words[0]} {' '.join(words[1:2])} … {words[-1]}", said)


def _ask(daemon, request):
    own = socket.socket(socket.AF_UNIX)
    own.settimeout(10)
    try:
        own.connect(f"{daemon.database}.sock")
        own.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while data := own.recv(65536):
            answer += data
        return answer
    except OSError:
        return b""
    finally:
        own.close()


def _socket(daemon, search):
    answers = 0
    for request in ({"command": "health"}, {"command": "reload"}, {"command": "db-stats"}, {"command": "quarantine-list"},
                    {"command": "nothing"}, {"no": "command"}):
        answer = _ask(daemon, request)
        answers += bool(answer)
        search.look("reply", f"the control socket: {request}", answer)
    require(answers > 0, "the control socket does not answer")


def _modes(daemon):
    """All that the program made is its owner's alone. The lab's own log is not the program's file."""
    for path in daemon.folder.iterdir():
        if path.name in ("log", "notify", "command.log"):
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        require(mode & 0o077 == 0, f"{path.name} has mode {mode:o}")


def _search_all(cluster, daemon, search):
    planted = {"monitoring-config", "client.key", *(path.name for path in daemon.folder.glob("*.txt"))}
    for path in daemon.folder.iterdir():
        if path.is_file() and path.name not in planted:
            search.look("database" if path.name.startswith("local.sqlite3") else "log", path.name, path.read_bytes())
    dump = subprocess.run(["psql", "--version"], capture_output=True, check=False)
    require(dump.returncode == 0, "psql is missing")
    session = cluster.open("canary")
    for (table,) in session.rows("SELECT quote_ident(relname) FROM pg_class WHERE relkind IN ('r', 'v') AND relname LIKE"
                                 " 'monitoring%'"):
        rows = session.rows(f"SELECT t::text FROM {table} t")
        search.look("postgresql", f"PostgreSQL's {table}", "\n".join(row for columns in rows for row in columns))
    session.close()
    cluster.sql("CHECKPOINT")
    for path in pathlib.Path(cluster.folder if hasattr(cluster, "folder") else cluster._folder).rglob("*"):
        if path.is_file() and path.name != "secret":
            search.look("postgresql", f"PostgreSQL's {path.name}", path.read_bytes())
