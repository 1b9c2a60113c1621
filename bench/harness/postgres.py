"""A throwaway PostgreSQL with the settings of a fresh installation: fsync and synchronous commits are on."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

from .processes import Process, Trouble, accepts, free_port, wait_until

_PASSWORD = "bench"


class Postgres:
    def __init__(self, folder, settings=()):
        """`settings`: each as `name=value`."""
        self._programs = programs()
        self._settings = [word for setting in settings for word in ("-c", setting)]
        self._folder = folder / "postgres"
        self._folder.mkdir()
        self._user = _account()
        self._log = self._folder / "log"
        self._process = None
        self._port = free_port()
        self._make_cluster()
        self.start()
        self._psql("postgres", "CREATE DATABASE bench")

    @property
    def uri(self):
        return f"postgresql://bench:{_PASSWORD}@127.0.0.1:{self._port}/bench"

    def start(self):
        """On the same port as before."""
        self._process = Process(
            [self._programs / "postgres", "-D", self._folder / "data", "-p", self._port,
             "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", *self._settings],
            self._log, user=self._user, death=signal.SIGQUIT)
        wait_until(lambda: not self._process.running() or accepts(self._port), 30, lambda: "PostgreSQL did not start")
        wait_until(self._answers, 30, lambda: f"PostgreSQL does not answer: {self._process.said()}", 0.2)

    def stop(self):
        if self._process:
            self._process.stop(signal.SIGINT, 60)
        self._process = None

    def usage(self):
        return self._process.usage()

    def session(self):
        return Session(self._command("bench"), self._environment(), self._log)

    def _make_cluster(self):
        secret = self._folder / "secret"
        secret.write_text(_PASSWORD + "\n")
        if self._user:
            shutil.chown(self._folder, self._user)
            shutil.chown(secret, self._user)
        made = Process(
            [self._programs / "initdb", "-D", self._folder / "data", "-U", "bench", "--pwfile", secret,
             "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"], self._log, user=self._user)
        if made.wait(120) != 0:
            raise Trouble(f"initdb failed: {made.said()}")

    def _command(self, database):
        return [str(self._programs / "psql"), "-h", "127.0.0.1", "-p", str(self._port), "-U", "bench", "-X", "-q", "-A",
                "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database]

    @staticmethod
    def _environment():
        return {**os.environ, "PGPASSWORD": _PASSWORD, "PGTZ": "UTC", "PGCONNECT_TIMEOUT": "10"}

    def _answers(self):
        if not self._process.running():
            raise Trouble(f"PostgreSQL ended at once: {self._process.said()}")
        done = subprocess.run([*self._command("postgres"), "-c", "SELECT 1"], env=self._environment(),
                              capture_output=True, check=False)
        return done.returncode == 0

    def _psql(self, database, sql):
        done = subprocess.run([*self._command(database), "-c", sql], env=self._environment(), capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"psql failed: {done.stderr.strip()}")


class Session:
    """One connection that stays open, so that a question costs no new process."""

    _END = "-- end of answer --"

    def __init__(self, command, environment, log):
        self._log = log
        with open(log, "ab") as errors:
            self._child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           stderr=errors, text=True)

    def rows(self, sql):
        """Each row a list of texts; null is an empty one."""
        try:
            self._child.stdin.write(f"{sql};\n\\echo {self._END}\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise Trouble(f"psql has ended: {self._error()}") from None
        found = []
        for line in self._child.stdout:
            line = line.rstrip("\n")
            if line == self._END:
                return found
            found.append(line.split("\t"))
        raise Trouble(f"the query failed: {self._error()}: {sql}")

    def _error(self):
        """The last one that psql or the server has logged."""
        lines = pathlib.Path(self._log).read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if "ERROR:" in line or "FATAL:" in line), f"see {self._log}")

    def number(self, sql):
        """The only value; 0 for null."""
        rows = self.rows(sql)
        return float(rows[0][0]) if rows and rows[0][0] else 0.0

    def close(self):
        self._child.stdin.close()
        self._child.wait(10)


def programs():
    """The folder of the newest server's programs."""
    found = [path.parent for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if not found:
        raise Trouble("no PostgreSQL server under /usr/lib/postgresql: tools/install-packages postgres installs one")
    return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))


def _account():
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Trouble("run as root, PostgreSQL needs a user postgres")
