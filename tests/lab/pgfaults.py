"""What can happen to PostgreSQL: each fault is a generator that makes it happen, yields while it lasts, and mends it.

Sea is the PostgreSQL that the monitor knows: two hosts in its URI, each a door of a proxy, of which one leads to a
server that takes writes.
"""
import os
import signal
import subprocess
import time

from harness.processes import wait_until

from . import books
from .cluster import Cluster
from .proxy import Proxy

ROLE, PASSWORD = "agent", "agent"
_LONG_HOLE = 300  # seconds
_SETTINGS = ["max_connections=30", "wal_level=replica", "max_wal_senders=4", "fsync=on"]


class Sea:
    """Looks like a Cluster to the world."""

    def __init__(self, room, choice):
        self.choice = choice
        self.room = room
        self.proxy = Proxy(2)
        self.door = 0
        self.now = Cluster(_made(room / "first"), _SETTINGS)
        self.generation = 1
        self.database = ""
        self.destroyed = {}
        """Rows that the lab deleted there, by agent and number."""
        self._lead()

    def make_database(self, name):
        self.database = name
        self.now.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        self.now.sql(f"CREATE DATABASE {name} OWNER {ROLE}")
        first, second = self.proxy.ports
        return (f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{first},127.0.0.1:{second}/{name}"
                "?target_session_attrs=read-write")

    def ask(self, text, database="postgres"):
        return self.now.ask(text, database)

    def sql(self, text, database=""):
        return self.now.sql(text, database or self.database)

    def open(self, database):
        return self.now.open(database)

    def monitors(self):
        """The server processes that serve the monitor."""
        said = self.now.sql(f"SELECT pid FROM pg_stat_activity WHERE usename = '{ROLE}'")
        return [int(line) for line in said.splitlines()]

    def turn_out(self):
        self.now.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'")

    def replace(self, cluster, door):
        """The monitor finds that one from now on."""
        self.now, self.door = cluster, door
        self._lead()

    def _lead(self):
        for door in range(2):
            self.proxy.lead(door, self.now.port if door == self.door else None)

    def kill(self):
        for thing in (self.now, self.proxy):
            thing.stop()

    def backup(self):
        """A copy of the server's files as of now, with which another one can start."""
        self.generation += 1
        return self.now.copy_to(_made(self.room / f"generation-{self.generation}"))

    def note_destroyed(self, session):
        for key, row in books.remote(session).rows.items():
            self.destroyed[key] = row


def _made(folder):
    folder.mkdir()
    folder.chmod(0o711)
    return folder


# X1

def stopped_fast(sea):
    sea.now.end(signal.SIGINT)
    yield
    sea.now.start()


def stopped_immediate(sea):
    sea.now.end(signal.SIGQUIT)
    yield
    sea.now.start()


def flapping(sea):
    for _ in range(3):
        sea.now.end(sea.choice.choice((signal.SIGINT, signal.SIGQUIT)))
        sea.now.start()
        yield


def restarted_while_writing(sea):
    """Each time in the midst of whatever a batch is doing."""
    for _ in range(2):
        wait_until(lambda: _busy(sea), 20, lambda: "the monitor never writes to PostgreSQL", 0.005)
        sea.now.end(signal.SIGQUIT)
        sea.now.start()
        yield


def _busy(sea):
    return sea.now.sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{ROLE}' AND xact_start IS NOT NULL") != "0"


def terminated(sea):
    for _ in range(3):
        sea.turn_out()
        yield


def backend_killed(sea):
    """PostgreSQL ends every other session, too, and recovers."""
    for pid in sea.monitors()[:1]:
        os.kill(pid, signal.SIGKILL)
    yield
    sea.now.wait_accepting()


# X2

def backend_stands_still(sea):
    pids = sea.monitors()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        _go_on(pid)


def postmaster_stands_still(sea):
    sea.turn_out()
    os.kill(sea.now.postmaster, signal.SIGSTOP)
    yield
    _go_on(sea.now.postmaster)


def _go_on(pid):
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


# X3, X4, X5

def black_hole(sea):
    sea.proxy.hold = True
    yield
    sea.proxy.calm()


def black_hole_on_connect(sea):
    sea.proxy.hold = True
    sea.proxy.cut_all()
    yield
    sea.proxy.calm()


def black_hole_for_good(sea):
    """What was held never goes on."""
    sea.proxy.hold = True
    yield
    sea.proxy.cut_all()
    sea.proxy.calm()


def black_hole_of_minutes(sea):
    """Longer than any patience with a connection."""
    sea.proxy.hold = True
    end = time.monotonic() + _LONG_HOLE
    while time.monotonic() < end:
        yield
    sea.proxy.cut_all()
    sea.proxy.calm()


