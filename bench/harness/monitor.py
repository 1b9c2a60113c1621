"""The program under test: its configuration for a load, its process, and what it stored of a stretch of time."""
import dataclasses
import signal
import sqlite3
import time

from .processes import Memory, Process, Trouble, Usage, wait_until
from .target import SERVER_NAME

LATE_MS = 50

# Patterns that the target's body matches, for services that share few of them.
PATTERNS = (r'"status":"ok"', r'"uptime":[0-9]+', r'"version":"[0-9.]+"', r'"database":"up"', r'"queue":"(up|idle)"')


@dataclasses.dataclass(frozen=True)
class Load:
    """So many services, each polled every `interval` seconds."""

    services: int
    interval: int = 1
    reuse: bool = False
    tls: bool = False
    patterns: bool = False
    addresses: int = 250
    keep_exported: str = "0"

    @property
    def rate(self):
        return self.services / self.interval


@dataclasses.dataclass(frozen=True)
class Window:
    """What was measured from `begin` to `end`, seconds since 1970."""

    begin: float
    end: float
    usage: Usage
    others: dict
    memory: Memory
    idle: float
    """Share of all cores that had nothing to do."""


@dataclasses.dataclass(frozen=True)
class Books:
    """What PostgreSQL holds of a window."""

    checks: int
    not_up: int
    reused: int
    skipped: int
    p50_lateness_ms: float
    p99_lateness_ms: float
    most_lateness_ms: float
    late: int
    """Checks that began more than LATE_MS after they were due."""
    behind: int
    """Results that were stored locally when the window ended and had not yet arrived."""


def write_config(folder, load, target, uri):
    lines = [
        f"local_database_path: {folder}/local.sqlite3",
        f"keep_exported: {load.keep_exported}",
        "interval_limits: {min: 1, max: 86400}",
    ]
    if uri:
        lines.append(f"external_database_uri: {uri}")
    extra = ""
    if load.reuse:
        extra += ", connection: reuse"
    if load.tls:
        extra += f", tls: {{ca: {target.ca_file}, server_name: {SERVER_NAME}}}"
    lines.append("services:")
    for number in range(load.services):
        pattern = ""
        if load.patterns:
            pattern = f", check_regex: true, regex: '{PATTERNS[number % len(PATTERNS)]}'"
        url = target.url(number, load.tls, load.addresses)
        lines.append(
            f"  - {{name: s{number}, url: '{url}', method: GET, interval_sec: {load.interval}, timeout: 10{pattern}{extra}}}"
        )
    config = folder / "monitoring-config"
    config.touch(mode=0o600)
    config.write_text("\n".join(lines) + "\n")
    return config


class Monitor:
    def __init__(self, binary, folder, load, target, uri):
        self._database = folder / "local.sqlite3"
        config = write_config(folder, load, target, uri)
        self.started_at = time.time()
        self._process = Process([binary, "start", "--yes", "-vvv", "--config-path", config], folder / "monitor.log")
        self.pid = self._process.pid

    def usage(self):
        return self._process.usage()

    def memory(self):
        return self._process.memory()

    def local(self, sql):
        """The only value of a query of the local database; None while there is none."""
        if not self._process.running():
            raise Trouble(f"the monitor ended by itself: {self._process.said()}")
        return ask(self._database, sql)

    def last_seq(self):
        return self.local("SELECT seq FROM sqlite_sequence WHERE name = 'results'") or 0

    def wait_for_checks(self, seconds=60, count=1):
        wait_until(lambda: self.last_seq() >= count, seconds,
                   lambda: f"no check was stored within {seconds} s: {self._process.said()}")

    def measure(self, seconds, others):
        """Lets time pass. `others`: processes whose cost is told too, by name."""
        begin = time.time()
        before = {name: process.usage() for name, process in others.items()}
        own, idle = self.usage(), idle_seconds()
        time.sleep(seconds)
        used = self.usage() - own
        end = time.time()
        spent = {name: process.usage() - before[name] for name, process in others.items()}
        share = (idle_seconds() - idle) / ((end - begin) * cores())
        return Window(begin, end, used, spent, self.memory(), share)

    def stop(self):
        status = self._process.stop(signal.SIGINT, 60)
        if status != 0:
            raise Trouble(f"the monitor ended with {status}: {self._process.said()}")

    def kill(self):
        if self._process.running():
            self._process.stop(signal.SIGKILL)

    def said(self):
        return self._process.said()


def ask(database, sql):
    """The only value of a query of a local database that may be in use; None when it is not there yet."""
    try:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    except sqlite3.OperationalError:
        return None
    try:
        row = connection.execute(sql).fetchone()
        return row[0] if row else None
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()


def books_of(window, monitor, session, patience=60):
    """Waits until all of the window has arrived, and counts it there."""
    head = head_query(monitor)
    behind = max(0, monitor.last_seq() - int(session.number(head)))
    time.sleep(1.0)  # checks that began in the window have ended and are stored
    stored = monitor.last_seq()
    wait_until(lambda: session.number(head) >= stored, patience,
               lambda: f"{behind} results waited for export when the window ended, and {patience} s later "
                       f"{stored - session.number(head):.0f} of them still did: {monitor.said()}")
    span = f"BETWEEN timezone('utc', to_timestamp({window.begin:.6f})) AND timezone('utc', to_timestamp({window.end:.6f}))"
    row = session.rows(
        "SELECT count(*), count(*) FILTER (WHERE outcome <> 'up'), count(*) FILTER (WHERE connection = 'reused'), "
        "coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY lateness_us), 0), "
        "coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY lateness_us), 0), coalesce(max(lateness_us), 0), "
        f"count(*) FILTER (WHERE lateness_us > {LATE_MS * 1000}) "
        f"FROM monitoring WHERE request_timestamp {span}")[0]
    skipped = session.number(f"SELECT coalesce(sum(count), 0) FROM monitoring_skipped WHERE to_timestamp {span}"
                             f" OR from_timestamp {span}")
    checks, not_up, reused, p50, p99, most, late = (int(value) for value in row)
    return Books(checks, not_up, reused, int(skipped), p50 / 1000, p99 / 1000, most / 1000, late, behind)


def head_query(monitor):
    """Asks PostgreSQL for the last result of this monitor that has arrived."""
    agent = wait_until(lambda: monitor.local("SELECT agent_id FROM epochs ORDER BY id DESC LIMIT 1"), 30,
                       lambda: f"the local database has no agent id: {monitor.said()}")
    return f"SELECT coalesce(max(results_head), 0) FROM monitoring_agents WHERE agent_id = '{agent}'"


def cores():
    with open("/proc/stat") as stat:
        return sum(1 for line in stat if line.startswith("cpu") and line[3].isdigit())


def idle_seconds():
    with open("/proc/stat") as stat:
        fields = stat.readline().split()
    return (int(fields[4]) + int(fields[5])) / 100
