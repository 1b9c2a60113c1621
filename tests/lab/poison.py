"""One bad row in a batch: at every position, of every kind."""
import dataclasses
import math
import shutil
import sqlite3
import time

from harness.processes import wait_until

from . import books
from .cluster import Cluster
from .daemon import Config, Daemon
from .proof import Broken, ended, in_parallel
from .target import Target
from .world import World, merged

NAME = "poison"
WHAT = "one bad row at every position of a batch, of every kind: the others arrive, and it is set aside or made storable"
SHORT = 1
LONG = math.inf  # every position
ROWS = 40
WORLDS = 2
_WITHIN = 40


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    local: str = ""
    """A statement on the local file, whose parameter is the number of the row."""
    remote: str = ""
    """A statement on PostgreSQL with {seq}."""
    states: tuple = ()
    """How the SQLSTATE begins if it is set aside. What the local file holds wrongly may as well be made storable and
    arrive; what PostgreSQL refuses cannot. None: it must arrive."""


def _set(column, value):
    return f"UPDATE results SET {column} = {value} WHERE seq = ?1"


KINDS = (
    Kind("nul", _set("reason", "'a' || char(0) || 'b'"), states=("22",)),
    Kind("bad_utf8", _set("reason", "CAST(x'41ff42' AS TEXT)"), states=("22",)),
    Kind("overlong_utf8", _set("reason", "CAST(x'c0af' AS TEXT)"), states=("22",)),
    Kind("surrogate", _set("reason", "CAST(x'eda080' AS TEXT)"), states=("22",)),
    Kind("cut_utf8", _set("reason", "CAST(x'e282' AS TEXT)"), states=("22",)),
    Kind("bad_utf8_in_hops", _set("hops", "CAST(x'5bff5d' AS TEXT)"), states=("22",)),
    Kind("long_reason", _set("reason", "hex(zeroblob(3000000))")),
    Kind("total_too_large", _set("total_us", 1 << 40), states=("22",)),
    Kind("lateness_too_small", _set("lateness_us", -(1 << 40)), states=("22",)),
    Kind("length_too_large", _set("body_bytes", 1 << 62), states=("22",)),
    Kind("phase_too_large", _set("connect_us", 1 << 33), states=("22",)),
    Kind("status_too_large", _set("status", 70_000), states=("22",)),
    Kind("attempt_too_large", _set("attempt", 1 << 20), states=("22",)),
    Kind("outcome_unknown", _set("outcome", 30_000)),
    Kind("time_zero", _set("requested_at", 0), states=("23514",)),
    Kind("time_far_ahead", _set("requested_at", 1 << 52), states=("23514",)),
    Kind("time_out_of_range", _set("requested_at", (1 << 63) - 1), states=("22", "23514")),
    Kind("time_is_text", _set("requested_at", "'yesterday'"), states=("23514",)),
    Kind("number_is_text", _set("total_us", "'long'")),
    Kind("number_is_real", _set("total_us", "1e300"), states=("22",)),
    Kind("address_is_text", _set("peer", "'nowhere'"), states=("22",)),
    Kind("address_unknown", _set("peer", 123_456)),
    Kind("definition_unknown", _set("definition", 123_456), states=("23503",)),
    Kind("tls_unknown", _set("tls", 123_456)),
    Kind("check", remote="ALTER TABLE monitoring_results ADD CONSTRAINT poison CHECK (seq <> {seq})", states=("23514",)),
    Kind("trigger", remote="CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not"
         " this one'; END $$; CREATE TRIGGER poison BEFORE INSERT ON monitoring_results FOR EACH ROW"
         " WHEN (NEW.seq = {seq}) EXECUTE FUNCTION refuse()", states=("P0001",)),
    Kind("trigger_of_a_class_of_its_own", remote="CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
         " RAISE EXCEPTION USING ERRCODE = '22000'; END $$; CREATE TRIGGER poison BEFORE INSERT ON monitoring_results"
         " FOR EACH ROW WHEN (NEW.seq = {seq}) EXECUTE FUNCTION refuse()", states=("22000",)),
)


def run(lab):
    cluster = Cluster(lab.room("cluster"))
    with ended(cluster):
        file = _batch(lab, cluster)
        everywhere = range(1, ROWS + 1)
        cases = [(kind, position) for kind in KINDS
                 for position in (everywhere if lab.count >= ROWS else lab.random.sample(everywhere, lab.count))]
        found = in_parallel([lambda place=place: _world(lab, cluster, place, file, cases[place::WORLDS])
                             for place in range(WORLDS)])
    return {"kinds": len(KINDS), "positions": len({position for _, position in cases}), **merged(found)}