def reset(sea):
    for _ in range(3):
        sea.proxy.cut_all()
        yield


def refused(sea):
    sea.proxy.lead(sea.door, None)
    sea.proxy.cut_all()
    yield
    sea.replace(sea.now, sea.door)


def cut_in_copy(sea):
    sea.proxy.cut_in_copy = 2
    yield
    yield
    sea.proxy.calm()


def answer_to_commit_lost(sea):
    sea.proxy.cut_after_commit = 3
    yield
    yield
    sea.proxy.calm()


def half_closed(sea):
    sea.proxy.half_close = True
    yield
    sea.proxy.calm()
    sea.proxy.cut_all()


def slow_link(sea):
    sea.proxy.rate = 10_000
    yield
    sea.proxy.calm()


def far_away(sea):
    sea.proxy.delay = 0.15
    yield
    sea.proxy.calm()


# X6

def wrong_password(sea):
    sea.now.sql(f"ALTER ROLE {ROLE} PASSWORD 'another'")
    sea.turn_out()
    yield
    sea.now.sql(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")


def no_login(sea):
    sea.now.sql(f"ALTER ROLE {ROLE} NOLOGIN")
    sea.turn_out()
    yield
    sea.now.sql(f"ALTER ROLE {ROLE} LOGIN")


def role_limit(sea):
    sea.now.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    sea.turn_out()
    yield
    sea.now.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")


def too_many_connections(sea):
    """Others hold every place but those for superusers."""
    others = []
    try:
        sea.proxy.hold = True
        sea.turn_out()
        others += [_guest(sea) for _ in range(27)]
        time.sleep(0.5)
        sea.proxy.calm()
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()
        sea.turn_out()  # their server processes do not look


def _guest(sea):
    words = sea.now._command(sea.database)
    words[words.index("-U") + 1] = ROLE
    return subprocess.Popen([*words, "-c", "SELECT pg_sleep(60)"], env={**sea.now._environment(), "PGPASSWORD": PASSWORD},
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def no_rights(sea):
    sea.sql(f"ALTER TABLE monitoring_results OWNER TO bench; REVOKE ALL ON monitoring_results FROM {ROLE}")
    yield
    sea.sql(f"ALTER TABLE monitoring_results OWNER TO {ROLE}; GRANT ALL ON monitoring_results TO {ROLE}")


# X7

def read_only(sea):
    sea.now.sql(f"ALTER DATABASE {sea.database} SET default_transaction_read_only = on")
    sea.turn_out()
    yield
    sea.now.sql(f"ALTER DATABASE {sea.database} RESET default_transaction_read_only")
    sea.turn_out()


def database_dropped(sea):
    """What was in it is gone for good; what is still local comes again."""
    sea.now.sql(f"ALTER DATABASE {sea.database} ALLOW_CONNECTIONS false")
    sea.now.sql(f"DROP DATABASE {sea.database} WITH (FORCE)")
    yield
    sea.now.sql(f"CREATE DATABASE {sea.database} OWNER {ROLE}")
    sea.destroyed.clear()  # a new one, in which nothing was destroyed by us that did not come again


def table_away(sea):
    sea.sql("ALTER TABLE monitoring_results RENAME TO put_away")
    yield
    # A new one may have been made meanwhile, and rows have come into it.
    sea.sql("DO $$ BEGIN IF to_regclass('monitoring_results') IS NOT NULL THEN"
            " INSERT INTO put_away SELECT * FROM monitoring_results ON CONFLICT DO NOTHING;"
            " DROP TABLE monitoring_results CASCADE; END IF; END $$;"
            " ALTER TABLE put_away RENAME TO monitoring_results")


def table_dropped(sea):
    """What was in it is gone for good: that is what DROP TABLE is for."""
    session = sea.open(sea.database)
    session.rows("BEGIN")
    session.rows("LOCK TABLE monitoring_agents, monitoring_results IN ACCESS EXCLUSIVE MODE")
    sea.note_destroyed(session)
    session.rows("DROP TABLE monitoring_results CASCADE")
    session.rows("COMMIT")
    session.close()
    yield


def partition_missing(sea):
    """Its rows come back when it has been made again."""
    name = sea.sql("SELECT tableoid::regclass FROM monitoring_results ORDER BY request_timestamp DESC LIMIT 1")
    sea.sql(f"ALTER TABLE monitoring_results DETACH PARTITION {name}; ALTER TABLE {name} RENAME TO put_away;"
            f" ALTER INDEX IF EXISTS {name}_pkey RENAME TO put_away_pkey")
    yield
    wait_until(lambda: sea.sql(f"SELECT to_regclass('{name}') IS NOT NULL") == "t", 30,
               lambda: "the missing partition is not made again", 0.2)
    sea.sql("INSERT INTO monitoring_results SELECT * FROM put_away ON CONFLICT DO NOTHING; DROP TABLE put_away")


def column_away(sea):
    sea.sql("ALTER TABLE monitoring_results RENAME COLUMN lateness_us TO put_away")
    yield
    sea.sql("ALTER TABLE monitoring_results RENAME COLUMN put_away TO lateness_us")


def trigger_raises(sea):
    """Of every row: the table's fault, which must cost none of them."""
    sea.sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not today'; END $$;"
            " CREATE TRIGGER refusing BEFORE INSERT ON monitoring_results FOR EACH ROW EXECUTE FUNCTION refuse()")
    yield
    sea.sql("DROP TRIGGER refusing ON monitoring_results; DROP FUNCTION refuse()")


def table_locked(sea):
    session = sea.open(sea.database)
    session.rows("BEGIN")
    session.rows("LOCK TABLE monitoring_results IN ACCESS EXCLUSIVE MODE")
    yield
    yield
    session.rows("COMMIT")
    session.close()


def statements_time_out(sea):
    """Each row takes so long that PostgreSQL ends the statement."""
    sea.sql("CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$;"
            " CREATE TRIGGER dawdling BEFORE INSERT ON monitoring_results FOR EACH ROW EXECUTE FUNCTION dawdle()")
    for _ in range(5):
        yield
    sea.turn_out()
    sea.sql("DROP TRIGGER dawdling ON monitoring_results; DROP FUNCTION dawdle()")


def disk_full(sea):
    """The results' files there cannot grow: the calls of the monitor's server process that would let them are refused."""
    files = sea.sql("SELECT pg_relation_filepath(c.oid) FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhrelid"
                    " LEFT JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class c ON c.oid IN (t.oid, x.indexrelid)"
                    " WHERE i.inhparent = 'monitoring_results'::regclass").split()
    paths = [word for file in dict.fromkeys(files) for word in ("-P", sea.now.data / file)]
    tracers = [_strace(pid, "-e", "inject=pwrite64,pwritev,fallocate:error=ENOSPC", *paths) for pid in sea.monitors()]
    for _ in range(2):
        yield
    for tracer in tracers:
        tracer.terminate()
        tracer.wait()
    sea.now.wait_accepting()


def wal_disk_full(sea):
    """Where the log cannot be written PostgreSQL ends every session and recovers."""
    tracers = [_strace(pid, "-e", "inject=pwrite64:error=ENOSPC:when=1", "-P", sea.now.data / "pg_wal" / file)
               for pid in sea.monitors()
               for file in [sea.now.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")]]
    yield
    for tracer in tracers:
        tracer.terminate()
        tracer.wait()
    sea.now.wait_accepting()


def _strace(pid, *words):
    return subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-p", str(pid), "-e", "trace=pwrite64,pwritev,fallocate",
                             *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# X10, and a restored backup

def failed_over(sea):
    """To a standby that lacks the last rows; the old primary comes back as one that takes no writes."""
    copy, old = sea.backup(), sea.now
    yield  # what comes now is not in it
    _replace(sea, copy, 1 - sea.door)
    yield
    old.start("default_transaction_read_only=on")
    sea.proxy.lead(1 - sea.door, old.port)
    sea.turn_out()
    yield
    sea.proxy.lead(1 - sea.door, None)
    old.remove()
    sea.turn_out()


def restored(sea):
    """From a backup, on the same host."""
    copy, old = sea.backup(), sea.now
    yield
    _replace(sea, copy, sea.door)
    old.remove()


def _replace(sea, copy, door):
    sea.now.end(signal.SIGQUIT)
    sea.proxy.cut_all()
    copy.start()
    sea.replace(copy, door)


FAULTS = {fault.__name__: fault for fault in (
    stopped_fast, stopped_immediate, flapping, restarted_while_writing, terminated, backend_killed,
    backend_stands_still, postmaster_stands_still, black_hole, black_hole_on_connect, black_hole_for_good, reset, refused,
    cut_in_copy, answer_to_commit_lost, half_closed, slow_link, far_away, wrong_password, no_login, role_limit,
    too_many_connections, no_rights, read_only, database_dropped, table_away, table_dropped, partition_missing,
    column_away, trigger_raises, table_locked, statements_time_out, disk_full, wal_disk_full, failed_over, restored)}
# Too long for every round: one in the long form, in a world of its own beside the others.
LONG_FAULTS = {fault.__name__: fault for fault in (black_hole_of_minutes,)}
