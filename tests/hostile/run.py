"""Runs the program against every hostile server, and judges what it made of them.

Usage: run.py MONITOR [--only REGEX] [--rounds N] [--keep]
MONITOR_SLOWNESS=4 in the environment: the program runs under a sanitizer and may be as many times slower.
"""
import argparse
import dataclasses
import json
import pathlib
import re
import shutil
import socket
import sys
import tempfile
import time

import dns_cases
import http_cases
import tls_cases
from bed import SLOWNESS, Bed, Case, once_more_with_patience, raise_open_files
from good import percentile, start_good
from names import NameServer
from pki import Pki
from program import STARVED, Monitor

SHORT = 1 if SLOWNESS == 1 else 2  # seconds: the timeout of those who use it up
LONG = 5 if SLOWNESS == 1 else 8
INTERVAL = 6 if SLOWNESS == 1 else 12
GOOD = "good"
# Over a timeout; all of these are generous, because other work may share the machine.
OVERTIME = 0.5 * SLOWNESS
LATENESS = 0.25 * SLOWNESS
GROWTH = 8 << 20
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")

NUMBERS = {f"{kind}{number}" for kind, count in {"H": 104, "T": 34, "D": 18}.items() for number in range(1, count + 1)}
LEFT_OUT = {"T19", "D17", "D18"}  # README.md says why; D18 is lateness.py's


class Verdicts:
    def __init__(self):
        self.failures = []

    def wrong(self, what, why):
        self.failures.append(f"FAILED {what}: {why}")


def judge_row(case, row, timeout):
    if row["outcome"] not in case.expect:
        return f"expected {' or '.join(case.expect)}, got {row['outcome']}: {row['reason']}"
    if case.status is not None and row["status_code"] != case.status:
        return f"expected status {case.status}, got {row['status_code']}: {row['reason']}"
    if not row["reason"] or len(row["reason"]) < 8 or "\n" in row["reason"]:
        return f"no sentence for a reason: {row['reason']!r}"
    if row["hops"]:
        json.loads(row["hops"])
    if row["total_us"] > (timeout + OVERTIME) * 1e6:
        return f"took {row['total_us'] / 1e6:.2f} s with a timeout of {timeout} s"
    for column in row.keys():
        value = row[column]
        if isinstance(value, str) and CONTROLS.search(value):
            return f"control characters in {column}: {value!r}"
    return None


def judge_slots(rows, skipped, interval, played):
    """Every slot is there once: as a row, or as one that was skipped."""
    slots = sorted([row["slot"] for row in rows] + [moment for moment, _ in skipped])
    step, tolerance = interval * 1e6, min(0.3 * SLOWNESS, interval / 3) * 1e6
    for before, after in zip(slots, slots[1:]):
        if abs(after - before - step) > tolerance:
            return f"slots are {(after - before) / 1e6:.2f} s apart, not {interval} s"
    if slots[0] - played.began > step + tolerance + 5e6 * SLOWNESS or played.ended - slots[-1] > step + tolerance:
        return "slots are missing at the beginning or at the end"
    return None


def judge(monitor, cases, services, played, verdicts):
    rows, skipped = monitor.rows(), monitor.skipped()
    for case in cases:
        mine = rows.get(case.id, [])
        if not mine:
            verdicts.wrong(case.id, "no row")
            continue
        service = services[case.id]
        problem = next(filter(None, (judge_row(case, row, service["timeout"]) for row in mine)), None)
        problem = problem or judge_slots(mine, skipped.get(case.id, []), INTERVAL, played)
        problem = problem or (case.verify and case.verify(mine))
        if problem:
            verdicts.wrong(case.id, problem)
    good = rows.get(GOOD, [])
    not_up = [row["reason"] for row in good if row["outcome"] != "up"]
    if not_up or not good:
        verdicts.wrong(GOOD, f"{len(not_up)} of {len(good)} checks were not up: {not_up[:1]}")
        return
    if problem := judge_slots(good, skipped.get(GOOD, []), 1, played):
        verdicts.wrong(GOOD, problem)
    played.late = percentile([row["lateness_us"] for row in good], 0.99) / 1e6
    missed = [moment for moment, stopping in skipped.get(GOOD, []) if not stopping]
    if played.late > LATENESS or missed:
        verdicts.wrong(GOOD, f"late by {played.late:.3f} s, {len(missed)} slots skipped")


def judge_log(monitor, verdicts):
    log = monitor.log.read_bytes()
    if CONTROLS.search(log.decode(errors="replace").replace("\t", " ")):
        verdicts.wrong("log", "it holds control characters")
    for place in [monitor.log, *monitor.folder.glob("results.sqlite3*")]:
        if http_cases.SECRET in place.read_bytes():
            verdicts.wrong(place.name, "it holds a secret")
    for line in log.decode(errors="replace").splitlines():
        if "Sanitizer" in line or "runtime error:" in line:
            verdicts.wrong("log", line)


def leaked(monitor, bed, before):
    """Sockets that were there `before`, longer ago than any check may take, and that nobody has a use for. The resolver
    keeps its sockets to a name server, and a service that reuses its connection keeps that."""
    still = set(before.values()) & set(monitor.descriptors().values())
    ports = {port for inode, port in monitor.connections().items() if inode in still}
    owners = [bed.port_owner.get(port, port) for port in ports - {bed.places["dns"], bed.places["dns_udp"]}]
    return [owner for owner in owners if not (isinstance(owner, Case) and owner.service.get("connection") == "reuse")]


