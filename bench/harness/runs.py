"""How each kind of scenario is measured. A run gives its figures by name and remarks about them."""
import contextlib
import dataclasses
import pathlib
import shutil
import sqlite3
import tempfile
import time

from . import peers
from .monitor import LATE_MS, Monitor, books_of, head_query
from .postgres import Postgres
from .processes import Trouble, wait_until
from .scenarios import CPU

# A step of "best" counts as carried when the export is not further behind than this.
_MOST_BEHIND_SECONDS = 3
_WRK_CONNECTIONS = 32


@dataclasses.dataclass
class Findings:
    figures: dict = dataclasses.field(default_factory=dict)
    remarks: list = dataclasses.field(default_factory=list)
    missing: dict = dataclasses.field(default_factory=dict)
    """Figures that could not be had, each with the reason."""


class Bench:
    """What every run needs: the binary, the target, and a folder that goes when the run has ended."""

    def __init__(self, binary, target, say):
        self.binary = binary
        self.target = target
        self.say = say
        self.profiler = None
        """Called with the monitor's pid and the seconds of the window, when it begins."""

    @contextlib.contextmanager
    def folder(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="monitor-bench-"))
        folder.chmod(0o711)  # PostgreSQL's user passes through
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def postgres(self, folder):
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()

    @contextlib.contextmanager
    def monitor(self, folder, load, uri, name="monitor"):
        own = folder / name
        own.mkdir(exist_ok=True)
        monitor = Monitor(self.binary, own, load, self.target, uri)
        try:
            yield monitor
            monitor.stop()
        finally:
            monitor.kill()

    def watch(self, monitor, seconds):
        """What is measured begins now."""
        if self.profiler:
            self.profiler(monitor.pid, seconds)

    def polled(self, folder, load, postgres, warm, seconds, name="monitor"):
        """One load, carried for a while with export: its window and its books."""
        session = postgres.session()
        with self.monitor(folder, load, postgres.uri, name) as monitor:
            monitor.wait_for_checks()
            time.sleep(warm)
            self.watch(monitor, seconds)
            window = monitor.measure(seconds, {"nginx": self.target, "PostgreSQL": postgres})
            books = books_of(window, monitor, session)
        session.close()
        shutil.rmtree(folder / name)
        return window, books


def idle(bench, scenario):
    found = Findings()
    with bench.folder() as folder:
        with bench.postgres(folder) as postgres:
            window, books = bench.polled(folder, scenario.load, postgres, scenario.warm, scenario.seconds)
        found.figures[CPU] = cost(window, books)
        found.figures["resident memory, MB"] = window.memory.resident / 1e6
        found.figures["proportional memory, MB"] = window.memory.proportional / 1e6
        remark(found, scenario.load, window, books)
        peer = "blackbox_exporter and Prometheus, µs"
        absent = peers.missing(peers.BLACKBOX, peers.PROMETHEUS)
        if absent:
            found.missing[peer] = not_installed(absent)
        else:
            found.figures[peer] = _scraped(bench, folder, scenario, found)
    return found


def _scraped(bench, folder, scenario, found):
    """CPU microseconds per probe of blackbox_exporter and Prometheus at the load's rate."""
    blackbox = peers.Blackbox(folder, bench.target)
    prometheus = None
    try:
        blackbox.check(tls=scenario.load.tls)
        prometheus = peers.Prometheus(folder, scenario.load, bench.target, blackbox)
        wait_until(lambda: prometheus.up() == scenario.load.services, 60,
                   lambda: f"Prometheus finds {prometheus.up()} of {scenario.load.services} targets up", 0.5)
        time.sleep(scenario.warm)
        before = blackbox.usage().total, prometheus.usage().total
        begin = time.monotonic()
        time.sleep(scenario.seconds)
        probes = (time.monotonic() - begin) * scenario.load.rate
        spent = blackbox.usage().total - before[0], prometheus.usage().total - before[1]
        memory = (blackbox.memory().resident + prometheus.memory().resident) / 1e6
        found.remarks.append(f"blackbox_exporter {spent[0] / probes * 1e6:.0f} µs and Prometheus "
                             f"{spent[1] / probes * 1e6:.0f} µs a probe, together {memory:.0f} MB resident")
        return sum(spent) / probes * 1e6
    finally:
        if prometheus:
            prometheus.stop()
        blackbox.stop()