def _batch(lab, cluster):
    """A local database with so many results that nobody has exported, and a database in PostgreSQL with the tables."""
    room = lab.room("batch")
    world = World(lab, room, ROWS, cluster, "template", {"workers": "{exporter: false}"})
    with ended(world.daemon, world.target):
        world.start()
        wait_until(lambda: world.last_seq() >= ROWS, 30, lambda: f"no results: {world.daemon.said()}")
        world.stop()
        file = room / "whole.sqlite3"
        shutil.copyfile(world.daemon.database, file)
        connection = sqlite3.connect(file)
        with connection:
            connection.execute("DELETE FROM results WHERE seq > ?", (ROWS,))
            connection.execute("DELETE FROM skipped")
        connection.close()
        world.daemon.config.keys = {"workers": "{agent: false, collector: false}"}
        world.daemon.config.write(world.daemon.folder)
        world.daemon.start()
        wait_until(lambda: world.arrived() >= ROWS, 30, lambda: f"nothing arrives: {world.daemon.said()}")
        world.daemon.stop()
    cluster.sql("TRUNCATE monitoring_results, monitoring_agents, monitoring_definitions, monitoring_touched", "template")
    return file


def _world(lab, cluster, place, file, cases):
    target = Target(lab.room(f"world-{place}"))
    counts = {"set_aside": 0, "made_storable": 0, "good_rows": 0, "runs": len(cases)}
    longest = 0
    with ended(target):
        for number, (kind, position) in enumerate(cases):
            begin = time.monotonic()
            try:
                state = _case(lab, cluster, target, f"{place}_{number}", file, kind, position)
            except Broken as broken:
                raise Broken(f"{kind.name} at position {position}: {broken}") from None
            counts["set_aside" if state else "made_storable"] += 1
            counts["good_rows"] += ROWS - 1
            longest = max(longest, time.monotonic() - begin)
    return {**counts, "longest_run_s": round(longest, 1)}


def _case(lab, cluster, target, name, file, kind, position):
    room = lab.room(f"case-{name}")
    cluster.sql(f"CREATE DATABASE case_{name} TEMPLATE template")
    config = Config(target, 1, cluster.uri_of(f"case_{name}"), keys={"workers": "{agent: false, collector: false}"})
    daemon = Daemon(lab.binary, room / "monitor", config)
    shutil.copyfile(file, daemon.database)
    daemon.database.chmod(0o600)
    if kind.local:
        connection = sqlite3.connect(daemon.database)
        with connection:
            connection.execute(kind.local, (position,))
        connection.close()
    if kind.remote:
        cluster.sql(kind.remote.format(seq=position), f"case_{name}")
    with ended(daemon):
        daemon.start()
        session = cluster.open(f"case_{name}")
        try:
            wait_until(lambda: _there(session) + _set_aside(daemon) >= ROWS, _WITHIN * lab.slowness, lambda: _story(daemon, session))
        finally:
            arrived = books.remote(session)
            session.close()
        if daemon.stop() != 0:
            raise Broken(f"it did not stop well: {daemon.said()}")
        state = _judge(books.local(daemon.database), arrived, kind, position, daemon)
    cluster.sql(f"DROP DATABASE case_{name}")
    shutil.rmtree(room)
    return state


def _there(session):
    return session.number("SELECT count(*) FROM monitoring_results")


def _set_aside(daemon):
    connection = books.connect(daemon.database)
    try:
        return connection.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def _story(daemon, session):
    raise Broken(f"{_there(session):.0f} of {ROWS} rows arrived, {_set_aside(daemon)} are set aside: {daemon.said()}")


def _judge(local, arrived, kind, position, daemon):
    """The SQLSTATE with which the row was set aside; None if it arrived."""
    if arrived.twice:
        raise Broken(f"numbers are twice in PostgreSQL: {arrived.twice[:3]}")
    here = {row.seq: row._replace(agent=None) for row in local.rows.values() if row.seq != position}
    there = {row.seq: row._replace(agent=None) for row in arrived.rows.values()}
    bad_arrived = there.pop(position, None) is not None
    if here != there:
        wrong = [seq for seq in range(1, ROWS + 1) if seq != position and here.get(seq) != there.get(seq)]
        raise Broken(f"good rows are missing or changed: {wrong[:10]}")
    if set(local.quarantined) - {position}:
        raise Broken(f"good rows are set aside: {sorted(local.quarantined)}")
    if (position in local.quarantined) == bad_arrived:
        raise Broken(f"it {'both arrived and is set aside' if bad_arrived else 'is nowhere'}: {daemon.said()}")
    state = local.quarantined[position][0] if position in local.quarantined else None
    if (kind.remote and bad_arrived) or (state and not state.startswith(kind.states or ("none",))):
        raise Broken(f"set aside with {state or 'nothing'}, not {' or '.join(kind.states) or 'nothing'}: {daemon.said()}")
    if state and not any("cannot be exported and stays" in line for line in daemon.lines()):
        raise Broken("the log does not tell of it")
    return state
