"""docs/reliability.md: what the kept lines say, and nothing that somebody typed."""
import sys

from . import proof

PAGE = proof.ROOT / "docs" / "reliability.md"

_BEFORE = """\
# Reliability

Written by `tests/prove page` from the lines in [reliability.jsonl](reliability.jsonl); a test fails when the two do
not agree. Each line is the last run of one command that was kept: `tests/prove NAME --long --keep`, with the seed that
stands here, does it again. The release binary runs against a PostgreSQL of its own and a target that numbers every
request, so the truth is known from outside. `make prove` runs the short form of each.

What each run is judged by: every result is of one request that the target saw, and no request has two; what was
committed is in PostgreSQL, in the local database, or told of in `gaps` or `quarantine`; no number is there twice; a
request without a result is explained by a kill right after it or by a slot that is recorded as skipped; within one life
of the process, from its start to its end, every slot of every configured service ran or is recorded as skipped; and after
the faults every service is polled again, and new results arrive in PostgreSQL.
"""

_AFTER = """\

## What this does not show

- **Power cuts.** `kill -9` leaves the kernel running, so everything that was written arrives on the disk, synced or
  not: it says nothing about `fsync`. That commits are synced is seen from the system calls alone.
- **Failing disks.** Errors are injected into system calls; a disk that lies, answers late or returns other data than
  was written is not tried.
- **Lost packets** are not imitated at all. Connections are cut, held and delayed by a proxy; the kernel acknowledges in
  its place, so there is no data that is never acknowledged.
- **A machine that sleeps** is imitated by SIGSTOP and a step of the wall clock only: CLOCK_BOOTTIME does not move away
  from CLOCK_MONOTONIC, and no line is down on waking.
- **Want of memory** is imitated by RLIMIT_AS only: allocations fail. Nothing is reclaimed, swapped or slowed down, and
  neither a cgroup's limit nor the kernel's OOM killer takes part.
- **Other machines.** One kernel, one file system, one processor and one PostgreSQL version: those of the table.
- **Rare faults.** No failure in N runs means a rate below 3/N, with 95 % confidence; not that there is none.
"""


def text():
    lines = proof.kept()
    parts = [_BEFORE]
    if not lines:
        parts.append("\nNothing has been kept yet.\n")
    else:
        parts += [_table(lines), *(_section(line) for line in lines), _hosts(lines)]
    return "".join(parts) + _AFTER


def write():
    PAGE.write_text(text())
    return 0


def check():
    if PAGE.exists() and PAGE.read_text() == text():
        return 0
    print("docs/reliability.md does not say what docs/reliability.jsonl does: tests/prove page", file=sys.stderr)
    return 1


def _table(lines):
    rows = ["", "| command | form | verdict | seed | took | on | commit |", "|---|---|---|---:|---:|---|---|"]
    for line in lines:
        changed = " and changes" if line["dirty"] else ""
        rows.append(f"| `{line['name']}` | {line['form']} | {line['verdict']} | {line['seed']} | {_duration(line['seconds'])}"
                    f" | {line['date']} | {line['commit']}{changed} |")
    return "\n".join(rows) + "\n"


def _section(line):
    rows = ["", f"## {line['name']}, {line['form']} form", "", "| | |", "|---|---:|"]
    rows += [f"| {name.replace('_', ' ')} | {_value(value)} |" for name, value in line["counts"].items()]
    if line["unexplained"]:
        rows += ["", "Unexplained:", "", *(f"- {sentence}" for sentence in line["unexplained"])]
    return "\n".join(rows) + "\n"


def _hosts(lines):
    """Each machine once, with the commands that ran there."""
    hosts = []
    for line in lines:
        for host, names in hosts:
            if host == line["host"]:
                names.append(line)
                break
        else:
            hosts.append((line["host"], [line]))
    parts = []
    for host, ran in hosts:
        names = ", ".join(f"`{line['name']}` ({line['form']})" for line in ran)
        rows = ["", "## Where", "", f"{names}:", "", "| | |", "|---|---|"]
        rows += [f"| {name} | {value} |" for name, value in host.items()]
        parts.append("\n".join(rows) + "\n")
    return "".join(parts)


def _duration(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _value(value):
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)
