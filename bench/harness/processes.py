"""Child processes that end with us, and what they have cost so far."""
import ctypes
import dataclasses
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Trouble(Exception):
    """A sentence for the person who runs the benchmark."""


@dataclasses.dataclass(frozen=True)
class Usage:
    """CPU seconds of a process and all that it started."""

    user: float
    system: float

    @property
    def total(self):
        return self.user + self.system

    def __sub__(self, earlier):
        return Usage(self.user - earlier.user, self.system - earlier.system)


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes. `resident` counts pages shared with other processes too, `proportional` their share of them."""

    resident: int
    proportional: int
    peak: int


class Process:
    """A running program, its output in `log`. The kernel ends it when we end, however that comes."""

    def __init__(self, command, log, user=None, death=signal.SIGTERM, environment=None):
        self.name = pathlib.Path(command[0]).name
        self.log = log
        account = {"user": user, "group": user, "extra_groups": []} if user else {}
        with open(log, "ab") as out:
            self._child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                env=None if environment is None else {**os.environ, **environment},
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, death),
                **account,
            )
        self.pid = self._child.pid

    def running(self):
        return self._child.poll() is None

    def usage(self):
        user = system = 0
        for pid in _family(self.pid):
            fields = _stat(pid)
            if fields is None:
                continue
            # utime, stime, and those of children that have ended: fields 14 to 17 of proc(5), counted here from 3.
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
        return Usage(user / _TICKS, system / _TICKS)

    def memory(self):
        resident = peak = proportional = 0
        for pid in _family(self.pid):
            status = _numbers(f"/proc/{pid}/status")
            resident += status.get("VmRSS", 0)
            peak += status.get("VmHWM", 0)
            proportional += _numbers(f"/proc/{pid}/smaps_rollup").get("Pss", 0)
        return Memory(resident, proportional, peak)

    def wait(self, seconds):
        """Its exit status, or None while it runs."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, how=signal.SIGTERM, seconds=20):
        """Its exit status; None if it had to be killed."""
        if self.running():
            self._child.send_signal(how)
        status = self.wait(seconds)
        if status is None:
            self._child.kill()
            self._child.wait()
        return status

    def said(self):
        """The first and the last line of its log."""
        try:
            lines = pathlib.Path(self.log).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return " … ".join([lines[0], lines[-1]] if len(lines) > 1 else lines)


def wait_until(condition, seconds, otherwise, pause=0.05):
    """What `condition()` gives as soon as that is true; Trouble with `otherwise()` when it is not in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Trouble(otherwise())
        time.sleep(pause)


def free_port():
    """A TCP port that nobody listens on, below those that the kernel gives to clients."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise Trouble("no free TCP port was found between 20000 and 32000")


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _family(pid):
    """`pid` and all its descendants that still run."""
    found = [pid]
    for parent in found:
        for task in _listed(f"/proc/{parent}/task"):
            try:
                with open(f"/proc/{parent}/task/{task}/children") as children:
                    found.extend(int(child) for child in children.read().split())
            except OSError:
                continue
    return found


def _listed(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return None


def _numbers(file):
    """The lines `Name:   123 kB` of a file of /proc, in bytes."""
    found = {}
    try:
        with open(file) as lines:
            for line in lines:
                words = line.split()
                if len(words) == 3 and words[2] == "kB":
                    found[words[0].rstrip(":")] = int(words[1]) * 1024
    except OSError:
        pass
    return found
