"""How late checks of good services are: alone, beside servers and a name that never answer, and beside dead names.

Usage: lateness.py MONITOR [--seconds N] [--services N] [--silent N] [--names N]
"""
import argparse
import pathlib
import sys
import tempfile

from bed import SLOWNESS, Bed, Case, once_more_with_patience, raise_open_files
from good import percentile, start_good
from names import NameServer
from program import STARVED, Monitor

# Other work may share the machine; what is measured on a quiet one is far below.
BOUND = 0.1 * SLOWNESS
BAD_INTERVAL, BAD_TIMEOUT = 2, 1


def dead_names(count, port):
    return [{"name": f"dead {i}", "url": f"http://dead{i}.test/", "resolver": f"127.0.0.1:{port}",
             "interval_sec": BAD_INTERVAL, "timeout": BAD_TIMEOUT} for i in range(count)]


def silent_servers(bed, count):
    cases = [Case("silent", str(i), lambda peer: peer.hold(), ()) for i in range(count)]
    return [{**bed.add(case), "interval_sec": BAD_INTERVAL, "timeout": BAD_TIMEOUT} for case in cases]


def measure(binary, good, bad, seconds):
    """The lateness of every check of the good services (µs), what was wrong, and how starved the program was of a
    processor."""
    with tempfile.TemporaryDirectory(prefix="lateness-") as folder:
        monitor = Monitor(binary, folder, [*good, *bad])
        monitor.start()
        try:
            names = [service["name"] for service in [*good, *bad]]

            def enough():
                counts = monitor.counts()
                return all(counts.get(name, 0) >= (seconds if name.startswith("good") else 2) for name in names)

            if not monitor.wait(enough, (seconds + 30) * SLOWNESS):
                raise SystemExit(f"not every service was checked; the log ends: {monitor.log.read_text()[-500:]}")
            starved = monitor.starved()
            if monitor.stop() != 0:
                raise SystemExit(f"the program failed: {monitor.log.read_text()[-2000:]}")
        finally:
            monitor.kill()
        wrong = []
        late = []
        for name, rows in monitor.rows().items():
            well_behaved = name.startswith("good")
            wrong += [f"{name} was {row['outcome']}: {row['reason']}" for row in rows
                      if (row["outcome"] == "up") != well_behaved]
            late += [row["lateness_us"] for row in rows if well_behaved]
        wrong += [f"a slot of {name} was skipped" for name, slots in monitor.skipped().items()
                  for _, stopping in slots if name.startswith("good") and not stopping]
    return late, wrong, starved


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("monitor", type=pathlib.Path)
    for option, default in {"seconds": 20, "services": 50, "silent": 100, "names": 1000}.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    arguments = parser.parse_args()
    raise_open_files()
    process, port = start_good()
    names = NameServer({"*": lambda *_: []})
    bed = Bed(None, {})
    good = [{"name": f"good {i}", "url": f"http://127.0.0.1:{port}/{i}", "interval_sec": 1, "timeout": 1}
            for i in range(arguments.services)]
    silent = silent_servers(bed, arguments.silent)
    names.start()
    bed.start()
    failed, most_starved = False, 0.0
    for label, bad in {
        "alone": [],
        f"with {arguments.silent} servers and a name that never answer": [*silent, *dead_names(1, names.port)],
        f"with {arguments.names} names that never answer": dead_names(arguments.names, names.port),
    }.items():
        late, wrong, starved = measure(arguments.monitor, good, bad, arguments.seconds)
        most_starved = max(most_starved, starved)
        p99 = percentile(late, 0.99) / 1e6
        failed = failed or bool(wrong) or p99 > BOUND
        print(f"lateness of {arguments.services} good services {label}: median {percentile(late, 0.5) / 1e3:.2f} ms, "
              f"p99 {p99 * 1e3:.2f} ms, most {max(late) / 1e3:.2f} ms, {len(late)} checks", *wrong[:5], sep="\n  ",
              flush=True)
    bed.stop()
    names.stop()
    process.terminate()
    if failed and most_starved > STARVED:
        once_more_with_patience()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
