"""A year of roll-ups in both databases: one day that the program rolls up itself, and copies of it for the others."""
import datetime
import math
import os
import random
import sqlite3

from .monitor import head_query
from .processes import Trouble, wait_until

DAYS = 365
# Of hours, as `rollups` in the configuration has it when nothing is said.
DAYS_OF_HOURS = 90
CHECKS_A_DAY = 1440
_DAY = 86_400_000_000  # µs
_MINUTE = 60_000_000
_ONE_IN_DOWN = 10
"""Of so many services one is down for _DOWN checks on each day."""
_DOWN = 5


class Year:
    """The days before today; the last of them is the one that the others are copies of."""

    def __init__(self, services):
        self.services = services
        today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        self.day = today - datetime.timedelta(days=1)
        self.day_us = int(self.day.timestamp()) * 1_000_000

    @property
    def checks(self):
        return DAYS * CHECKS_A_DAY * self.services

    @property
    def outages(self):
        return DAYS * -(-self.services // _ONE_IN_DOWN)

    @property
    def downs(self):
        return self.outages * _DOWN

    def breadth(self, session):
        """Buckets in use, and measures that they are of, in the day of a service."""
        measures = ("(SELECT count(DISTINCT get_byte(histograms, 6 * i)) "
                    "FROM generate_series(0, length(histograms) / 6 - 1) AS i)")
        row = session.rows(f"SELECT avg(length(histograms)) / 6, avg({measures}) FROM monitoring_days "
                           f"WHERE {self._in_day('start')}")[0]
        return float(row[0]), float(row[1])

    def make(self, bench, folder, load, postgres):
        """The whole year; no monitor runs when it is done."""
        database = folder / "monitor" / "local.sqlite3"
        with bench.monitor(folder, load, postgres.uri) as monitor:
            monitor.wait_for_checks()
        stored = self._store_day(database)
        session = postgres.session()
        with bench.monitor(folder, load, postgres.uri) as monitor:
            head = head_query(monitor)
            wait_until(lambda: session.number(head) >= stored, 120, lambda: f"the day did not arrive: {monitor.said()}")
            left = f"SELECT count(*) FROM results WHERE seq <= {stored}"
            wait_until(lambda: monitor.local(left) == 0, 120,
                       lambda: f"the day was not rolled up locally: {monitor.said()}", 0.5)
        session.rows("UPDATE monitoring_touched SET at = at - interval '1 hour'")
        with bench.monitor(folder, load, postgres.uri) as monitor:
            rolled = f"SELECT count(*) FROM monitoring_rolled WHERE {self._in_day('hour')}"
            wait_until(lambda: session.number(rolled) == 24, 180,
                       lambda: f"PostgreSQL has {session.number(rolled):.0f} of 24 hours: {monitor.said()}", 0.5)
        self._copy_locally(database)
        self._copy_remotely(session)
        session.close()
        os.sync()  # so that nobody writes it while reports are measured

    def _in_day(self, column):
        day = f"timestamp '{self.day:%Y-%m-%d}'"
        return f"{column} >= {day} AND {column} < {day} + interval '1 day'"

    def _store_day(self, database):
        """Results of the day as the agent would have stored them; the number of the last."""
        connection = sqlite3.connect(database)
        try:
            definitions = [row[0] for row in connection.execute("SELECT id FROM definitions ORDER BY id")]
            if len(definitions) != self.services:
                raise Trouble(f"{len(definitions)} of {self.services} services are defined")
            codes = dict(connection.execute("SELECT name, code FROM outcomes"))
            connection.executemany(
                "INSERT INTO results (definition, requested_at, outcome, status, flags, attempt, dns_us, connect_us, "
                "tls_us, first_byte_us, transfer_us, total_us, lateness_us, body_bytes, stored_after_us, reason) "
                "VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, 105, ?, ?)",
                self._results(definitions, codes["up"], codes["status"]))
            connection.commit()
            return connection.execute("SELECT max(seq) FROM results").fetchone()[0]
        finally:
            connection.close()

    def _results(self, definitions, up, status):
        """Durations spread as those of servers do (log-normal), each service around its own middle."""
        dice = random.Random(365)

        def about(low, high):
            return [dice.uniform(math.log(low), math.log(high)) for _ in definitions]

        connects, first_bytes, transfers = about(500, 40_000), about(3_000, 200_000), about(200, 20_000)
        spread = dice.lognormvariate
        down_at = {i: dice.randrange(CHECKS_A_DAY - _DOWN) for i in range(0, self.services, _ONE_IN_DOWN)}
        for minute in range(CHECKS_A_DAY):
            for i, definition in enumerate(definitions):
                at = self.day_us + minute * _MINUTE + i * (_MINUTE // self.services)
                dns = int(spread(math.log(2_000), 0.5)) if minute % 5 == 0 else None
                connect = int(spread(connects[i], 0.5))
                tls = int(2 * spread(connects[i], 0.4)) if i % 2 else None
                first_byte, transfer = int(spread(first_bytes[i], 0.6)), int(spread(transfers[i], 0.6))
                total = (dns or 0) + connect + (tls or 0) + first_byte + transfer
                lateness = int(spread(math.log(300), 0.7))
                down = i in down_at and down_at[i] <= minute < down_at[i] + _DOWN
                yield (definition, at, status if down else up, 503 if down else 200, dns, connect, tls, first_byte,
                       transfer, total, lateness, total + 1000, "HTTP 503" if down else None)

    def _copy_locally(self, database):
        """Written from the oldest row on, as it would have been."""
        end = self.day_us + _DAY
        outage = "definition, from_at, to_at, last_at, checks, outcome, reason"
        connection = sqlite3.connect(database)
        try:
            connection.executescript(f"""
                BEGIN;
                CREATE TEMP TABLE days (i INTEGER PRIMARY KEY);
                INSERT INTO days WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {DAYS - 1})
                  SELECT i FROM n;
                CREATE TEMP TABLE kept AS SELECT * FROM rollups;
                DELETE FROM rollups;
                INSERT INTO rollups (tier, start, definition, body)
                  SELECT tier, start - i * {_DAY}, definition, body FROM kept CROSS JOIN days
                    WHERE start < {end} AND i < CASE tier WHEN 1 THEN {DAYS_OF_HOURS} ELSE {DAYS} END
                  UNION ALL SELECT tier, start, definition, body FROM kept WHERE start >= {end} ORDER BY 1, 2, 3;
                CREATE TEMP TABLE known AS SELECT {outage} FROM outages;
                DELETE FROM outages;
                INSERT INTO outages ({outage})
                  SELECT definition, from_at - i * {_DAY}, to_at - i * {_DAY}, last_at - i * {_DAY}, checks, outcome,
                    reason
                  FROM known CROSS JOIN days ORDER BY 2;
                UPDATE meta SET value = (SELECT sum(length(body) + 24) FROM rollups) WHERE key = 'rollup_bytes';
                COMMIT;
                """)
        finally:
            connection.close()

    def _copy_remotely(self, session):
        rows = ("agent, definition, total_sum_us, rechecks, lateness_max_us, outcomes, outcome_counts, "
                "skipped_reasons, skipped_counts, histograms")
        hours_before = f"generate_series({DAYS_OF_HOURS - 1}, 1, -1) AS i"
        before = f"generate_series({DAYS - 1}, 1, -1) AS i"
        session.rows(
            f"INSERT INTO monitoring_hours (start, first_judged, {rows}) SELECT start - i * interval '1 day', "
            f"first_judged - i * interval '1 day', {rows} FROM monitoring_hours, {hours_before} "
            f"WHERE {self._in_day('start')} ORDER BY 1")
        session.rows(
            f"INSERT INTO monitoring_days (start, {rows}) SELECT start - i * interval '1 day', {rows} "
            f"FROM monitoring_days, {before} WHERE {self._in_day('start')} ORDER BY 1")
        session.rows(
            "INSERT INTO monitoring_outages (start, from_timestamp, to_timestamp, checks, agent, definition, outcome, "
            "from_start, reason) SELECT start - i * interval '1 day', from_timestamp - i * interval '1 day', "
            "to_timestamp - i * interval '1 day', checks, agent, definition, outcome, from_start, reason "
            f"FROM monitoring_outages, {before} WHERE {self._in_day('start')} ORDER BY 1")
        # Their results are gone, and the hours of the older ones.
        session.rows(
            "INSERT INTO monitoring_rolled (hour, first_seq, last_seq, agent, kept, sealed) SELECT hour - i * interval "
            f"'1 day', first_seq, last_seq, agent, i < {DAYS_OF_HOURS}, true FROM monitoring_rolled, "
            f"{before} WHERE {self._in_day('hour')} ORDER BY 1")
        self._sum_months(session)
        # What autovacuum would have done in a year.
        session.rows("VACUUM ANALYZE")
        session.rows("CHECKPOINT")

    def _sum_months(self, session):
        """A month is its days added up: copies of one day, so many times its counts."""
        session.rows("DELETE FROM monitoring_months")
        session.rows(f"""
            WITH months AS (
              SELECT date_trunc('month', timestamp '{self.day:%Y-%m-%d}' - i * interval '1 day') AS start, count(*) AS n
              FROM generate_series(0, {DAYS - 1}) AS i GROUP BY 1),
            day AS (SELECT * FROM monitoring_days WHERE {self._in_day('start')}),
            counted AS (
              SELECT agent, definition, n, string_agg(substring(histograms FROM 6 * i + 1 FOR 2) || int4send((n
                * ((get_byte(histograms, 6 * i + 2)::bigint << 24) + (get_byte(histograms, 6 * i + 3) << 16)
                  + (get_byte(histograms, 6 * i + 4) << 8) + get_byte(histograms, 6 * i + 5)))::integer), ''::bytea
                ORDER BY i) AS histograms
              FROM day CROSS JOIN (SELECT DISTINCT n FROM months) AS lengths
                CROSS JOIN generate_series(0, length(histograms) / 6 - 1) AS i
              GROUP BY agent, definition, n)
            INSERT INTO monitoring_months (start, agent, definition, total_sum_us, rechecks, lateness_max_us, outcomes,
              outcome_counts, histograms)
            SELECT m.start, agent, definition, d.total_sum_us * n, d.rechecks * n, d.lateness_max_us, d.outcomes,
              ARRAY(SELECT c * n FROM unnest(d.outcome_counts) AS c), counted.histograms
            FROM months m JOIN counted USING (n) JOIN day d USING (agent, definition) ORDER BY 1, 3""")
