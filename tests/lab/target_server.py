"""The target, a process of its own outside the pipeline: numbers every request of each service, and gives the number
back in a form that the monitor stores, as status and length of the body. Told what to do by lines of JSON on its
standard input; answers each with one on its standard output."""
import array
import asyncio
import json
import resource
import socket
import struct
import sys
import time

# 251 lengths and 98 statuses have no common divisor, so the two together tell 24 598 numbers apart. 204 and 205 have no
# body.
LENGTHS = 251
STATUSES = [status for status in range(200, 300) if status not in (204, 205)]
BODY = b"x" * LENGTHS


# A header of the answers that are to take much room as evidence.
_FILLER = b"X-Parity: %s\r\nX-Filler: " + b"filler " * 1000 + b"\r\n"


def answer_to(number, wordy=False):
    """`wordy`: with a header that says odd or even, and much more."""
    status, length = STATUSES[number % len(STATUSES)], number % LENGTHS
    more = _FILLER % (b"odd" if number % 2 else b"even") if wordy else b""
    return b"HTTP/1.1 %d OK\r\n%bContent-Length: %d\r\n\r\n%b" % (status, more, length, BODY[:length])


class Book:
    """Every request so far: service, number and moment (µs), one after the other."""

    def __init__(self):
        self.entries = array.array("q")
        self.numbers = {}
        self.answered = 0
        self.default = {"how": "answer"}
        self.how = {}

    def enter(self, service):
        number = self.numbers.get(service, 0) + 1
        self.numbers[service] = number
        self.entries.extend((service, number, time.time_ns() // 1000))
        return number

    def behaviour(self, service):
        return self.how.get(service, self.default)


class Connection(asyncio.Protocol):
    def __init__(self, book):
        self._book = book
        self._received = b""
        self._transport = None

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4:]
            self._request(head)

    def _request(self, head):
        service = int(head.split(b" ", 2)[1].rpartition(b"/")[2])
        number = self._book.enter(service)
        behaviour = self._book.behaviour(service)
        if behaviour["how"] in ("answer", "wordy"):
            self._answer(number, behaviour["how"] == "wordy")
        elif behaviour["how"] == "slow":
            asyncio.get_running_loop().call_later(behaviour["seconds"], self._answer, number)
        elif behaviour["how"] == "reset":
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                                struct.pack("ii", 1, 0))
            self._transport.abort()
        # "hang": nothing is ever answered

    def _answer(self, number, wordy=False):
        if not self._transport.is_closing():
            self._book.answered += 1
            self._transport.write(answer_to(number, wordy))


class Door:
    """The listening socket, or in its place one whose queue is full, so that packets to it are dropped."""

    def __init__(self, book):
        self._book = book
        self._server = None
        self._wall = []
        self.port = 0

    async def open(self):
        for own in self._wall:
            own.close()
        self._wall = []
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._book), "0.0.0.0", self.port, backlog=16384, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self):
        self._server.close()
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(("0.0.0.0", self.port))
        own.listen(0)
        self._wall = [own]
        for _ in range(4):  # one is taken up by the queue; the others wait for ever
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self.port))
            self._wall.append(client)


async def obey(book, door, order):
    if order["do"] == "shut":
        door.shut()
    elif order["do"] == "open":
        await door.open()
    elif order["do"] == "requests":
        with open(order["file"], "wb") as file:
            book.entries.tofile(file)
    elif order["do"] == "counts":
        services = range(order["first"], order["first"] + order["services"])
        return {"counts": [book.numbers.get(service, 0) for service in services]}
    elif order["do"] == "behave":
        how = {key: order[key] for key in ("how", "seconds") if key in order}
        if order.get("services") is None:
            book.default, book.how = how, {}
        else:
            book.how.update({service: how for service in order["services"]})
    return {"requests": len(book.entries) // 3, "answered": book.answered}


async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    book = Book()
    door = Door(book)
    await door.open()
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print(json.dumps({"port": door.port}), flush=True)
    while line := await orders.readline():
        print(json.dumps(await obey(book, door, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