def best(bench, scenario):
    """The highest of the rates that is carried without a skipped or late slot, and what a check costs there."""
    found = Findings()
    with bench.folder() as folder, bench.postgres(folder) as postgres:
        carried = None
        for rate in scenario.steps:
            load = dataclasses.replace(scenario.load, services=rate)
            try:
                window, books = bench.polled(folder, load, postgres, scenario.warm, scenario.seconds, f"at-{rate}")
            except Trouble as trouble:
                found.remarks.append(f"{rate}/s is not carried: {trouble}")
                break
            why = refusal(load, books)
            bench.say(f"{rate}/s: {cost(window, books):.1f} µs a check, {cores_used(window)}"
                      + (f"; not carried: {why}" if why else ""))
            if why:
                found.remarks.append(f"{rate}/s is not carried: {why}; {cores_used(window)}")
                break
            carried = load, window, books
        if not carried:
            raise Trouble("not even the lowest rate is carried")
        load, window, books = carried
        found.figures[CPU] = cost(window, books)
        found.figures["checks per second"] = books.checks / (window.end - window.begin)
        remark(found, load, window, books)
        _compare(bench, folder, scenario, found)
    return found


def _compare(bench, folder, scenario, found):
    load = scenario.load
    if "blackbox" in scenario.peers:
        name = "blackbox_exporter, µs"
        if peers.missing(peers.BLACKBOX, peers.WRK):
            found.missing[name] = not_installed(peers.missing(peers.BLACKBOX, peers.WRK))
        else:
            blackbox = peers.Blackbox(folder, bench.target)
            try:
                found.figures[name], rate = blackbox.best(folder, load.tls, scenario.seconds * 2)
            finally:
                blackbox.stop()
            found.remarks.append(f"blackbox_exporter at its best: {rate:.0f} probes/s")
    if "wrk" in scenario.peers:
        name = "wrk, µs"
        if peers.missing(peers.WRK):
            found.missing[name] = not_installed([peers.WRK])
        else:
            url = bench.target.url(0, load.tls, 1)
            run = peers.run_wrk(url, _WRK_CONNECTIONS, scenario.seconds, fresh=not load.reuse)
            found.figures[name] = run.cost
            found.remarks.append(f"wrk: {run.rate:.0f} requests/s")


def sustained(bench, scenario):
    found = Findings()
    with bench.folder() as folder, bench.postgres(folder) as postgres:
        window, books = bench.polled(folder, scenario.load, postgres, scenario.warm, scenario.seconds)
    found.figures["checks per minute"] = books.checks / (window.end - window.begin) * 60
    found.figures["skipped slots"] = books.skipped
    found.figures["p99 lateness, ms"] = books.p99_lateness_ms
    found.figures[CPU] = cost(window, books)
    found.figures["resident memory, MB"] = window.memory.resident / 1e6
    why = refusal(scenario.load, books)
    if why:
        found.remarks.append(why)
    remark(found, scenario.load, window, books)
    return found


