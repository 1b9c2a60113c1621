"""What every run shares: its servers and folders, one load carried for a while, and what that came to."""
import contextlib
import dataclasses
import pathlib
import shutil
import tempfile
import time

from .monitor import LATE_MS, Monitor, books_of
from .postgres import Postgres
from .processes import Trouble

# A load counts as carried when the export is not further behind than this.
_MOST_BEHIND_SECONDS = 3


@dataclasses.dataclass
class Findings:
    figures: dict = dataclasses.field(default_factory=dict)
    remarks: list = dataclasses.field(default_factory=list)
    missing: dict = dataclasses.field(default_factory=dict)
    """Figures that could not be had, each with the reason."""


class Bench:
    """What every run needs: the binary, the target, and a folder that goes when the run has ended."""

    def __init__(self, binary, target, say, logs):
        self.binary = binary
        self.target = target
        self.say = say
        self.logs = logs
        """The folder where the logs of a run that failed are kept."""
        self.profiler = None
        """Called with the monitor's pid and the seconds of the window, when it begins."""

    @contextlib.contextmanager
    def folder(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="monitor-bench-"))
        folder.chmod(0o711)  # PostgreSQL's user passes through
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def postgres(self, folder):
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()

    @contextlib.contextmanager
    def monitor(self, folder, load, uri, name="monitor"):
        own = folder / name
        own.mkdir(exist_ok=True)
        monitor = Monitor(self.binary, own, load, self.target, uri)
        try:
            yield monitor
            monitor.stop()
        except Trouble as trouble:
            self.logs.mkdir(parents=True, exist_ok=True)
            kept = shutil.copy(own / "monitor.log", self.logs / f"{load.services}-services.log")
            raise Trouble(f"{trouble} (the whole log: {kept})") from None
        finally:
            monitor.kill()

    def watch(self, monitor, seconds):
        """What is measured begins now."""
        if self.profiler:
            self.profiler(monitor.pid, seconds)

    def polled(self, folder, load, postgres, warm, seconds, name="monitor"):
        """One load, carried for a while with export: its window and its books."""
        session = postgres.session()
        with self.monitor(folder, load, postgres.uri, name) as monitor:
            monitor.wait_for_checks()
            time.sleep(warm)
            self.watch(monitor, seconds)
            window = monitor.measure(seconds, {"nginx": self.target, "PostgreSQL": postgres})
            books = books_of(window, monitor, session)
        session.close()
        shutil.rmtree(folder / name)
        return window, books


def cost(window, books):
    """CPU microseconds (user and system) of the process per check."""
    if books.checks == 0:
        raise Trouble("no check was stored in the window")
    return window.usage.total / books.checks * 1e6


def flaw(load, books):
    """Why what was measured is not the work that was meant, on time or not; empty when it is."""
    if books.not_up:
        return f"{books.not_up} of {books.checks} checks were not up"
    if books.behind > _MOST_BEHIND_SECONDS * load.rate:
        return f"{books.behind} results wait for export"
    if load.reuse and books.reused < 0.99 * books.checks - came_together(load, books):
        return f"only {books.reused} of {books.checks} connections were reused"
    return ""


def refusal(load, books):
    """Why a load does not count as carried; empty when it does."""
    why = flaw(load, books)
    if why:
        return why
    if books.skipped:
        return f"{books.skipped} slots were skipped"
    if books.p99_lateness_ms > LATE_MS:
        return f"p99 lateness is {books.p99_lateness_ms:.0f} ms"
    return ""


def require_carried(load, books):
    why = refusal(load, books)
    if why:
        raise Trouble(f"{load.services} services at {load.interval} s are not carried: {why}")


def came_together(load, books):
    """Checks of the turn that came latest. All that was due meanwhile begins at once, each over a connection of its own:
    new ones, if never before so many were needed."""
    return load.rate * books.most_lateness_ms / 1000


def remark(found, load, window, books):
    due = load.rate * (window.end - window.begin)
    others = ", ".join(f"{name} {usage.total / books.checks * 1e6:.1f}" for name, usage in window.others.items())
    found.remarks.append(
        f"{books.checks} checks in {window.end - window.begin:.0f} s ({(books.checks + books.skipped) / due:.1%} of the "
        f"slots due), {books.skipped} skipped, {books.not_up} not up; lateness p50 {books.p50_lateness_ms:.1f} ms, "
        f"p99 {books.p99_lateness_ms:.1f} ms, at most {books.most_lateness_ms:.1f} ms; user "
        f"{window.usage.user / books.checks * 1e6:.1f} and system {window.usage.system / books.checks * 1e6:.1f} µs; "
        f"{others} µs a check; {cores_used(window)}; {books.behind} results behind at the end")


def cores_used(window):
    seconds = window.end - window.begin
    return f"{window.usage.total / seconds:.2f} cores of its own, all cores {1 - window.idle:.0%} busy"


def not_installed(programs):
    return f"{', '.join(programs)} is not installed: tools/install-packages bench"
