"""The clock jumps, the zone changes, the process stands still: the program sees another wall clock than the target does
(libfaketime), while durations come from the kernel's own."""
import calendar
import glob
import pathlib
import signal
import sqlite3
import subprocess
import time

from harness.processes import Trouble

from . import cases
from .cases import require, says
from .cluster import Cluster
from .proof import ended
from .target import number_in

NAME = "clock"
WHAT = "the clock goes back an hour, forward a day, through a leap second, a change of zone and 2038; it stands still"
SHORT = LONG = None
_HOUR, _DAY = 3600, 86400
_SLACK = 2_000_000


class Wall:
    """The program's wall clock: this machine's, and so many seconds more, which may change while it runs."""

    def __init__(self, folder, offset=0):
        self._file = folder / "faketime"
        self._timers = folder / "real_timers.so"
        subprocess.run(["clang-19", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", self._timers,
                        pathlib.Path(__file__).with_name("real_timers.c")], check=True)
        self.offsets = []
        self.set(offset)

    def set(self, offset):
        fresh = self._file.with_name("faketime.fresh")
        fresh.write_text(f"{offset:+d}\n")
        fresh.rename(self._file)
        self.offsets.append(offset * 1_000_000)

    def environment(self, zone="UTC"):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise Trouble("no libfaketime: tools/install-packages test installs it (package faketime)")
        return {"LD_PRELOAD": f"{self._timers}:{found[0]}", "FAKETIME_TIMESTAMP_FILE": str(self._file),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": zone}

    def heard(self, world):
        """A function that gives the books the target's time, so that the judge can compare. A result is moved by the
        offset that brings it to the request it answers."""
        def view(requests, *both):
            asked = {(request.service, request.number): request.at for request in requests}
            for kept in both:
                for key, row in kept.rows.items():
                    kept.rows[key] = row._replace(at=self._true(row.at, asked.get((row.service, number_in(row.status, row.length))),
                                                                world))
                for place in (kept.skipped, kept.gaps):
                    for key, entry in place.items():
                        moved = self._true(entry.first, None, world) - entry.first
                        place[key] = entry._replace(first=entry.first + moved, last=entry.last + moved)
        return view

    def _true(self, at, asked, world):
        if asked is not None:
            return min((at - offset for offset in self.offsets), key=lambda moment: abs(moment - asked))
        for offset in reversed(self.offsets):
            if any(life.began - _SLACK <= at - offset <= (life.ended or 1 << 62) for life in world.lives):
                return at - offset
        return at


def _run(scene, offset=0, zone="UTC", **more):
    world = scene.world(services=60, **more)
    wall = Wall(world.room, offset)
    world.start(environment=wall.environment(zone))
    world.daemon.ready(30 * scene.lab.slowness)
    world.flows()
    return world, wall


def _watch(world, seconds):
    time.sleep(seconds)
    require(world.daemon.running(), f"the monitor has ended: {world.daemon.said()}")


def _end(world, wall, pauses=()):
    """Judged by the target's time: no hole, no burst; and no duration below zero, in the order of seq."""
    recovered = world.flows()
    world.stop()
    verdict = world.judge(heard=wall.heard(world))
    requests = world.target.requests()
    _evenly(world, requests, pauses)
    own = sqlite3.connect(f"file:{world.daemon.database}?mode=ro", uri=True)
    # stored_after_us is a moment, given as the distance from another.
    phases = [row[1] for row in own.execute("PRAGMA table_info(results)")
              if row[1].endswith("_us") and row[1] != "stored_after_us"]
    least = ", ".join(f"min({phase})" for phase in phases)
    negative = [value for value in own.execute(f"SELECT {least} FROM results").fetchone() if value is not None and value < 0]
    own.close()
    if world.cluster:
        columns = "dns_us, connect_us, tls_us, first_byte_us, transfer_us, total_us, lateness_us"
        negative += [1] * int(world.cluster.sql(f"SELECT count(*) FROM monitoring WHERE least({columns}) < 0",
                                                world.database_name))
        astray = world.cluster.sql(
            "SELECT count(*) FROM monitoring_results r WHERE substring(tableoid::regclass::text FROM '[0-9]{4}_?[0-9]{2}_?[0-9]{2}$')"
            " IS NULL", world.database_name)
        require(astray == "0", f"{astray} results are in no partition of their day")
        require(not verdict.counts["quarantined"], "results are in quarantine")
    require(not negative, "durations are below zero")
    return {**verdict.counts, "slowest_recovery_s": round(recovered, 1)}


def _evenly(world, requests, pauses):
    """As the target saw them: no two of a service come in the same half of an interval, and none is left out."""
    interval = world.daemon.config.interval * 1_000_000
    last = {}
    for request in requests:
        apart = request.at - last.get(request.service, request.at - interval)
        last[request.service] = request.at
        if any(first <= request.at and request.at - apart <= until for first, until in pauses):
            require(apart > 0.02 * interval, f"a burst: {request} came {apart} µs after the one before")
            continue
        require(0.4 * interval < apart < 1.9 * interval * world.lab.slowness,
                f"{request} came {apart} µs after the one before")


def _step(scene, steps, said, **more):
    world, wall = _run(scene, **more)
    for offset in steps:
        wall.set(offset)
        _watch(world, scene.seconds(3, 12))
    if said:
        says(world, "nothing is purged by age", seconds=90)
    return _end(world, wall)


def back_an_hour(scene):
    return _step(scene, [-_HOUR - 30], said=True)


def forward_a_day(scene):
    """What was stored before is not old all of a sudden."""
    world, wall = _run(scene, keys={"keep_exported": "60"})
    kept = world.last_seq()
    wall.set(_DAY)
    says(world, "nothing is purged by age", seconds=90)
    _watch(world, scene.seconds(3, 90))
    require((world.local("SELECT min(seq) FROM results") or 0) <= kept, "results were purged because the clock was set")
    return _end(world, wall)


def to_and_fro(scene):
    return _step(scene, [_DAY, 0, -_DAY, 0, 5, -5, 0] if not scene.lab.long else
                 [scene.random.randrange(-_DAY, _DAY) for _ in range(40)] + [0], said=True)


def leap_second(scene):
    """A second comes twice."""
    return _step(scene, [-1, -2, -1], said=False)


def zone_changes_to_winter(scene):
    """02:59:59 CEST is followed by 02:00:00 CET."""
    return _zone(scene, calendar.timegm((2026, 10, 25, 1, 0, 0)))


def zone_changes_to_summer(scene):
    return _zone(scene, calendar.timegm((2026, 3, 29, 1, 0, 0)))


def _zone(scene, change):
    world, wall = _run(scene, offset=change - int(time.time()) - 4, zone="Europe/Berlin")
    _watch(world, 6)
    return _end(world, wall)


def year_2038(scene):
    """The second in which 32 bits are full. PostgreSQL's own clock is not there, and makes no partitions so far ahead."""
    offset = (1 << 31) - int(time.time()) - 5
    world, wall = _run(scene, offset=offset, export=False)
    _watch(world, 8)
    return _end(world, wall)


def stands_still(scene):
    """SIGSTOP, SIGCONT: slots that came meanwhile are skipped and counted, and each service is checked once."""
    world, wall = _run(scene)
    pauses = []
    for seconds in scene.seconds([6], [20, 300]):
        begin = time.time_ns() // 1000
        world.daemon.signal(signal.SIGSTOP)
        time.sleep(seconds)
        world.daemon.signal(signal.SIGCONT)
        _watch(world, 3)
        pauses.append((begin, time.time_ns() // 1000))
    counts = _end(world, wall, pauses)
    least = 60 * sum(scene.seconds([6], [20, 300])) * 0.7
    require(counts["skipped_suspended"] >= least, f"{counts['skipped_suspended']} slots are told of as suspended")
    return counts


def sleeps_and_wakes_at_another_time(scene):
    """A machine that slept: it stood still, and the clock was set when it woke."""
    world, wall = _run(scene)
    begin = time.time_ns() // 1000
    world.daemon.signal(signal.SIGSTOP)
    time.sleep(scene.seconds(5, 60))
    wall.set(2 * _HOUR)
    world.daemon.signal(signal.SIGCONT)
    _watch(world, 3)
    return _end(world, wall, [(begin, time.time_ns() // 1000)])


def restarts_at_another_time(scene):
    """Stopped, and started under a clock that is an hour behind, then a day ahead."""
    world, wall = _run(scene)
    for offset in (-_HOUR - 30, _DAY):
        world.stop()
        wall.set(offset)
        world.start(environment=wall.environment())
        world.daemon.ready(30 * scene.lab.slowness)
        world.flows()
        _watch(world, 2)
    return _end(world, wall, [(0, 1 << 62)])


CASES = [stands_still, to_and_fro, forward_a_day, restarts_at_another_time, sleeps_and_wakes_at_another_time, back_an_hour,
         leap_second, zone_changes_to_winter, zone_changes_to_summer, year_2038]


def run(lab):
    cluster = Cluster(lab.room("cluster"), ["max_connections=100"])
    with ended(cluster):
        return cases.run(lab, cluster, CASES)
