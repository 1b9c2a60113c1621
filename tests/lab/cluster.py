"""A throwaway PostgreSQL with a database for each world, and what can be done to it."""
import copy
import shutil
import signal
import subprocess

from harness.postgres import Postgres, Session
from harness.processes import Process, Trouble, accepts, free_port, wait_until


class Cluster(Postgres):
    """Kept busy by nobody else, so its processes may be stopped and killed."""

    @property
    def port(self):
        return self._port

    @property
    def data(self):
        return self._folder / "data"

    def start(self, *settings):
        """`settings`: on top of those that it has always, as `name=value`."""
        always = self._settings
        self._settings = [*always, *(word for setting in settings for word in ("-c", setting))]
        try:
            super().start()
        finally:
            self._settings = always

    def copy_to(self, folder):
        """Another one with its files as of now, not started yet."""
        other = copy.copy(self)
        other._folder = folder / "postgres"
        other._folder.mkdir()
        if self._user:
            shutil.chown(other._folder, self._user)
        other._log, other._process, other._port = other._folder / "log", None, free_port()
        done = Process([self._programs / "pg_basebackup", "-D", other.data, "-h", "127.0.0.1", "-p", self._port, "-U", "bench",
                        "-X", "fetch", "-c", "fast"], other._log, user=self._user, environment=self._environment())
        if done.wait(120) != 0:
            raise Trouble(f"pg_basebackup failed: {done.said()}")
        return other

    def remove(self):
        """With its files."""
        if self.running():
            self.end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def make_database(self, name):
        self.sql(f"CREATE DATABASE {name}")
        return self.uri_of(name)

    def uri_of(self, name):
        return f"{self.uri.rpartition('/')[0]}/{name}"

    def sql(self, text, database="postgres"):
        """One statement, or several in one transaction; what it says."""
        done = self.ask(text, database)
        if done.returncode != 0:
            raise Trouble(f"PostgreSQL refused {text[:80]!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    def ask(self, text, database="postgres", seconds=60):
        return subprocess.run([*self._command(database), "-c", text], env=self._environment(), capture_output=True,
                              text=True, check=False, timeout=seconds)

    def open(self, database):
        """A connection that stays open."""
        return Session(self._command(database), self._environment(), self._log)

    def end(self, how=signal.SIGINT):
        """SIGINT: fast, SIGQUIT: immediate, which does not even write a checkpoint."""
        self._process.stop(how, 60)
        self._process = None

    def running(self):
        return self._process is not None and self._process.running()

    @property
    def postmaster(self):
        return self._process.pid

    def backends(self, database):
        """The server processes of others' connections to it."""
        said = self.sql(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")
        return [int(line) for line in said.splitlines()]

    def wait_accepting(self, seconds=30):
        wait_until(lambda: accepts(self._port) and self.ask("SELECT 1").returncode == 0, seconds,
                   lambda: f"PostgreSQL does not answer: {self._process.said()}", 0.1)