@dataclasses.dataclass
class Played:
    """When the set ran (µs), and what it cost after each round."""

    began: float
    ended: float = 0
    resident: list = dataclasses.field(default_factory=list)
    descriptors: list = dataclasses.field(default_factory=list)
    starved: float = 0
    late: float = 0


def prepare(case, service):
    return {"interval_sec": INTERVAL, "timeout": SHORT if case.slow else LONG, **service}


def play(monitor, bed, rounds, verdicts):
    """Lets the set run."""
    played = Played(began=time.time() * 1e6)
    monitor.start()
    for done in range(1, rounds + 1):
        limit = (INTERVAL + 30) * SLOWNESS
        if not monitor.wait(lambda: min_rounds(monitor, bed.services) >= done, limit):
            missing = [name for name in bed.services if monitor.counts().get(name, 0) < done]
            verdicts.wrong("program", f"alive: {monitor.alive()}; without a row in round {done}: {missing[:5]}")
            break
        played.resident.append(monitor.resident())
        played.descriptors.append(monitor.descriptors())
    if monitor.alive() and len(played.descriptors) > 1:
        for owner in leaked(monitor, bed, played.descriptors[-2]):
            verdicts.wrong(getattr(owner, "id", f"port {owner}"), "a connection was left open")
    played.ended = time.time() * 1e6
    played.starved = monitor.starved()
    status = monitor.stop()
    if status != 0:
        verdicts.wrong("program", f"ended with {status}: {monitor.log.read_text(errors='replace')[-2000:]}")
    return played


def min_rounds(monitor, services):
    counts = monitor.counts()
    return min(counts.get(name, 0) for name in services)


def all_cases(only):
    cases = [*http_cases.CASES, *tls_cases.CASES, *dns_cases.CASES]
    if len({case.id for case in cases}) != len(cases):
        raise ValueError("two cases have the same name")
    if missing := NUMBERS - LEFT_OUT - {case.number for case in cases}:
        raise ValueError(f"without a case: {sorted(missing)}")
    if not has_ipv6():
        print("left out for want of IPv6:", *(case.id for case in cases if case.address == "::1"), sep="\n  ")
        cases = [case for case in cases if case.address != "::1"]
    return [case for case in cases if re.search(only, case.id)]


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def refuse(monitor, bed, cases, verdicts):
    """Those that must not even load."""
    for case in cases:
        status, words = monitor.refusal(prepare(case, bed.add(case)))
        if status != 2 or not re.search(case.refused, words):
            verdicts.wrong(case.id, f"not refused as {case.refused!r}: status {status}: {words.strip()}")


def once(arguments, folder):
    """The whole set, one time. Returns whether the machine let the program run, and what is wrong."""
    verdicts = Verdicts()
    pki = Pki(folder)
    tls_cases.make_identities(pki)
    good, good_port = start_good()
    names, udp_only = NameServer(dns_cases.BEHAVIOURS), NameServer(dns_cases.BEHAVIOURS, tcp=False)
    (folder / "large").write_bytes(b"x" * (1 << 20))
    bed = Bed(pki, {"ca": pki.ca_file, "dns": names.port, "dns_udp": udp_only.port, "large": folder / "large",
                    "folder": folder, "short": SHORT})
    cases = all_cases(arguments.only)
    bed.services = {case.id: prepare(case, bed.add(case)) for case in cases if not case.refused}
    steady = {"name": GOOD, "url": f"http://127.0.0.1:{good_port}/", "interval_sec": 1, "timeout": 1}
    monitor = Monitor(arguments.monitor, folder, [*bed.services.values(), steady])
    refuse(monitor, bed, [case for case in cases if case.refused], verdicts)
    servers = [bed, names, udp_only]
    for server in servers:
        server.start()
    try:
        played = play(monitor, bed, arguments.rounds, verdicts)
        judge(monitor, [case for case in cases if not case.refused], bed.services, played, verdicts)
        judge_log(monitor, verdicts)
    finally:
        monitor.kill()
        for server in servers:
            server.stop()
        good.terminate()
    report(cases, played, verdicts)
    return played.starved, verdicts.failures


def report(cases, played, verdicts):
    grown = played.resident[-1] - played.resident[1] if len(played.resident) > 2 else 0
    if SLOWNESS == 1 and grown > GROWTH:
        verdicts.wrong("memory", f"grew by {grown >> 10} KiB after the second round")
    for line in verdicts.failures:
        print(line)
    print(f"hostile: {len(cases)} cases, {len(played.resident)} rounds, {len(verdicts.failures)} failed; well-behaved "
          f"service late by {played.late * 1000:.1f} ms (p99); resident "
          f"{' '.join(f'{size >> 10} KiB' for size in played.resident)}; descriptors "
          f"{' '.join(str(len(found)) for found in played.descriptors)}; waited for a processor "
          f"{played.starved:.0%} of the time it wanted one", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("monitor", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=4 if SLOWNESS == 1 else 2)
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look at it")
    arguments = parser.parse_args()
    raise_open_files()
    with tempfile.TemporaryDirectory(prefix="hostile-") as temporary:
        starved, failures = once(arguments, pathlib.Path(temporary))
        if arguments.keep:
            print("kept:", shutil.copytree(temporary, tempfile.mkdtemp(prefix="hostile-kept-"), dirs_exist_ok=True))
    if failures and starved > STARVED:
        once_more_with_patience()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
