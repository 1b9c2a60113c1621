"""A TCP proxy between the monitor and PostgreSQL, on a thread of its own, that holds, delays, cuts and swallows.

Its doors are the hosts of the URI; each leads to a port, or to none. It cannot imitate lost packets: the kernel
acknowledges what is sent to it.
"""
import asyncio
import socket
import struct
import threading

_CHUNK = 65536
# What PostgreSQL says when it has committed, and what libpq says to begin a COPY.
_COMMITTED = b"COMMIT\0"
_COPY_DATA = b"d"


class Proxy:
    def __init__(self, doors):
        self._leads_to = [None] * doors
        self.hold = False  # accepts, and lets nothing through
        self.delay = 0.0  # seconds, for every piece
        self.rate = 0  # bytes a second; 0: as fast as it goes
        self.cut_after_commit = 0  # so many answers to COMMIT are lost, with their connection
        self.cut_in_copy = 0  # so many times the connection ends in the midst of a COPY
        self.half_close = False  # what the monitor sends still arrives, no answer comes back
        self.cuts = 0
        """How many connections the two above have ended."""
        self._links = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers = [self._do(self._listen(door, 0)) for door in range(doors)]
        self.ports = [server.sockets[0].getsockname()[1] for server in self._servers]

    def lead(self, door, port):
        """None: the door is shut, and who comes is refused."""
        self._leads_to[door] = port
        if port is None:
            self._do(self._shut(door))
        elif not self._servers[door].is_serving():
            self._servers[door] = self._do(self._listen(door, self.ports[door]))

    def cut_all(self):
        """Every connection is reset."""
        self._do(self._cut(list(self._links)))

    def calm(self):
        """Everything passes again; connections that were held go on."""
        self.hold = self.half_close = False
        self.delay = self.rate = self.cut_after_commit = self.cut_in_copy = 0

    def stop(self):
        self.cut_all()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self, door, port):
        return await asyncio.start_server(lambda reader, writer: self._serve(door, reader, writer), "127.0.0.1", port)

    async def _shut(self, door):
        self._servers[door].close()

    async def _cut(self, links):
        for writer in links:
            _reset(writer)

    async def _serve(self, door, reader, writer):
        port = self._leads_to[door]
        self._links.add(writer)
        other = None
        try:
            while self.hold:
                await asyncio.sleep(0.02)
            if port is None:
                return
            server_reader, other = await asyncio.open_connection("127.0.0.1", port)
            self._links.add(other)
            await asyncio.gather(self._pass(reader, other, writer, False), self._pass(server_reader, writer, other, True))
        except OSError:
            pass
        finally:
            for link in (writer, other):
                if link is not None:
                    self._links.discard(link)
                    _reset(link)

    async def _pass(self, reader, writer, back, answers):
        """One way of one connection. `answers`: from PostgreSQL."""
        while data := await reader.read(_CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            while self.hold or (self.half_close and answers):
                await asyncio.sleep(0.02)
            data, last = self._cut_short(data, answers)
            for begin in range(0, len(data), step := max(1, self.rate // 20) if self.rate else _CHUNK):
                writer.write(data[begin:begin + step])
                await writer.drain()
                if self.rate:
                    await asyncio.sleep(0.05)
            if last:
                _reset(writer)
                _reset(back)
                return
        if writer.can_write_eof():
            writer.write_eof()

    def _cut_short(self, data, answers):
        """What of `data` still passes, and whether that is the last that does."""
        if answers and self.cut_after_commit and _COMMITTED in data:
            self.cut_after_commit -= 1
            return self._cut_at(data, data.index(_COMMITTED) - 5)
        if not answers and self.cut_in_copy and data[:1] == _COPY_DATA:
            self.cut_in_copy -= 1
            return self._cut_at(data, len(data) // 2)
        return data, False

    def _cut_at(self, data, place):
        self.cuts += 1
        return data[:max(0, place)], True


def _reset(writer):
    own = writer.get_extra_info("socket")
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # closed already
    writer.transport.abort()
