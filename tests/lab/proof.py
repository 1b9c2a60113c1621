"""One proof: what a command is given, what it leaves as one line of JSON, and what becomes of its folder."""
import contextlib
import hashlib
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from harness import machine
from harness.processes import Trouble

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / "docs" / "reliability.jsonl"
_HOST_FACTS = ("processor", "memory", "kernel", "system", "working folder", "SQLite", "libpq", "PostgreSQL", "OpenSSL",
               "compiler")


class Broken(Exception):
    """The promise is broken: a short story for who looks for the reason."""


class Lab:
    """What every command is given."""

    def __init__(self, binary, seed, long, count, folder):
        self.binary = binary
        self.seed = seed
        self.random = random.Random(seed)
        self.long = long
        self.count = count
        """How many of what the command counts: kills, faults; of those that count by themselves, None."""
        self.folder = folder
        self.slowness = float(os.environ.get("MONITOR_SLOWNESS", "1"))
        """How many times slower the program may be, as under a sanitizer."""
        self.remarks = []

    @staticmethod
    def say(text):
        print(f"prove: {text}", file=sys.stderr, flush=True)

    def room(self, name):
        """A folder of its own for one world."""
        room = self.folder / name
        room.mkdir()
        room.chmod(0o711)  # PostgreSQL's user passes through
        return room


def in_parallel(works):
    """Each of `works`, a function without arguments, in a process of its own; gives what they give, in their order."""
    context = multiprocessing.get_context("fork")
    running = []
    for work in works:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_work, args=(work, theirs))
        child.start()
        theirs.close()
        running.append((child, ours))
    results, failures = [], []
    for child, pipe in running:
        try:
            kind, value = pipe.recv()
        except EOFError:
            kind, value = "trouble", f"a world ended without a word, status {child.exitcode}"
        child.join()
        (results if kind == "done" else failures).append((kind, value))
    if failures:
        story = "\n".join(value for _, value in failures)
        raise Broken(story) if all(kind == "broken" for kind, _ in failures) else Trouble(story)
    return [value for _, value in results]


def _work(work, pipe):
    try:
        pipe.send(("done", work()))
    except Broken as broken:
        pipe.send(("broken", str(broken)))
    except Trouble as trouble:
        pipe.send(("trouble", str(trouble)))
    except Exception:  # the lab's own fault: told whole
        pipe.send(("trouble", traceback.format_exc()))


def run(command, binary, seed, long, count, say=Lab.say):
    """The line that is left; its verdict says how it went."""
    begin = time.time()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="monitor-prove-"))
    folder.chmod(0o711)
    lab = Lab(binary, seed, long, count or (command.LONG if long else command.SHORT), folder)
    line = {"name": command.NAME, "form": "long" if long else "short", **_origin(binary), "seed": seed,
            "date": time.strftime("%Y-%m-%d", time.gmtime()), "counts": {}, "unexplained": [], "verdict": "passed"}
    try:
        line["counts"] = command.run(lab)
    except (Broken, Trouble) as failure:
        line["verdict"] = "failed"
        line["unexplained"] = str(failure).splitlines()
        say(f"{command.NAME}, seed {seed}: {failure}")
        say(f"the folder is kept: {folder}")
    line["seconds"] = round(time.time() - begin, 1)
    line["host"] = {name: value for name, value in machine.facts(binary).items() if name in _HOST_FACTS}
    if line["verdict"] == "passed":
        shutil.rmtree(folder, ignore_errors=True)
    return line


def _origin(binary):
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout.strip()

    changed = [name for name in git("status", "--porcelain", "--untracked-files=no").splitlines()
               if not name.endswith(("reliability.jsonl", "reliability.md"))]
    return {"commit": git("rev-parse", "--short=12", "HEAD") or "unknown", "dirty": bool(changed),
            "binary": hashlib.sha256(binary.read_bytes()).hexdigest()[:16]}


def keep(line):
    """In place of an earlier line of the same command and form."""
    others = [other for other in kept() if (other["name"], other["form"]) != (line["name"], line["form"])]
    lines = sorted([*others, line], key=lambda entry: (entry["name"], entry["form"]))
    KEPT.write_text("".join(json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n" for entry in lines))


def kept():
    return [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []


@contextlib.contextmanager
def ended(*things):
    """Stops each of them, whatever happens; those of a failure of ours, too."""
    try:
        yield
    finally:
        for thing in things:
            with contextlib.suppress(Exception):
                thing.stop() if not hasattr(thing, "kill") else thing.kill()


def die_with(how=signal.SIGTERM):
    """So that what was started is ended, too."""
    signal.signal(how, lambda *_: sys.exit(128 + how))
