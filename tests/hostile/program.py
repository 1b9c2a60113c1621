"""The real program, run on a configuration of its own, and what it stored."""
import json
import os
import pathlib
import sqlite3
import subprocess
import time

STOPPING = 4  # storage::SkipReason
# Who waited so much of the time for a processor that others had cannot be held to any time.
STARVED = 0.4


class Monitor:
    def __init__(self, binary, folder, services):
        self.binary, self.folder = str(binary), pathlib.Path(folder)
        self.database = self.folder / "results.sqlite3"
        self.config = self.folder / "monitoring-config"
        self.log = self.folder / "log"
        self.write_config(self.config, services)
        self.process = None

    def write_config(self, path, services):
        # A YAML list of JSON objects, which YAML's flow style holds.
        lines = [f"local_database_path: {self.database}", "interval_limits: {min: 1}", "stop_grace: 0s",
                 "services:", *(f"  - {json.dumps(service)}" for service in services)]
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")

    def environment(self):
        return {**os.environ, "HOME": str(self.folder), "TZ": "UTC"}

    def refusal(self, service):
        """What the program says of a configuration with this service: its exit status and its words."""
        path = self.folder / "refused-config"
        self.write_config(path, [service])
        done = subprocess.run([self.binary, "config", "validate", "--config-path", str(path)], env=self.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.binary, "start", "-vvv", "--yes", "--config-path", str(self.config)],
                                            env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        """The exit status, or None if it had to be killed."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def wait(self, condition, seconds):
        """Until `condition()` is true; false if the program or the time ended before."""
        until = time.monotonic() + seconds
        while not condition():
            if not self.alive() or time.monotonic() > until:
                return False
            time.sleep(0.25)
        return True

    def query(self, sql):
        if not self.database.exists():
            return []
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(sql).fetchall()
        except sqlite3.OperationalError as error:
            if self.alive() and ("no such table" in str(error) or "locked" in str(error)):
                return []  # it is still being made
            raise
        finally:
            connection.close()

    def counts(self):
        """How many checks of each service have been stored."""
        return {row[0]: row[1] for row in self.query("SELECT service, count(*) FROM monitoring_view GROUP BY service")}

    def rows(self):
        """All results by service, oldest first, with the moment at which the slot was due (µs)."""
        by_service = {}
        for row in self.query("SELECT v.*, r.requested_at - r.lateness_us AS slot FROM monitoring_view v"
                              " JOIN results r USING (seq) ORDER BY seq"):
            by_service.setdefault(row["service"], []).append(row)
        return by_service

    def skipped(self):
        """The slots that were skipped, by service: pairs of the moment (µs) and whether it was because of the stop."""
        by_service = {}
        for row in self.query("SELECT d.name, s.from_at, s.to_at, s.count, s.reason FROM skipped s"
                              " JOIN definitions d ON d.id = s.definition"):
            step = (row["to_at"] - row["from_at"]) / max(1, row["count"] - 1)
            slots = [(row["from_at"] + round(i * step), row["reason"] == STOPPING) for i in range(row["count"])]
            by_service.setdefault(row["name"], []).extend(slots)
        return by_service

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def starved(self):
        """The part of the time in which the main thread wanted a processor and others had it."""
        try:
            ran, waited, _ = map(int, pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text().split())
        except OSError:
            return 0.0  # it has ended, or the kernel does not count
        return waited / max(1, ran + waited)

    def descriptors(self):
        """What each open descriptor leads to."""
        folder = pathlib.Path(f"/proc/{self.process.pid}/fd")
        found = {}
        for entry in folder.iterdir():
            try:
                found[entry.name] = os.readlink(entry)
            except OSError:
                pass  # closed meanwhile
        return found

    def connections(self):
        """The port that each TCP socket is connected to, by its inode."""
        ports = {}
        for table in ("tcp", "tcp6"):
            for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                ports[f"socket:[{words[9]}]"] = int(words[2].rsplit(":", 1)[1], 16)
        return ports
