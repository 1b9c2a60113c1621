"""Where the CPU of one scenario goes, from perf's samples of the monitor alone."""
import collections
import re
import shutil
import signal
import subprocess

from .processes import Trouble
from .runs import KINDS
from .table import judge, show

_HERTZ = 999
# Where a process enters the kernel; the outermost one of a stack names the call.
_ENTRY = re.compile(r"^(?:__x64_sys_|__se_sys_|__do_sys_|do_epoll_|__sys_)(\w+)")
# The first rule whose pattern is found in `library symbol` says what a sample was spent on.
_RULES = (
    ("kernel", r"^\[(kernel|guest|unknown)|^\[.*\]\S* "),
    ("TLS", r"^lib(ssl|crypto)"),
    ("SQLite", r"^libsqlite3"),
    ("PostgreSQL client", r"^libpq"),
    ("name lookup", r"^libcares"),
    ("regular expressions", r"^libre2"),
    ("logging", r"spdlog|monitor::common::log"),
    ("allocation", r"\b(malloc|_int_malloc|_int_free|cfree|free|calloc|realloc|malloc_consolidate|operator new|"
                   r"operator delete|unlink_chunk|tcache\w*|sysmalloc|thread_info_base::(de)?allocate)\b"),
    ("text formatting", r"\bfmt::|vfprintf|to_chars|from_chars"),
    ("memory copying", r"mem(cpy|move|set|cmp|chr)"),
    ("locks and hand-over", r"pthread|lll_lock|futex|__libc_(recv|send|read|write)"),
    ("export", r"monitor::exporter"),
    ("local database", r"monitor::storage"),
    ("probe", r"monitor::(probe|net)|beast::"),
    ("schedule and agent", r"monitor::agent"),
    ("coroutines, timers, reactor", r"asio::|monitor::async|std::coroutine"),
)


def run(bench, scenario, folder):
    """Runs the scenario with perf beside it and prints the shares; perf's own file stays in `folder`."""
    perf = shutil.which("perf")
    if perf is None:
        raise Trouble("perf is not installed: tools/install-packages bench")
    folder.mkdir(parents=True, exist_ok=True)
    recordings = []

    def watch(pid, seconds):
        data = folder / f"{scenario.name}-{len(recordings)}.perf"
        recorder = subprocess.Popen(
            [perf, "record", "-q", "-g", "-F", str(_HERTZ), "-p", str(pid), "-o", str(data), "--", "sleep",
             str(max(1, seconds - 1))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        recordings.append((recorder, data, pid))

    bench.profiler = watch
    try:
        show([judge(scenario, KINDS[scenario.kind](bench, scenario))])
    finally:
        for recorder, _, _ in recordings:
            if recorder.poll() is None:
                recorder.send_signal(signal.SIGINT)
            recorder.wait()
    for _, data, pid in recordings:
        _tell(perf, data, pid)
    return 0


def _tell(perf, data, pid):
    kinds, calls, symbols, threads = (collections.Counter() for _ in range(4))
    for thread, weight, frames in _samples(perf, data):
        symbol, library = frames[0]
        kind = _kind(library, symbol)
        kinds[kind] += weight
        symbols[f"{library} {symbol[:110]}"] += weight
        threads["io thread" if thread == pid else "other threads"] += weight
        if kind == "kernel":
            calls[_call(frames)] += weight
    whole = sum(kinds.values()) or 1
    print(f"\n{data.name}: {whole / 1e9:.2f} s of CPU sampled")
    for title, counter, most in (("by thread", threads, 4), ("by kind", kinds, 20), ("in the kernel, by call", calls, 16),
                                 ("by function", symbols, 40)):
        print(f"  {title}")
        for name, weight in counter.most_common(most):
            print(f"    {weight / whole:6.1%}  {name}")


def _samples(perf, data):
    """Thread, nanoseconds, and the stack from the innermost function, each with its library."""
    lister = subprocess.Popen([perf, "script", "-i", str(data), "-F", "tid,period,ip,sym,dso"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    thread, weight, frames = 0, 0, []
    for line in lister.stdout:
        head = re.match(r"\s*(\d+)\s+(\d+):?\s*$", line)
        frame = re.match(r"\s+[0-9a-f]+ (.*) \(([^)]*)\)$", line)
        if head:
            thread, weight = int(head.group(1)), int(head.group(2))
        elif frame:
            frames.append((frame.group(1), frame.group(2).rsplit("/", 1)[-1]))
        elif not line.strip() and frames:
            yield thread, weight, frames
            frames = []
    lister.wait()


def _call(frames):
    for symbol, _ in reversed(frames):
        match = _ENTRY.match(symbol)
        if match:
            return match.group(1)
    return "interrupts, switches and faults"


def _kind(library, symbol):
    text = f"{library} {symbol}"
    for kind, pattern in _RULES:
        if re.search(pattern, text):
            return kind
    return "other"
