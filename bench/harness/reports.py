"""How long `monitor report` takes over a year, from each database."""
import json
import resource
import statistics
import subprocess
import time

from .bench import Findings
from .processes import Trouble
from .scenarios import REPORT, REPORT_EXTERNAL
from .year import CHECKS_A_DAY, DAYS, DAYS_OF_HOURS, Year

_TIMES = 11
# What the monitors that made the year have checked themselves is beside it.
_NEAR = 0.01


def report(bench, scenario):
    found = Findings()
    year = Year(scenario.load.services)
    with bench.folder() as folder, bench.postgres(folder) as postgres:
        begin = time.monotonic()
        year.make(bench, folder, scenario.load, postgres)
        found.remarks.append(_made(folder, year, postgres, time.monotonic() - begin))
        config = folder / "monitor" / "monitoring-config"
        command = [bench.binary, "report", "--last", f"{DAYS}d", "--config-path", config]
        for figure, more in ((REPORT, []), (REPORT_EXTERNAL, ["--external"])):
            said = _check(year, [*command, *more])
            server = postgres.usage()
            walls, cpu = _timed([*command, *more])
            server = (postgres.usage() - server).total / _TIMES * 1000
            found.figures[figure] = statistics.median(walls)
            found.remarks.append(
                f"{figure.removesuffix(', ms')}: {min(walls):.0f} to {max(walls):.0f} ms in {_TIMES} runs; CPU "
                f"{cpu:.0f} ms" + (f", and PostgreSQL's {server:.0f} ms" if more else "") + f"; it tells of {said}")
    return found


def _timed(command):
    """Milliseconds of each run, from its start to its end, and of CPU on average."""
    walls = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(_TIMES):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        walls.append((time.perf_counter() - begin) * 1000)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return walls, cpu / _TIMES * 1000


def _check(year, command):
    """What the report says of the year; Trouble when that is not what was put in."""
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"monitor report ended with {done.returncode}: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    if told["notes"] or told["lost"]:
        raise Trouble(f"monitor report misses something: {told['notes']} {told['lost']}")
    services = [service for service in told["services"] if service["checks"] and service["p99_ms"]]
    if len(services) != year.services:
        raise Trouble(f"monitor report tells of {len(services)} services, not of {year.services}")
    sums = {}
    for key, expected in (("checks", year.checks), ("down", year.downs), ("outage_count", year.outages)):
        sums[key] = sum(service[key] for service in services)
        if abs(sums[key] - expected) > _NEAR * expected:
            raise Trouble(f"monitor report adds up to {key} {sums[key]}, not {expected}")
    return (f"{len(services)} services, {sums['checks']} checks and {sums['outage_count']} outages "
            f"since {told['from'][:10]}")


def _made(folder, year, postgres, seconds):
    file = (folder / "monitor" / "local.sqlite3").stat().st_size / 1e6
    session = postgres.session()
    tiers = session.number("SELECT sum(pg_total_relation_size(t)) FROM unnest('{monitoring_hours,monitoring_days,"
                           "monitoring_months,monitoring_outages,monitoring_rolled}'::regclass[]) AS t") / 1e6
    buckets, measures = year.breadth(session)
    session.close()
    return (
        f"the program rolled up one day of {CHECKS_A_DAY} generated results for each of {year.services} services, in "
        f"both databases; {DAYS} days and the hours of {DAYS_OF_HOURS} are copies of it. Durations are log-normal: a "
        f"day of a service uses {buckets:.0f} buckets in {measures:.1f} measures; every tenth service is down for a while "
        f"each day. SQLite's file {file:.0f} MB, PostgreSQL's roll-ups {tiers:.0f} MB, made in {seconds:.0f} s")