def scale(bench, scenario):
    found = Findings()
    costs = {}
    for services in scenario.steps:
        load = dataclasses.replace(scenario.load, services=services, interval=services // 100)
        with bench.folder() as folder, bench.postgres(folder) as postgres:
            window, books = bench.polled(folder, load, postgres, scenario.warm, scenario.seconds)
        costs[services] = cost(window, books)
        bench.say(f"{services} services: {costs[services]:.0f} µs a check")
        found.figures[f"{services} services: {CPU}"] = costs[services]
        found.figures[f"{services} services: resident memory, MB"] = window.memory.resident / 1e6
    found.figures["dearest / cheapest"] = max(costs.values()) / min(costs.values())
    return found


def load(bench, scenario):
    found = Findings()
    with bench.folder() as folder, bench.postgres(folder) as postgres:
        with bench.monitor(folder, scenario.load, postgres.uri) as monitor:
            bench.watch(monitor, scenario.seconds)
            monitor.wait_for_checks(120)
            first = monitor.local("SELECT min(requested_at) FROM results") / 1e6
            before = monitor.usage()
            time.sleep(scenario.warm)
            checks = monitor.last_seq()
            memory = monitor.memory()
    found.figures["start to first check, s"] = first - monitor.started_at
    found.figures["resident memory, MB"] = memory.resident / 1e6
    found.figures["peak resident memory, MB"] = memory.peak / 1e6
    found.remarks.append(f"{before.total:.1f} s of CPU until the first check; {checks} checks when memory was measured")
    return found


def drain(bench, scenario):
    found = Findings()
    with bench.folder() as folder, bench.postgres(folder) as postgres:
        uri = postgres.uri
        postgres.stop()
        with bench.monitor(folder, scenario.load, uri) as monitor:
            monitor.wait_for_checks(60, scenario.load.services)
        backlog = _multiply(folder / "monitor" / "local.sqlite3", scenario.rows)
        with bench.monitor(folder, scenario.load, uri) as monitor:
            monitor.wait_for_checks(60, backlog + scenario.load.services)
            begin = time.time()
            bench.watch(monitor, scenario.seconds)
            postgres.start()
            session = postgres.session()
            first, last = _watch_drain(monitor, session, backlog, scenario.seconds)
            window = monitor.measure(1, {})
            books = books_of(dataclasses.replace(window, begin=begin), monitor, session)
            session.close()
    found.figures["rows per second"] = (last[1] - first[1]) / (last[0] - first[0])
    found.figures["slots late or skipped"] = books.late + books.skipped
    found.remarks.append(f"{last[1]:.0f} rows; while they went, lateness p99 {books.p99_lateness_ms:.1f} ms, "
                         f"at most {books.most_lateness_ms:.1f} ms; late is more than {LATE_MS} ms")
    return found


def _watch_drain(monitor, session, backlog, seconds):
    """When the first rows had arrived and how many, and the same of the last."""
    head = head_query(monitor)
    there = "SELECT count(*) FROM pg_class WHERE relname = 'monitoring_agents'"
    wait_until(lambda: session.number(there), 60, lambda: f"the export did not begin: {monitor.said()}", 0.02)
    first = None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        arrived = session.number(head)
        now = time.monotonic()
        if arrived and not first:
            first = now, arrived
        if arrived >= backlog:
            return first, (now, arrived)
        time.sleep(0.01)
    raise Trouble(f"the backlog was not drained within {seconds} s: {monitor.said()}")


def _multiply(database, wanted):
    """Repeats the stored results until there are `wanted`; gives how many there are. The monitor must be stopped."""
    connection = sqlite3.connect(database)
    try:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(results)") if row[1] != "seq"]
        names = ", ".join(columns)
        have = connection.execute("SELECT count(*) FROM results").fetchone()[0]
        times = -(-wanted // have)
        connection.execute(
            f"INSERT INTO results ({names}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"SELECT {names} FROM (SELECT * FROM results) CROSS JOIN n LIMIT ?", (times, wanted - have))
        connection.commit()
        return connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'results'").fetchone()[0]
    finally:
        connection.close()


def rows(bench, scenario):
    found = Findings()
    with bench.folder() as folder, bench.postgres(folder) as postgres:
        session = postgres.session()
        with bench.monitor(folder, scenario.load, postgres.uri) as monitor:
            monitor.wait_for_checks()
            bench.watch(monitor, scenario.seconds)
            window = monitor.measure(scenario.seconds, {})
            books_of(window, monitor, session)
        count = session.number("SELECT count(*) FROM monitoring_results")
        session.rows("CHECKPOINT")
        held = session.number("SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits "
                              "WHERE inhparent = 'monitoring_results'::regclass")
        session.close()
        connection = sqlite3.connect(f"file:{folder / 'monitor' / 'local.sqlite3'}?mode=ro", uri=True)
        local = connection.execute("SELECT count(*) FROM results").fetchone()[0]
        pages = connection.execute("SELECT sum(pgsize) FROM dbstat WHERE name = 'results'").fetchone()[0]
        connection.close()
    found.figures["SQLite, bytes"] = pages / local
    found.figures["PostgreSQL, bytes"] = held / count
    found.remarks.append(f"{local} rows in SQLite, {count:.0f} in PostgreSQL")
    return found


KINDS = {"idle": idle, "best": best, "sustained": sustained, "scale": scale, "load": load, "drain": drain, "rows": rows}


def cost(window, books):
    """CPU microseconds (user and system) of the process per check."""
    if books.checks == 0:
        raise Trouble("no check was stored in the window")
    return window.usage.total / books.checks * 1e6


def refusal(load, books):
    """Why a load does not count as carried; empty when it does."""
    if books.not_up:
        return f"{books.not_up} of {books.checks} checks were not up"
    if books.skipped:
        return f"{books.skipped} slots were skipped"
    if books.p99_lateness_ms > LATE_MS:
        return f"p99 lateness is {books.p99_lateness_ms:.0f} ms"
    if books.behind > _MOST_BEHIND_SECONDS * load.rate:
        return f"{books.behind} results wait for export"
    if load.reuse and books.reused < 0.99 * books.checks:
        return f"only {books.reused} of {books.checks} connections were reused"
    return ""


def remark(found, load, window, books):
    due = load.rate * (window.end - window.begin)
    others = ", ".join(f"{name} {usage.total / books.checks * 1e6:.1f}" for name, usage in window.others.items())
    found.remarks.append(
        f"{books.checks} checks in {window.end - window.begin:.0f} s ({(books.checks + books.skipped) / due:.1%} of the "
        f"slots due), {books.skipped} skipped, {books.not_up} not up; lateness p50 {books.p50_lateness_ms:.1f} ms, "
        f"p99 {books.p99_lateness_ms:.1f} ms, at most {books.most_lateness_ms:.1f} ms; user "
        f"{window.usage.user / books.checks * 1e6:.1f} and system {window.usage.system / books.checks * 1e6:.1f} µs; "
        f"{others} µs a check; {cores_used(window)}; {books.behind} results behind at the end")


def cores_used(window):
    seconds = window.end - window.begin
    return f"{window.usage.total / seconds:.2f} cores of its own, all cores {1 - window.idle:.0%} busy"


def not_installed(programs):
    return f"{', '.join(programs)} is not installed: tools/install-packages bench"
