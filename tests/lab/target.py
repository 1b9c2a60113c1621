"""The target's process as the lab sees it: told how to behave, asked what it was asked."""
import array
import collections
import json
import pathlib
import subprocess
import sys

from harness.processes import Trouble

from .target_server import LENGTHS, STATUSES

# Numbers that status and length tell apart; no service may be asked more often.
NUMBERS = LENGTHS * len(STATUSES)
_NUMBER_OF = {(STATUSES[number % len(STATUSES)], number % LENGTHS): number for number in range(NUMBERS)}

Request = collections.namedtuple("Request", "service number at")  # `at`: µs since 1970


class Target:
    def __init__(self, folder):
        self._file = pathlib.Path(folder) / "requests"
        self._child = subprocess.Popen(
            [sys.executable, "-B", str(pathlib.Path(__file__).with_name("target_server.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._port = self._read()["port"]
        self.host = ""
        """A name in place of the addresses; SERVICE in it is the service's number."""

    def url(self, service):
        return f"http://{self.host or address_of(service)}:{self._port}/s/{service}".replace("SERVICE", str(service))

    def behave(self, how, services=None, **more):
        """`how`: answer, wordy (7 KiB of headers), slow (seconds=…), hang or reset; for these services, or for all."""
        return self._tell({"do": "behave", "how": how, "services": services, **more})

    def shut(self):
        """A black hole: what is sent to it vanishes."""
        self._tell({"do": "shut"})

    def open(self):
        self._tell({"do": "open"})

    def count(self):
        return self._tell({"do": "count"})["requests"]

    def counts(self, first, services):
        """Of each of so many services."""
        return self._tell({"do": "counts", "first": first, "services": services})["counts"]

    def requests(self):
        """All of them so far, in their order."""
        self._tell({"do": "requests", "file": str(self._file)})
        entries = array.array("q", self._file.read_bytes())
        return [Request(*entries[place:place + 3]) for place in range(0, len(entries), 3)]

    def stop(self):
        self._child.stdin.close()
        self._child.wait(10)

    def _tell(self, order):
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        return self._read()

    def _read(self):
        line = self._child.stdout.readline()
        if not line:
            raise Trouble("the target has ended by itself")
        return json.loads(line)


def address_of(service):
    """A pair of address and port takes about 470 new connections a second, so there are many addresses."""
    return f"127.30.{service // 250 % 250}.{1 + service % 250}"


def number_in(status, length):
    """Which of its service's requests a row answers, by what is stored of the answer; None: the target gives no such."""
    return _NUMBER_OF.get((status, length))
