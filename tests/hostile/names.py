"""A name server that misbehaves as the first label of the name says, by UDP and TCP."""
import heapq
import itertools
import socket
import struct
import threading
import time

A, CNAME, AAAA = 1, 5, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Question:
    """One query. `qname` is in wire form, `name` is text."""

    def __init__(self, packet, server):
        self.id, self.server = packet[:2], server
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]])
            at += 1 + packet[at]
        self.qname = packet[12 : at + 1]
        self.kind = struct.unpack(">H", packet[at + 1 : at + 3])[0]
        self.section = packet[12 : at + 5]
        self.name = b".".join(labels).decode("latin-1").lower()

    def answer(self, *records, code=NOERROR, cut=False, identity=None):
        flags = 0x8180 | code | (0x0200 if cut else 0)
        head = (identity or self.id) + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        return head + self.section + b"".join(records)

    def addresses(self, *addresses, ttl=60):
        """Those of the family that is asked for."""
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(self.kind)
        wanted = [text for text in addresses if (":" in text) == (family == socket.AF_INET6)]
        return self.answer(*(record(b"\xc0\x0c", self.kind, socket.inet_pton(family, text), ttl) for text in wanted))


def record(owner, kind, data, ttl=60):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class NameServer:
    """Behaviours are functions: (question, over_tcp) -> what is sent, as a list of (seconds to wait, packet)."""

    def __init__(self, behaviours, tcp=True):
        self.tcp = socket.socket()
        self.tcp.bind(("127.0.0.1", 0))
        if tcp:  # else the port is taken, but connections to it are refused
            self.tcp.listen(64)
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.behaviours = behaviours
        self.counted = {}
        self.later, self.changed, self.order = [], threading.Condition(), itertools.count()
        self.stopping = False

    def start(self):
        for work in (self.serve_udp, self.serve_tcp, self.send_later):
            threading.Thread(target=work, daemon=True).start()

    def stop(self):
        self.stopping = True
        with self.changed:
            self.changed.notify_all()
        self.udp.close()
        self.tcp.close()

    def count(self, name):
        self.counted[name] = self.counted.get(name, 0) + 1
        return self.counted[name]

    def behave(self, question, over_tcp):
        behaviour = self.behaviours.get(question.name.split(".")[0]) or self.behaviours.get("*")
        return behaviour(question, over_tcp) if behaviour else [(0, question.answer(code=NXDOMAIN))]

    def serve_udp(self):
        while not self.stopping:
            try:
                packet, client = self.udp.recvfrom(4096)
            except OSError:
                return
            for pause, answer in self.behave(Question(packet, self), False):
                if pause == 0:
                    self.udp.sendto(answer, client)
                    continue
                with self.changed:
                    heapq.heappush(self.later, (time.monotonic() + pause, next(self.order), answer, client))
                    self.changed.notify()

    def send_later(self):
        with self.changed:
            while not self.stopping:
                if self.later and self.later[0][0] <= time.monotonic():
                    _, _, answer, client = heapq.heappop(self.later)
                    self.udp.sendto(answer, client)
                else:
                    self.changed.wait(self.later[0][0] - time.monotonic() if self.later else None)

    def serve_tcp(self):
        while not self.stopping:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_one, args=(sock,), daemon=True).start()

    def serve_one(self, sock):
        with sock:
            sock.settimeout(20)
            try:
                while size := sock.recv(2, socket.MSG_WAITALL):
                    question = Question(sock.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL), self)
                    for pause, answer in self.behave(question, True):
                        time.sleep(pause)
                        sock.sendall(struct.pack(">H", len(answer)) + answer)
            except (OSError, struct.error):
                pass
