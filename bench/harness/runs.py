"""How each kind of scenario is measured. A run gives its figures by name and remarks about them."""
import dataclasses
import sqlite3
import time

from . import peers
from .bench import Findings, cores_used, cost, flaw, not_installed, refusal, remark, require_carried
from .monitor import LATE_MS, books_of, head_query
from .processes import Trouble, wait_until
from .reports import report
from .scenarios import CPU

_WRK_CONNECTIONS = 32


def idle(bench, scenario):
    found = Findings()
    with bench.folder() as folder:
        with bench.postgres(folder) as postgres:
            window, books = bench.polled(folder, scenario.load, postgres, scenario.warm, scenario.seconds)
        require_carried(scenario.load, books)
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
    why = flaw(scenario.load, books)
    if why:
        found.missing["checks per minute"] = why
    else:
        found.figures["checks per minute"] = books.checks / (window.end - window.begin) * 60
    found.figures["skipped slots"] = books.skipped
    found.figures["p99 lateness, ms"] = books.p99_lateness_ms
    found.figures[CPU] = cost(window, books)
    found.figures["resident memory, MB"] = window.memory.resident / 1e6
    remark(found, scenario.load, window, books)
    return found


def scale(bench, scenario):
    found = Findings()
    costs = {}
    for services in scenario.steps:
        load = dataclasses.replace(scenario.load, services=services, interval=services // 100)
        with bench.folder() as folder, bench.postgres(folder) as postgres:
            window, books = bench.polled(folder, load, postgres, _settled(load) + scenario.warm, scenario.seconds)
        require_carried(load, books)
        costs[services] = cost(window, books)
        bench.say(f"{services} services: {costs[services]:.0f} µs a check")
        found.figures[f"{services} services: {CPU}"] = costs[services]
        found.figures[f"{services} services: resident memory, MB"] = window.memory.resident / 1e6
    found.figures["dearest / cheapest"] = max(costs.values()) / min(costs.values())
    return found


def _settled(load):
    """Seconds until slots come evenly: the first checks all come within 30 s, and the second ones not before half of
    the interval after them."""
    return 0 if load.interval <= 30 else 30 + load.interval / 2


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


KINDS = {"idle": idle, "best": best, "sustained": sustained, "scale": scale, "load": load, "drain": drain, "rows": rows,
         "report": report}
