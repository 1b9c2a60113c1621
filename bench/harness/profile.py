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
            [perf, "record", "-q", "-F", str(_HERTZ), "-p", str(pid), "-o", str(data), "--", "sleep",
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
    if not recordings:
        raise Trouble(f"{scenario.name} has no window to profile; take idle, fresh, reused, tls, sustained-* or scale")
    for _, data, pid in recordings:
        _tell(perf, data, pid)
    return 0


def _tell(perf, data, pid):
    done = subprocess.run([perf, "script", "-i", str(data), "-F", "tid,period,ip,sym,dso"], capture_output=True,
                          text=True, check=False)
    kinds, symbols, threads = collections.Counter(), collections.Counter(), collections.Counter()
    for line in done.stdout.splitlines():
        # `  1234   1001001   ffffffff81000000 symbol+0x1 (library)`
        match = re.match(r"\s*(\d+)\s+(\d+):?\s+[0-9a-f]+\s+(.*) \(([^)]*)\)$", line)
        if not match:
            continue
        thread, weight, symbol, library = match.groups()
        library = library.rsplit("/", 1)[-1]
        weight = int(weight)
        kinds[_kind(library, symbol)] += weight
        symbols[f"{library} {symbol[:110]}"] += weight
        threads["io thread" if int(thread) == pid else "other threads"] += weight
    whole = sum(kinds.values()) or 1
    print(f"\n{data.name}: {whole / 1e9:.2f} s of CPU sampled")
    for title, counter, most in (("by thread", threads, 4), ("by kind", kinds, 20), ("by function", symbols, 40)):
        print(f"  {title}")
        for name, weight in counter.most_common(most):
            print(f"    {weight / whole:6.1%}  {name}")


def _kind(library, symbol):
    text = f"{library} {symbol}"
    for kind, pattern in _RULES:
        if re.search(pattern, text):
            return kind
    return "other"
