"""Name servers and lines that go, and come back."""
import os
import socket
import threading
import time

from hostile import names

from .cases import back_to, finished, held, lines_so_far, polls_on, require, says
from .target import address_of


class NameServer:
    """Knows s-N.lab.test; or is silent, or is not there at all, on the same port."""

    def __init__(self):
        self.silent = False
        self._socket = None
        self.port = 0
        self.back()

    def back(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", self.port))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()

    def gone(self):
        self._socket.close()

    def _serve(self, own):
        own.settimeout(0.05)
        while own.fileno() >= 0:
            try:
                packet, client = own.recvfrom(4096)
                question = names.Question(packet, self)
                if not self.silent:
                    service = int(question.name.split(".")[0].rpartition("-")[2])
                    own.sendto(question.addresses(address_of(service), ttl=0), client)
            except TimeoutError:
                continue
            except OSError:
                return


def resolver_gone(scene):
    """First it is silent, then its port is closed; each time every service is up again one interval after."""
    server = NameServer()
    world = scene.started(services=60, host="s-SERVICE.lab.test", keys={"dns_cache": "off"},
                          service_keys=f'timeout: 2, resolver: "127.0.0.1:{server.port}"')
    before = held(world)
    for fault in ("silent", "gone"):
        since = lines_so_far(world)
        if fault == "silent":
            server.silent = True
        else:
            server.gone()
        says(world, "is down", since)
        time.sleep(scene.seconds(3, 60))
        worst = held(world)
        require(worst[0] <= before[0] + 2, f"{worst[0]} threads instead of {before[0]} without a name server")
        if fault == "silent":
            server.silent = False
        else:
            server.back()
        _recovers(world, 2)
        back_to(world, before)
    counts = finished(world)
    server.gone()
    return counts


def black_holes(scene):
    """Every target at once: packets vanish, and then connections open and nothing is said."""
    world = scene.started(services=200, service_keys="timeout: 2")
    before = held(world)
    for fault in ("shut", "hang"):
        since = lines_so_far(world)
        if fault == "shut":
            world.target.shut()
        else:
            world.target.behave("hang")
        says(world, "is down", since)
        end = time.monotonic() + scene.seconds(5, 60)
        most = 0
        while time.monotonic() < end:
            threads, files = held(world)
            require(threads == before[0], f"{threads} threads instead of {before[0]} in a black hole")
            most = max(most, files)
            time.sleep(0.1)
        require(most <= before[1] + 2 * world.daemon.config.services + 64, f"{most} open files for 200 services")
        if fault == "shut":
            world.target.open()
        else:
            world.target.behave("answer")
        _recovers(world, 2)
        back_to(world, before)
    return finished(world)


def _recovers(world, timeout):
    """Each service is up in the first check that began after the fault; that is within an interval, and after what
    still ran when it ended has ended."""
    begin = time.time()
    limit = (world.daemon.config.interval + timeout) * world.lab.slowness + 0.5
    ends = time.monotonic() + limit + 5
    since = int(begin * 1_000_000)
    up = 0
    while time.monotonic() < ends:
        up = world.local("SELECT count(DISTINCT service) FROM monitoring_view v WHERE up = 1 AND request_timestamp >="
                         f" strftime('%Y-%m-%d %H:%M:%f', {since} / 1000000.0, 'unixepoch')") or 0
        if up >= world.daemon.config.services:
            break
        time.sleep(0.1)
    took = time.time() - begin
    require(up >= world.daemon.config.services, f"{up} services are up {took:.1f} s after the fault has ended")
    require(took <= limit, f"it took {took:.1f} s until all services were up again, more than an interval")


CASES = [resolver_gone, black_holes]
