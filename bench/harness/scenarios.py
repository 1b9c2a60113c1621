"""Every scenario as data: its load, how it is measured, and the bounds of its figures."""
import dataclasses

from .monitor import LATE_MS, Load


@dataclasses.dataclass(frozen=True)
class Bound:
    """`figure` is at most `limit` (at least, if `least`), or `limit` times the figure `of` of the same run."""

    figure: str
    limit: float
    of: str = ""
    least: bool = False


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    kind: str
    """Which function of runs.py measures it."""
    load: Load
    bounds: tuple
    seconds: int = 0
    short_seconds: int = 0
    warm: int = 10
    """Seconds from the first check to the measurement."""
    short_warm: int = 3
    steps: tuple = ()
    """best: rates that are tried in turn; scale: numbers of services."""
    short_steps: tuple = ()
    peers: tuple = ()
    rows: int = 0
    short_rows: int = 0

    def shortened(self):
        return dataclasses.replace(self, seconds=self.short_seconds, warm=self.short_warm,
                                   steps=self.short_steps or self.steps, rows=self.short_rows or self.rows)


_ON_TIME = (Bound("skipped slots", 0), Bound("p99 lateness, ms", LATE_MS))
CPU = "CPU per check, µs"
REPORT = "report of a year, ms"
REPORT_EXTERNAL = "report of a year from PostgreSQL, ms"

SCENARIOS = (
    Scenario(
        "idle", "500 services at 5 s, fresh connections", "idle", Load(500, 5, keep_exported="10s"),
        (Bound(CPU, 0.1, of="blackbox_exporter and Prometheus, µs"), Bound("resident memory, MB", 40)),
        seconds=60, short_seconds=15, warm=15, short_warm=7, peers=("blackbox", "prometheus")),
    Scenario(
        "fresh", "a fresh plain connection per check, at full rate", "best", Load(0),
        (Bound(CPU, 75), Bound(CPU, 0.15, of="blackbox_exporter, µs")),
        seconds=20, short_seconds=5, peers=("blackbox", "wrk"),
        steps=(3000, 5000, 7000, 8500, 10000, 12000, 14000, 16000), short_steps=(4000, 7000, 10000)),
    Scenario(
        "reused", "reused connections, at full rate", "best", Load(0, reuse=True, addresses=100),
        (Bound(CPU, 20), Bound(CPU, 2.5, of="wrk, µs")),
        seconds=20, short_seconds=5, peers=("wrk",),
        steps=(8000, 12000, 16000, 20000, 25000, 30000, 35000, 40000), short_steps=(8000, 16000, 24000)),
    Scenario(
        "tls", "a fresh TLS 1.3 connection per check, full handshake, at full rate", "best", Load(0, tls=True),
        (Bound(CPU, 0.5, of="blackbox_exporter, µs"),),
        seconds=20, short_seconds=5, peers=("blackbox",),
        steps=(500, 800, 1100, 1400, 1700, 2000, 2300), short_steps=(500, 1100, 1700)),
    Scenario(
        "sustained-reused", "1 020 000 checks a minute over reused connections", "sustained",
        Load(17000, reuse=True, addresses=100),
        (Bound("checks per minute", 1_000_000, least=True), *_ON_TIME), seconds=300, short_seconds=15),
    Scenario(
        "sustained-fresh", "408 000 checks a minute over fresh connections", "sustained", Load(6800),
        (Bound("checks per minute", 400_000, least=True), *_ON_TIME), seconds=300, short_seconds=15),
    Scenario(
        "scale", "100 to 100 000 services, 100 checks/s in all, fresh connections", "scale", Load(0),
        (Bound("dearest / cheapest", 1.3),),
        seconds=60, short_seconds=10, steps=(100, 1000, 10000, 100000), short_steps=(100, 1000, 10000)),
    Scenario(
        "load", "100 000 services that share 5 regular expressions", "load",
        Load(100_000, 1000, patterns=True, keep_exported="1h"),
        (Bound("start to first check, s", 5), Bound("resident memory, MB", 250)),
        seconds=10, short_seconds=2, warm=35, short_warm=5),
    Scenario(
        "drain", "a backlog after an outage of PostgreSQL, 500 services at 5 s meanwhile", "drain",
        Load(500, 5, keep_exported="10s"),
        (Bound("rows per second", 100_000, least=True), Bound("slots late or skipped", 0)),
        seconds=120, short_seconds=60, rows=1_000_000, short_rows=100_000),
    Scenario(
        "rows", "what a passed check takes on disk", "rows", Load(4000, keep_exported="1h"),
        (Bound("SQLite, bytes", 70), Bound("PostgreSQL, bytes", 190)), seconds=60, short_seconds=10),
    Scenario(
        "report", "`monitor report --last 365d` for 300 services, each checked once a minute", "report", Load(300, 60),
        (Bound(REPORT, 100), Bound(REPORT_EXTERNAL, 100))),
)
