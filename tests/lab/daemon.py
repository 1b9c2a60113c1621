"""The program under test: its configuration, and its process from a start to whatever ends it."""
import dataclasses
import os
import pathlib
import signal
import socket
import threading
import time

from harness.processes import Process, Trouble, wait_until


@dataclasses.dataclass
class Config:
    """So many services of the target, each polled every `interval` seconds."""

    target: object
    services: int
    uri: str = ""
    interval: int = 1
    keys: dict = dataclasses.field(default_factory=dict)  # other keys of the file, as YAML's flow style has them
    service_keys: str = ""  # of every service, as `timeout: 2`
    first: int = 0  # the first service's number
    place: object = None  # a folder for the local database other than the monitor's

    def write(self, folder):
        lines = [f"local_database_path: {self.place or folder}/local.sqlite3", "interval_limits: {min: 1, max: 86400}"]
        if self.uri:
            lines.append(f"external_database_uri: \"{self.uri}\"")
        lines += [f"{key}: {value}" for key, value in self.keys.items()]
        lines.append("services:")
        more = f", {self.service_keys}" if self.service_keys else ""
        lines += [f"  - {{name: {name_of(number)}, url: \"{self.target.url(number)}\", interval_sec: {self.interval}{more}}}"
                  for number in range(self.first, self.first + self.services)]
        path = pathlib.Path(folder) / "monitoring-config"
        fresh = path.with_name("monitoring-config.fresh")
        fresh.touch(mode=0o600)
        fresh.write_text("\n".join(lines) + "\n")
        fresh.rename(path)
        return path


def name_of(service):
    return f"s-{service}"


def service_in(name):
    return int(name.rpartition("-")[2])


class Daemon:
    """One at a time may run in a folder; its log grows from one start to the next."""

    def __init__(self, binary, folder, config):
        self.binary = pathlib.Path(binary)
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o700)
        self.database = pathlib.Path(config.place or self.folder) / "local.sqlite3"
        self.log = self.folder / "log"
        self.config = config
        self.path = config.write(self.folder)
        self.process = None
        self.status = ""
        """What it said of itself last, as `systemctl status` would show it."""
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(self.folder / "notify"))
        self._ready = threading.Event()
        # Read at once, as systemd does: the kernel keeps few, and whoever sends more waits.
        threading.Thread(target=self._listen, daemon=True).start()

    def command(self, *words):
        return [self.binary, *words, "--config-path", self.path]

    def start(self, wrap=(), environment=None, verbosity="-vvvv"):
        """`wrap`: the words of a command that runs it, as strace or prlimit."""
        self._ready.clear()
        self.began = time.monotonic()
        self.process = Process(
            [*wrap, *self.command("start", verbosity, "--yes", "-ns")], self.log, death=signal.SIGKILL,
            environment={"HOME": str(self.folder), "TZ": "UTC", "NOTIFY_SOCKET": str(self.folder / "notify"),
                         **(environment or {})})

    def ready(self, seconds=30):
        """How many seconds it took until the workers ran."""
        if not self.wait_ready(self.began + seconds):
            raise Trouble(f"the monitor was not ready within {seconds} s: {self.said()}")
        return self.ready_after

    def wait_ready(self, until):
        """Whether it is ready before the moment `until` of the monotonic clock."""
        while not self._ready.wait(max(0, min(0.2, until - time.monotonic()))):
            if time.monotonic() >= until or not self.process.running():
                break
        return self._ready.is_set()

    def was_ready(self):
        """Whether it has said so since its last start."""
        return self._ready.is_set()

    def run(self, *words, seconds=60, environment=None):
        """A command of its command line to its end: exit status, and what it wrote to both outputs."""
        log = self.folder / "command.log"
        log.unlink(missing_ok=True)
        child = Process(self.command(*words), log, death=signal.SIGKILL,
                        environment={"HOME": str(self.folder), "TZ": "UTC", **(environment or {})})
        status = child.wait(seconds)
        if status is None:
            child.stop(signal.SIGKILL)
        return status, log.read_text(errors="replace")

    def running(self):
        return self.process is not None and self.process.running()

    def waited_for_a_processor(self):
        """Seconds in which the thread that waited longest could have run, and had no processor."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        return max(int((task / "schedstat").read_text().split()[1]) for task in tasks.iterdir()) / 1e9

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        if self.process is not None:
            self.process.stop(signal.SIGKILL)

    def stop(self, seconds=40):
        """Its exit status; None if it had to be killed."""
        return self.process.stop(signal.SIGTERM, seconds)

    def said(self, lines=4):
        """The end of its log, without what it says of the configuration."""
        return " | ".join([line for line in self.lines() if not line.startswith("monitor: warning:")][-lines:])

    def lines(self):
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def wait_for_line(self, text, seconds, since=0):
        """The number of the first line that holds `text`, from line `since` on."""
        def found():
            for number, line in enumerate(self.lines()[since:], since):
                if text in line:
                    return number + 1
            return None
        return wait_until(found, seconds, lambda: f"the log does not say {text!r} within {seconds} s: {self.said()}") - 1

    def _listen(self):
        while True:
            for line in self._notices.recv(65536).decode(errors="replace").splitlines():
                if line == "READY=1":
                    self.ready_after = time.monotonic() - self.began
                    self._ready.set()
                elif line.startswith("STATUS="):
                    self.status = line.removeprefix("STATUS=")
