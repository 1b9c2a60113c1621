"""Servers that misbehave: one listening socket a case on loopback, one thread a connection."""
import dataclasses
import os
import re
import resource
import select
import selectors
import socket
import ssl
import struct
import sys
import threading
import time
from typing import Callable, Optional

HOLD_SECONDS = 60
# A program under a sanitizer is several times slower, and so is what may be asked of it.
SLOWNESS = float(os.environ.get("MONITOR_SLOWNESS", "1"))
SLOWEST = 16


def once_more_with_patience():
    """Replaces this process by one that allows four times as much; returns if that has been tried."""
    if SLOWNESS >= SLOWEST:
        return
    print("the machine kept the program from running: once more, with more patience", flush=True)
    os.execve(sys.executable, [sys.executable, "-B", *sys.argv], {**os.environ, "MONITOR_SLOWNESS": str(4 * SLOWNESS)})


def raise_open_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Peer:
    """One accepted connection, with the ways to misbehave on it."""

    def __init__(self, sock, bed, case, number, port, ports):
        self.sock, self.bed, self.case = sock, bed, case
        self.number = number  # of the connection, from 1, counted for its listener
        self.port, self.ports = port, ports
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(HOLD_SECONDS)

    def tls(self, context):
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def request(self):
        """The whole request, body included; what came of it if the client went away."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        missing = int(length[1]) - len(body) if length else 0
        while missing > 0:
            piece = self.sock.recv(65536)
            if not piece:
                break
            data += piece
            missing -= len(piece)
        return data

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, data):
        self.request()
        self.send(data)

    def drip(self, data, pause):
        for i in range(len(data)):
            self.send(data[i : i + 1])
            time.sleep(pause)

    def endless(self, block):
        block *= max(1, 65536 // len(block))
        while True:
            self.send(block)

    def end(self):
        """FIN, and no more."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def hold(self):
        """Says nothing more until the client has gone."""
        while self.sock.recv(65536):
            pass

    def gone(self):
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        return bool(poll.poll(0))

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


@dataclasses.dataclass
class Case:
    """What a server does, and what a check of it must come to."""

    number: str  # in faults: H1 to H104, T1 to T34, D1 to D18
    name: str
    serve: Optional[Callable[[Peer], None]]
    expect: tuple  # outcomes, any of which is right
    status: Optional[int] = None
    slow: bool = False  # it uses its timeout up, so that is a short one
    service: dict = dataclasses.field(default_factory=dict)  # @port@, @ca@ … are filled in
    url: str = "http://127.0.0.1:@port@/"
    address: str = "127.0.0.1"
    others: dict = dataclasses.field(default_factory=dict)  # more listeners: name: (address, serve)
    shares_port: bool = False  # the others listen on the case's own port, at other addresses
    full: bool = False  # listens with a full backlog and never accepts
    buffer: Optional[int] = None  # SO_RCVBUF
    refused: Optional[str] = None  # the configuration is refused with words that match this
    verify: Optional[Callable] = None  # (rows) -> what is wrong with them, or None

    @property
    def id(self):
        return f"{self.number} {self.name}"


def fill_in(value, places):
    if isinstance(value, dict):
        return {key: fill_in(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_in(item, places) for item in value]
    if isinstance(value, str):
        return re.sub(r"@(\w+)@", lambda found: str(places[found[1]]), value)
    return value


class FullBacklog:
    """A port whose SYNs go unanswered, as those of a host behind a firewall that drops them."""

    def __init__(self, address, port=0):
        self.sock = socket.socket()
        self.sock.bind((address, port))
        self.sock.listen(0)
        self.fillers = []
        for _ in range(2):  # a backlog of 0 holds one connection; the next SYN is dropped
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.sock.getsockname())
            self.fillers.append(filler)

    def close(self):
        for sock in (*self.fillers, self.sock):
            sock.close()


class Bed:
    """All listeners. `places` says what @name@ stands for in a case's service."""

    def __init__(self, pki, places):
        self.pki, self.places = pki, places
        self.selector = selectors.DefaultSelector()
        self.full = []
        self.port_owner = {}  # port: case
        self.accepted = {}
        self.stopping = False
        self.thread = threading.Thread(target=self.accept_all, daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        self.stopping = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        for full in self.full:
            full.close()

    def add(self, case):
        """Returns the service that checks it."""
        if case.full:
            self.full.append(FullBacklog(case.address))
            port, ports = self.full[-1].sock.getsockname()[1], {}
        elif case.serve is None:
            port, ports = 0, {}
        else:
            ports = {}
            port = self.listen(case, case.address, 0, case.serve, ports)
            for name, (address, serve) in case.others.items():
                wanted = port if case.shares_port else 0
                if serve is None:
                    self.full.append(FullBacklog(address, wanted))
                else:
                    ports[name] = self.listen(case, address, wanted, serve, ports)
        places = {**self.places, "port": port, **ports}
        return {"name": case.id, "url": fill_in(case.url, places), **fill_in(case.service, places)}

    def listen(self, case, address, port, serve, ports):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if case.buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, case.buffer)
        sock.bind((address, port))
        sock.listen(64)
        sock.setblocking(False)
        port = sock.getsockname()[1]
        self.port_owner[port] = case
        self.selector.register(sock, selectors.EVENT_READ, (case, serve, port, ports))
        return port

    def accept_all(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.2):
                case, serve, port, ports = key.data
                try:
                    sock, _ = key.fileobj.accept()
                except OSError:
                    continue
                number = self.accepted[key.fd] = self.accepted.get(key.fd, 0) + 1
                peer = Peer(sock, self, case, number, port, ports)
                threading.Thread(target=self.serve, args=(serve, peer), daemon=True).start()

    @staticmethod
    def serve(serve, peer):
        try:
            serve(peer)
        except (OSError, ssl.SSLError):
            pass  # the client went away, as it may
        finally:
            peer.close()
