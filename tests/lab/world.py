"""A target, a monitor and a database in the cluster: one pipeline, watched from outside from its first start on."""
import contextlib
import re
import threading
import time

from harness.processes import wait_until

from . import books, oracle
from .daemon import Config, Daemon
from .proof import Broken
from .target import Target


# A sanitizer's report, or a worker that met what nobody thought of.
_BUG = re.compile(r"Sanitizer|runtime error:|the \w+ died|terminate called")


def now_us():
    return time.time_ns() // 1000


class World:
    """`keys`: of the configuration. Without a cluster nothing is exported. With a `target` that others share, its
    services are those from `first` on."""

    def __init__(self, lab, room, services, cluster=None, database="", keys=None, interval=1, service_keys="", target=None,
                 first=0, place=None, host=""):
        self.lab = lab
        self.room = room
        self.cluster = cluster
        self.database_name = database
        uri = cluster.make_database(database) if cluster else ""
        self.shared = target is not None
        self.target = target or Target(room)
        self.target.host = host
        config = Config(self.target, services, uri, interval, keys or {}, service_keys, first, place=place)
        self.daemon = Daemon(lab.binary, room / "monitor", config)
        self.allowance = oracle.Allowance(interval=interval, window_us=round(1_500_000 * lab.slowness),
                                          slot_slack_us=round(60_000 * lab.slowness), services=range(first, first + services),
                                          end_slack_us=round(1_000_000 * lab.slowness))
        self.added = 0
        """Services that a reload adds behind those."""
        self.lives = []
        self.witnessed = {}
        self.unwatched = 0.0
        """The longest time in seconds in which watched() saw nothing."""
        self._seen = 0
        self._reader = None
        self._looking = threading.Lock()

    def start(self, **more):
        self.lives.append(oracle.Life(now_us(), 0, False))
        self.daemon.start(**more)

    def kill(self):
        """Before every other word: what was committed at that moment is in what witness() saw, or came after."""
        self.daemon.kill()
        self.ended(True)

    def replaced_by_an_older(self, newer):
        """The lab has put an older copy in the place of a database that held `newer`."""
        self.allowance.replaced.update(newer.rows)
        self._seen = 0

    def stopping(self):
        """It is asked to stop now."""
        self.lives[-1].asked = now_us()

    def stop(self):
        self.stopping()
        status = self.daemon.stop()
        self.ended(status is None)
        if status != 0:
            raise Broken(f"the monitor ended with {status} when it was asked to stop: {self.daemon.said()}")

    def died(self):
        """It has ended by itself, as was meant."""
        self.ended(True)

    def ended(self, killed):
        self.forget_reader()
        if self.lives and not self.lives[-1].ended:
            life = self.lives[-1]
            life.ended, life.killed = now_us(), killed
            if self.daemon.was_ready():
                life.ready = life.began + round(self.daemon.ready_after * 1_000_000)

    def witness(self):
        """Notes every row that is committed now: from here on it must not be lost. Costs a query, not a connection. Says
        whether it could look."""
        with self._looking:
            if self._reader is None:
                if not self.daemon.database.exists():
                    return False
                self._reader = books.connect(self.daemon.database, 1)
            try:
                rows = {row.seq: row for row in books.results(self._reader, self._seen)}
            except books.sqlite3.OperationalError:
                return False  # not made yet, or just being recovered
            self.witnessed.update(rows)
            self._seen = max([self._seen, *rows])
            return True

    @contextlib.contextmanager
    def watched(self):
        """Witnessed without a pause, whatever the lab waits for: where PostgreSQL loses what is purged here, nobody else
        knows what it was."""
        over = threading.Event()

        def watch():
            seen = time.monotonic()
            while not over.wait(0.2):
                if self.witness():
                    now = time.monotonic()
                    self.unwatched, seen = max(self.unwatched, now - seen), now

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def forget_reader(self):
        with self._looking:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def local(self, sql):
        """The only value of a question to the local database; None while there is none."""
        if not self.daemon.database.exists():
            return None
        connection = books.connect(self.daemon.database)
        try:
            row = connection.execute(sql).fetchone()
        except books.sqlite3.OperationalError:
            return None
        finally:
            connection.close()
        return row[0] if row else None

    def last_seq(self):
        return self.local("SELECT seq FROM sqlite_sequence WHERE name = 'results'") or 0

    def arrived(self):
        """The highest number that is in PostgreSQL, of the agent that the database is now."""
        agent = self.local("SELECT agent_id FROM epochs ORDER BY id DESC LIMIT 1")
        done = self.cluster.ask("SELECT coalesce(max(seq), 0) FROM monitoring_results r JOIN monitoring_agents a"
                                f" ON a.id = r.agent WHERE a.agent_id::text = '{agent}'", self.database_name)
        return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 0

    def flows(self, seconds=60):
        """After the faults: new checks are made, stored and exported, and nothing waits. How many seconds it took."""
        begin = time.monotonic()
        seconds *= self.lab.slowness
        if not self.daemon.running():
            raise Broken(f"the monitor has ended by itself: {self.daemon.said()}")
        before, seq = self._asked(), self.last_seq()
        wait_until(lambda: not self._silent_since(before), seconds,
                   lambda: self._stuck(f"{len(self._silent_since(before))} services are not polled"), 0.1)
        wait_until(lambda: self.last_seq() > seq, seconds, lambda: self._stuck("nothing is stored"), 0.1)
        if self.cluster:
            mark = self.last_seq()
            wait_until(lambda: self.arrived() >= mark, seconds, lambda: self._stuck("nothing arrives in PostgreSQL"), 0.2)
        return time.monotonic() - begin

    def _asked(self):
        """How many requests each service has had."""
        return self.target.counts(self.daemon.config.first, self.daemon.config.services)

    def _silent_since(self, before):
        return [service for service, (then, now) in enumerate(zip(before, self._asked())) if now <= then]

    def _stuck(self, what):
        raise Broken(f"{what} after the fault has ended: {self.daemon.status} | {self.daemon.said()}")

    def requests(self):
        requests = self.target.requests()
        if not self.shared:
            return requests
        first, last = self.daemon.config.first, self.daemon.config.first + self.daemon.config.services + self.added
        return [request for request in requests if first <= request.service < last]

    def judge(self, fail=True, heard=None):
        """Once the monitor has stopped. Counts; Broken with what is not explained. `heard`: is given requests and both
        books, and makes them comparable where the program's clock was not the target's."""
        requests = self.requests()
        local = books.local(self.daemon.database)
        session = self.cluster.open(self.database_name) if self.cluster else None
        remote = books.remote(session) if session else books.Books()
        if session:
            session.close()
        if heard:
            heard(requests, local, remote)
        verdict = oracle.judge(requests, local, remote, self.lives, self.witnessed, self.allowance)
        if bad := [line for line in self.daemon.lines() if _BUG.search(line)]:
            verdict.wrong("the log tells of a bug", bad)
        if verdict.faults and fail:
            raise Broken("\n".join(verdict.faults))
        return verdict

    def close(self):
        self.forget_reader()
        self.daemon.kill()
        if not self.shared:
            self.target.stop()


def merged(counts):
    """Sums of what several worlds counted; of what is a longest, the longest."""
    total = {}
    for one in counts:
        for name, value in one.items():
            if name.startswith(("longest_", "slowest_", "p99_")):
                total[name] = max(total.get(name, 0), value)
            else:
                total[name] = total.get(name, 0) + value
    return total
