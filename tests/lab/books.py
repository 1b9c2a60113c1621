"""What the two databases hold, as plain rows that can be compared."""
import collections
import sqlite3

from .daemon import service_in

SKIP_REASONS = {1: "still_running", 2: "pool_exhausted", 3: "suspended", 4: "stopping", 5: "rate_limited",
                6: "retry_after"}  # storage::SkipReason
GAP_REASONS = {1: "disk_full", 2: "size_cap", 3: "remote_lost", 4: "not_running", 5: "unstored", 6: "refused",
               7: "file_lost"}  # storage::GapReason

# Times in µs since 1970. `status` is None without a response.
Row = collections.namedtuple("Row", "agent seq service at lateness status length outcome attempt total")
Skipped = collections.namedtuple("Skipped", "agent id service first last count reason")
Gap = collections.namedtuple("Gap", "agent id reason first last first_seq last_seq count")


class Books:
    """Rows by (agent, seq); skipped ranges and gaps by (agent, id); quarantined numbers."""

    def __init__(self):
        self.rows, self.skipped, self.gaps = {}, {}, {}
        self.quarantined = {}
        self.twice = []
        """What has a number that another row has, too."""
        self.epochs = []
        """Pairs of agent and first number; the last one is that of the file as it is."""
        self.head = 0
        self.integrity = []

    def add(self, place, key, row):
        if key in place:
            self.twice.append((place[key], row))
        place[key] = row


def connect(database, seconds=10):
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=seconds, isolation_level=None,
                           check_same_thread=False)


def local(database):
    """As one moment shows it; whatever runs beside may go on."""
    books = Books()
    connection = connect(database)
    try:
        connection.execute("BEGIN")
        books.epochs = connection.execute("SELECT agent_id, first_seq, first_skipped, first_gap FROM epochs ORDER BY id"
                                          ).fetchall()
        _local_rows(connection, books)
        books.integrity = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    finally:
        connection.close()
    return books


def results(connection, above=0):
    """Rows with greater numbers than that; their agent is left open."""
    for row in connection.execute(
            "SELECT seq, d.name, requested_at, lateness_us, status, body_bytes, o.name, attempt, total_us FROM results r"
            " LEFT JOIN definitions d ON d.id = r.definition LEFT JOIN outcomes o ON o.code = r.outcome WHERE seq > ?",
            (above,)):
        yield Row(None, row[0], service_in(row[1] or "-1"), *row[2:])


def _local_rows(connection, books):
    names = dict(connection.execute("SELECT id, name FROM definitions"))

    def owner(number, column):
        return next((epoch[0] for epoch in reversed(books.epochs) if epoch[column] <= number), None)

    for row in results(connection):
        row = row._replace(agent=owner(row.seq, 1))
        books.add(books.rows, (row.agent, row.seq), row)
    for row in connection.execute("SELECT id, definition, from_at, to_at, count, reason FROM skipped"):
        agent = owner(row[0], 2)
        books.add(books.skipped, (agent, row[0]),
                  Skipped(agent, row[0], service_in(names.get(row[1], "-1")), *row[2:5], SKIP_REASONS.get(row[5])))
    for row in connection.execute("SELECT id, reason, from_at, to_at, first_seq, last_seq, count FROM gaps"):
        agent = owner(row[0], 3)
        books.add(books.gaps, (agent, row[0]), Gap(agent, row[0], GAP_REASONS.get(row[1]), *row[2:]))
    books.quarantined = {row[0]: row[1:] for row in connection.execute("SELECT seq, sqlstate, reason FROM quarantine")}
    head = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'results'").fetchone()
    books.head = head[0] if head else 0


def remote(session):
    """`session`: of the database that the monitor exports to. Empty where it never got so far."""
    books = Books()
    if not session.number("SELECT count(*) FROM pg_class WHERE relname = 'monitoring_results'"):
        return books
    micros = "(extract(epoch FROM {})*1000000)::bigint"
    for row in session.rows(
            f"SELECT a.agent_id, r.seq, d.name, {micros.format('r.request_timestamp')}, r.lateness_us, r.status, r.body_bytes,"
            " o.outcome, r.attempt, r.total_us FROM monitoring_results r LEFT JOIN monitoring_agents a ON a.id = r.agent"
            " LEFT JOIN monitoring_definitions d ON d.id = r.definition LEFT JOIN monitoring_outcomes o ON o.code = r.outcome"):
        books.add(books.rows, (row[0], int(row[1])),
                  Row(row[0], int(row[1]), service_in(row[2] or "-1"), int(row[3]), int(row[4]),
                      int(row[5]) if row[5] else None, int(row[6]), row[7], int(row[8]), int(row[9])))
    for row in session.rows(
            f"SELECT a.agent_id, s.id, d.name, {micros.format('s.from_timestamp')}, {micros.format('s.to_timestamp')}, s.count,"
            " s.reason FROM monitoring_skipped s LEFT JOIN monitoring_agents a ON a.id = s.agent"
            " LEFT JOIN monitoring_definitions d ON d.id = s.definition"):
        books.add(books.skipped, (row[0], int(row[1])),
                  Skipped(row[0], int(row[1]), service_in(row[2] or "-1"), *map(int, row[3:6]), row[6]))
    for row in session.rows(
            f"SELECT a.agent_id, g.id, g.reason, {micros.format('g.from_timestamp')}, {micros.format('g.to_timestamp')},"
            " g.first_seq, g.last_seq, g.count FROM monitoring_gaps g LEFT JOIN monitoring_agents a ON a.id = g.agent"):
        books.add(books.gaps, (row[0], int(row[1])), Gap(row[0], int(row[1]), row[2], *map(int, row[3:])))
    return books
