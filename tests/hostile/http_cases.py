"""H1 to H104: servers that break HTTP/1.x in every way."""
import gzip
import json
import time
import zlib

from bed import SLOWNESS, Case

CLOSED = ("connection_closed", "connection_reset")
CUT = ("truncated", *CLOSED)
MALFORMED = ("malformed_response",)
LIMIT = ("header_limit",)
UP = ("up",)
DECODE = ("decode_failure",)
REFUSED = ("redirect_refused",)

CASES = []


def case(number, name, expect, **more):
    def add(serve):
        CASES.append(Case(f"H{number}", name, serve, tuple(expect), **more))
        return serve

    return add


def reply(number, name, data, expect, end="close", **more):
    """A server that reads the request and sends `data`, then closes, or holds the connection open."""

    def serve(peer):
        peer.answer(data)
        if end == "hold":
            peer.hold()

    case(number, name, expect, **more)(serve)


def ok(body=b"hello", *headers, status=b"200 OK"):
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def head(*headers, status=b"200 OK"):
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers]) + b"\r\n\r\n"


CHUNKED = head(b"Transfer-Encoding: chunked")


def capped(rows):
    return None if all(row["capped"] for row in rows) else "not flagged as capped"


def never_reused(rows):
    return None if all(row["connection"] == "fresh" for row in rows) else "a connection that must not be was reused"


def within(seconds):
    def verify(rows):
        worst = max(row["total_us"] for row in rows) / 1e6
        return None if worst <= seconds * SLOWNESS else f"took {worst:.2f} s, more than {seconds} s"

    return verify


# Connection


@case(1, "reset on accept", CLOSED)
def _(peer):
    peer.reset()


@case(2, "closed before reading", CLOSED)
def _(peer):
    peer.close()


@case(3, "request read, then closed", ("connection_closed",))
def _(peer):
    peer.request()


@case(4, "never reads or writes", ("first_byte_timeout",), slow=True)
def _(peer):
    time.sleep(20)


CASES.append(Case("H5", "backlog full", None, ("connect_timeout",), slow=True, full=True))


@case(6, "end, then idle", ("connection_closed",))
def _(peer):
    peer.request()
    peer.end()
    peer.hold()


@case(7, "reset after the request", ("connection_reset",))
def _(peer):
    peer.request()
    peer.reset()


@case(8, "reset inside the header", ("connection_reset", "truncated"))
def _(peer):
    peer.answer(b"HTTP/1.1 200 OK\r\nContent-Le")
    time.sleep(0.05)
    peer.reset()


@case(9, "reset inside the body", ("connection_reset", "truncated"), status=200)
def _(peer):
    peer.answer(head(b"Content-Length: 100") + b"abc")
    time.sleep(0.05)
    peer.reset()


# Whether the answer is seen before the request is sent is a race that only the network decides.
@case(10, "answer before the request", (*MALFORMED, *UP))
def _(peer):
    peer.send(ok())
    peer.hold()


for name, banner in {
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "smtp": b"220 mail.test ESMTP\r\n",
}.items():

    @case(11, f"{name} banner", MALFORMED)
    def _(peer, banner=banner):
        peer.send(banner)
        peer.hold()


@case(12, "TLS on the http port", MALFORMED)
def _(peer):
    peer.answer(b"\x15\x03\x03\x00\x02\x02\x16")  # an alert: that is what TLS servers say to plain text




@case(13, "http on the TLS port", ("tls_handshake",), url="https://127.0.0.1:@port@/")
def _(peer):
    peer.sock.recv(65536)
    peer.send(ok(b"", status=b"400 Bad Request"))


reply(14, "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED)
reply(14, "HTTP/2 settings frame", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", MALFORMED)

LARGE_POST = {"method": "POST", "body_file": "@large@"}


@case(15, "reads our POST drop by drop", ("write_timeout",), slow=True, buffer=2048, service=LARGE_POST)
def _(peer):
    while peer.sock.recv(1):
        time.sleep(0.5)


@case(16, "zero window", ("write_timeout",), slow=True, buffer=2048, service=LARGE_POST)
def _(peer):
    time.sleep(20)


# Slow and endless


@case(17, "header drop by drop", ("first_byte_timeout",), slow=True)
def _(peer):
    peer.request()
    peer.drip(ok(), 0.4)


@case(18, "body drop by drop", ("body_timeout",), slow=True, status=200)
def _(peer):
    peer.answer(head(b"Content-Length: 100"))
    peer.drip(b"x" * 100, 0.4)


reply(19, "header, then silence", head(b"Content-Length: 5"), ("body_timeout",), "hold", slow=True, status=200)
reply(20, "one byte short", head(b"Content-Length: 6") + b"hello", ("body_timeout",), "hold", slow=True, status=200)


def endless(number, name, begin, block, expect, **more):
    @case(number, name, expect, **more)
    def _(peer):
        peer.answer(begin)
        peer.endless(block)


endless(21, "endless 100", b"", b"HTTP/1.1 100 Continue\r\n\r\n", LIMIT)
endless(22, "endless 102", b"", b"HTTP/1.1 102 Processing\r\n\r\n", LIMIT)
endless(22, "endless 103", b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", LIMIT)
endless(23, "endless chunks", CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n", UP, status=200, verify=capped)
endless(23, "endless body", head(), b"x" * 65536, UP, status=200, verify=capped)
endless(24, "endless header fields", b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n", LIMIT)
endless(25, "endless trailers", CHUNKED + b"1\r\nx\r\n0\r\n", b"X-More: and more\r\n", LIMIT)
endless(26, "endless chunk extension", CHUNKED + b"1;", b"more=and-more;", LIMIT)
endless(26, "chunk extension on every chunk", CHUNKED, b"1;a=" + b"b" * 1000 + b"\r\nx\r\n", LIMIT)
endless(27, "endless empty lines", b"", b"\r\n", (*LIMIT, *MALFORMED))
endless(29, "a reason without end", b"HTTP/1.1 200 ", b"a" * 65536, LIMIT)
endless(29, "a field without end", b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 65536, LIMIT)
endless(29, "a line without end", b"", b"a" * 65536, MALFORMED)


@case(28, "answer at the timeout", (*UP, "first_byte_timeout", "body_timeout"), slow=True)
def _(peer):
    peer.request()
    time.sleep(peer.bed.places["short"] - 0.002)
    peer.send(ok())


reply(30, "a million chunks of one byte", CHUNKED + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n", UP, status=200)

# Status line

reply(31, "HTTP/0.9", b"<html>hello</html>", MALFORMED)
for version in ("1.2", "3.0", "9.9"):
    reply(32, f"version {version}", b"HTTP/%b 200 OK\r\nContent-Length: 0\r\n\r\n" % version.encode(), MALFORMED)
for code in ("-1", "000", "099"):
    reply(33, f"status {code}", ok(status=code.encode() + b" OK"), MALFORMED)
for name, code in {"one digit": b"2", "four digits": b"2000", "a hundred digits": b"2" * 100}.items():
    reply(34, f"status of {name}", ok(status=code + b" OK"), MALFORMED)
for code in (600, 999):
    reply(35, f"status {code}", ok(status=b"%d Odd" % code), ("status",), status=code)
reply(36, "no reason", ok(status=b"200 "), UP, status=200)
reply(37, "reason of 1 MiB", b"HTTP/1.1 200 " + b"a" * (1 << 20) + b"\r\n\r\n", LIMIT)
for name, reason in {"NUL": b"O\0K", "terminal escapes": b"\x1b[31mred\x07", "bad UTF-8": b"\xff\xfe\xc0\xaf"}.items():
    reply(38, f"reason with {name}", ok(status=b"200 " + reason), (*MALFORMED, *UP))
reply(39, "lower-case http", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", MALFORMED)
reply(40, "bare LF", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", MALFORMED)
reply(41, "bare CR", b"HTTP/1.1 200 OK\rContent-Length: 5\r\rhello", (*MALFORMED, "truncated"))
reply(41, "bare CR in a value", head(b"X-A: a\rb: c", b"Content-Length: 0"), MALFORMED)
reply(42, "tabs in the status line", b"HTTP/1.1\t200\tOK\r\nContent-Length: 0\r\n\r\n", MALFORMED)
reply(42, "two spaces in the status line", b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", MALFORMED)
reply(43, "ICY", b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n", MALFORMED)

# Headers

reply(44, "no colon", head(b"Content-Length: 0", b"nonsense"), MALFORMED)
reply(45, "space before the colon", head(b"Content-Length : 0"), MALFORMED)
reply(46, "NUL in a value", head(b"X-A: a\0b", b"Content-Length: 0"), MALFORMED)
reply(46, "NUL in a name", head(b"X\0A: b", b"Content-Length: 0"), MALFORMED)
reply(47, "folded line", ok(b"hello", b"X-Long: begins", b" and goes on"), UP, status=200)
reply(48, "first line begins with a space", head(b" X-A: b", b"Content-Length: 0"), MALFORMED)
reply(49, "value of 100 KiB", head(b"X-A: " + b"a" * 102400), LIMIT)
reply(50, "name of 64 KiB", head(b"a" * 65536 + b": b"), LIMIT)
reply(51, "10,000 fields", head(*(b"X-%d: a" % i for i in range(10_000))), LIMIT)
reply(52, "lengths 5 and 6", head(b"Content-Length: 5", b"Content-Length: 6") + b"hello", MALFORMED)
reply(53, "length `5, 5`", head(b"Content-Length: 5, 5") + b"hello", (*UP, *MALFORMED))
reply(53, "length 5 twice", head(b"Content-Length: 5", b"Content-Length: 5") + b"hello", (*UP, *MALFORMED))
for name, length in {"-1": b"-1", "+5": b"+5", "0x10": b"0x10", "5abc": b"5abc", "empty": b""}.items():
    reply(54, f"length {name}", head(b"Content-Length: " + length) + b"hello", MALFORMED)
endless(55, "length 2^62", head(b"Content-Length: %d" % 2**62), b"x" * 65536, UP, status=200, verify=capped)
for name, length in {"2^63": 2**63, "2^64": 2**64, "2^64+5": 2**64 + 5}.items():
    reply(55, f"length {name}", head(b"Content-Length: %d" % length) + b"hello", LIMIT)
END = b"5\r\nhello\r\n0\r\n\r\n"
reply(56, "length and chunked", head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + END, MALFORMED)
reply(56, "chunked and length", head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + END, MALFORMED)
for coding in ("chunked, identity", "xchunked", "chunked, chunked"):
    reply(57, f"coding `{coding}`", head(b"Transfer-Encoding: " + coding.encode()) + END, MALFORMED)
reply(58, "two codings", head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + END, MALFORMED)
reply(59, "Latin-1 in a value", ok(b"hello", b"X-A: caf\xe9"), UP)
reply(59, "bad UTF-8 in a value", ok(b"hello", b"X-A: \xff\xc0\xaf"), UP)
reply(60, "1000 cookies of 4 KiB", head(*(b"Set-Cookie: a%d=" % i + b"b" * 4096 for i in range(1000))), LIMIT)
for name, date in {"year 9999": b"Fri, 31 Dec 9999 23:59:59 GMT", "negative": b"-1", "garbage": b"\xe9tomorrow"}.items():
    reply(61, f"date {name}", ok(b"hello", b"Date: " + date), UP)
HELLO = {"check_regex": True, "regex": "hello"}
for charset in ("bogus", "utf-7", "x\";\\", ""):
    kind = b"Content-Type: text/html; charset=" + charset.encode()
    reply(62, f"charset `{charset}`", ok(b"hello", kind), UP, service=HELLO)
UTF16 = ok("hello".encode("utf-16"), b"Content-Type: text/html; charset=utf-16")
reply(62, "charset utf-16", UTF16, UP, service=HELLO)
reply(63, "%0d%0a in values", ok(b"hello", b"X-A: a%0d%0aSet-Cookie: b", b"Server: %0d%0a%0d%0a"), UP)

# Framing

REUSE = {"connection": "reuse"}
reply(64, "short body", head(b"Content-Length: 100") + b"hello", ("truncated",), status=200)
reply(65, "long body", ok(b"hello") + b" and more", UP, "hold", service=REUSE, verify=never_reused)
for size in ("-2", "0x5", "0" * 16 + "5g", "f" * 17, "g"):
    reply(66, f"chunk size {size}", CHUNKED + size.encode() + b"\r\nhello\r\n0\r\n\r\n", MALFORMED)
# A size that is a number, however large: what comes is cut at the limit of the body, or ends too early.
reply(66, "chunk size 80000000", CHUNKED + b"80000000\r\nhello", (*MALFORMED, "truncated"))
reply(67, "chunk without its end", CHUNKED + b"5\r\nhello0\r\n\r\n", MALFORMED)
reply(67, "chunk longer than its size", CHUNKED + b"3\r\nhello\r\n0\r\n\r\n", MALFORMED)
reply(67, "chunk shorter than its size", CHUNKED + b"9\r\nhello\r\n0\r\n\r\n", (*MALFORMED, "truncated"))
reply(68, "no last chunk", CHUNKED + b"5\r\nhello\r\n", ("truncated",), status=200)
reply(69, "garbage after the last chunk", CHUNKED + END + b"garbage", UP, "hold", service=REUSE, verify=never_reused)
reply(70, "trailers called length and status", CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 1\r\nStatus: 500\r\n\r\n", UP, status=200)
reply(70, "trailer called Transfer-Encoding", CHUNKED + b"5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n", UP, status=200)
reply(71, "HEAD with a body", ok(b"hello"), UP, "hold", service={**REUSE, "method": "HEAD"}, verify=never_reused)
reply(72, "204 with a body", ok(b"hello", status=b"204 No Content"), UP, "hold", status=204, service=REUSE, verify=never_reused)
reply(72, "304 with a body", ok(b"hello", status=b"304 Not Modified"), UP, "hold", status=304, service=REUSE, verify=never_reused)
reply(73, "only interim answers", head(status=b"100 Continue") + head(status=b"103 Early Hints"), CUT)
reply(74, "unsolicited 101", head(b"Upgrade: websocket", b"Connection: upgrade", status=b"101 Switching Protocols"), MALFORMED, "hold")
reply(75, "unsolicited 206", ok(b"hello", b"Content-Range: bytes 0-4/100", status=b"206 Partial Content"), UP, status=206)
reply(75, "unsolicited 416", ok(b"", status=b"416 Range Not Satisfiable"), ("status",), status=416)
reply(76, "two answers", ok(b"hello") + ok(b"", status=b"500 Error"), UP, "hold", status=200, service=REUSE, verify=never_reused)


def retried_after_the_first(rows):
    flagged = [row["retried"] for row in rows]
    return None if not flagged[0] and all(flagged[1:]) and len(rows) > 1 else f"retried is {flagged}"


@case(77, "closed at reuse", UP, service=REUSE, verify=retried_after_the_first)
def _(peer):
    """The first connection, and each one that a check's retry made, is closed by the request of the next check."""
    peer.answer(ok())
    peer.request()


@case(77, "closed at reuse, POST", (*UP, *CLOSED), service={**REUSE, "method": "POST"})
def _(peer):
    peer.answer(ok())
    peer.request()


@case(78, "`Connection: close`, left open", UP, service=REUSE, verify=never_reused)
def _(peer):
    peer.answer(ok(b"hello", b"Connection: close"))
    peer.hold()


reply(79, "no body to match", ok(b""), ("body_mismatch",), status=200, service=HELLO)
H2_LIE = head(b"Upgrade: h2c", b"Connection: Upgrade", status=b"101 Switching Protocols") + b"\0\0\0\4\0\0\0\0\0"
reply(80, "upgrade to HTTP/2", H2_LIE, MALFORMED, "hold")

# Content

GZIP = b"Content-Encoding: gzip"
DEFLATE = b"Content-Encoding: deflate"
COMPRESSED = {"compression": True}
COMPRESSED_HELLO = {**COMPRESSED, **HELLO}
zipped = gzip.compress(b"hello")
raw_deflate = zlib.compressobj(wbits=-15)
raw_deflate = raw_deflate.compress(b"hello") + raw_deflate.flush()


def chain(times):
    data = b"hello"
    for _ in range(times):
        data = gzip.compress(data)
    return data


reply(81, "gzip bomb", ok(gzip.compress(bytes(50 << 20)), GZIP), DECODE, status=200, service=COMPRESSED)
reply(81, "deflate bomb", ok(zlib.compress(bytes(50 << 20)), DEFLATE), DECODE, status=200, service=COMPRESSED)
reply(82, "gzip twenty-fold", ok(chain(20), b"Content-Encoding: " + b", ".join([b"gzip"] * 20)), DECODE, service=COMPRESSED)
reply(83, "gzip unasked for", ok(zipped, GZIP), UP, status=200)
reply(84, "gzip cut short", ok(zipped[:-6], GZIP), DECODE, service=COMPRESSED)
reply(84, "gzip with a bad checksum", ok(zipped[:-8] + b"\0\0\0\0" + zipped[-4:], GZIP), DECODE, service=COMPRESSED)
reply(84, "gzip that is none", ok(b"hello", GZIP), DECODE, service=COMPRESSED)
reply(85, "concatenated gzip", ok(gzip.compress(b"hel") + gzip.compress(b"lo"), GZIP), UP, service=COMPRESSED_HELLO)
reply(86, "deflate in zlib's wrapper", ok(zlib.compress(b"hello"), DEFLATE), UP, service=COMPRESSED_HELLO)
reply(86, "raw deflate", ok(raw_deflate, DEFLATE), UP, service=COMPRESSED_HELLO)
reply(86, "deflate that is none", ok(b"\xff\xff\xff\xff hello", DEFLATE), DECODE, service=COMPRESSED_HELLO)
for coding in (b"br", b"x-nonsense", b"gzip, br"):
    reply(87, f"coding {coding.decode()}", ok(b"hello", b"Content-Encoding: " + coding), DECODE, service=COMPRESSED)
MISSING = {"check_regex": True, "regex": "not there", "evidence": {"bytes": 4096}}
for name, body in {"NUL": b"a\0b", "UTF-16": "hell".encode("utf-16"), "bad UTF-8": b"\xff\xfe\xc0\xaf"}.items():
    reply(88, f"body with {name}", ok(body), ("body_mismatch",), service=MISSING)
COSTLY = {"check_regex": True, "regex": "(a+)+b"}
reply(89, "1 MiB against (a+)+b", ok(b"a" * (1 << 20)), ("body_mismatch",), service=COSTLY, verify=within(2))
JSON_RULE = {"expect": {"json": [{"pointer": "/a", "equals": 1}]}}
reply(90, "JSON 100,000 deep", ok(b"[" * 100_000 + b"]" * 100_000), ("json_mismatch",), service=JSON_RULE, verify=within(2))
reply(91, "JSON with a key twice", ok(b'{"a":0,"a":1}'), UP, service=JSON_RULE)
reply(91, "JSON with 1e999", ok(b'{"a":1e999}'), ("json_mismatch",), service=JSON_RULE)
reply(91, "JSON with a lone surrogate", ok(b'{"a":"\\ud800"}'), ("json_mismatch",), service=JSON_RULE)
ESCAPES = b"<script>alert(1)</script>\x1b[2J\x1b]0;title\x07\x9b31m\r\x08"
reply(92, "escapes in the body", ok(ESCAPES), ("body_mismatch",), service=MISSING)
reply(92, "escapes in JSON", ok(json.dumps({"a": ESCAPES.decode("latin-1")}).encode()), ("json_mismatch",), service=JSON_RULE)

# Redirects

FOLLOW = {"redirects": {"follow": True, "max": 10}}
SECRET = b"canary-4711"
SECRETS = {**FOLLOW, "headers": {"Authorization": "Bearer canary-4711", "X-Api-Key": "canary-4711", "Cookie": "a=canary-4711"}}


def moved(location, status=b"302 Found"):
    return head(b"Location: " + location, b"Content-Length: 0", status=status)


def redirect(number, name, location, expect, **more):
    """`location` is bytes, or a function of the peer that gives them."""

    @case(number, name, expect, **{"service": FOLLOW, **more})
    def _(peer):
        peer.answer(moved(location(peer) if callable(location) else location))


def target_of(request):
    return request.split(b" ", 2)[1] if request.count(b" ") >= 2 else b"/"


redirect(93, "to itself", b"/", ("redirect_limit",))


@case(94, "from A to B to A", ("redirect_limit",), service=FOLLOW)
def _(peer):
    peer.send(moved(b"/b" if target_of(peer.request()) == b"/" else b"/"))


@case(95, "ever new", ("redirect_limit",), service=FOLLOW)
def _(peer):
    peer.send(moved(target_of(peer.request()) + b"x"))


@case(96, "https to http", REFUSED, service={**FOLLOW, "tls": {"ca": "@ca@"}}, url="https://127.0.0.1:@port@/")
def _(peer):
    peer.tls(peer.bed.pki.shared("good"))
    peer.answer(moved(b"http://127.0.0.1:%d/" % peer.port))


def clean(peer):
    """Good only if no secret came along."""
    request = peer.request()
    peer.send(ok(status=b"500 A secret leaked") if SECRET in request or not request else ok())


@case(97, "to another host", UP, status=200, service=SECRETS, others={"other": ("127.0.0.2", clean)})
def _(peer):
    if SECRET in peer.request():
        peer.send(moved(b"http://127.0.0.2:%d/" % peer.ports["other"]))


@case(98, "to another port", UP, status=200, service=SECRETS, others={"other": ("127.0.0.1", clean)})
def _(peer):
    if SECRET in peer.request():
        peer.send(moved(b"http://127.0.0.1:%d/" % peer.ports["other"]))


for name, location in {
    "file": b"file:///etc/passwd",
    "gopher": b"gopher://127.0.0.1/",
    "ftp": b"ftp://127.0.0.1/",
    "javascript": b"javascript:alert(1)",
}.items():
    redirect(99, f"to {name}", location, REFUSED)
redirect(100, "to a decimal host", lambda peer: b"http://2130706433:%d/" % peer.port, REFUSED)
redirect(100, "to a hexadecimal host", lambda peer: b"http://0x7f000001:%d/" % peer.port, REFUSED)


@case(100, "to a mapped address", (*UP, *REFUSED), service=FOLLOW)
def _(peer):
    if target_of(peer.request()) == b"/":
        peer.send(moved(b"http://[::ffff:127.0.0.1]:%d/mapped" % peer.port))
    else:
        peer.send(ok())


@case(101, "rebinding", UP, url="http://rebind.test:@port@/", service={**FOLLOW, "resolver": "127.0.0.1:@dns@"}, address="127.0.0.1",
      others={"other": ("127.0.0.2", lambda peer: rebound(peer))}, shares_port=True)
def _(peer):
    rebound(peer)


def rebound(peer):
    """Tells the address that was connected to in the status, so that the row can be held against it."""
    if target_of(peer.request()) == b"/":
        peer.send(moved(b"/next"))
    else:
        last = peer.sock.getsockname()[0].rsplit(".", 1)[1]
        peer.send(ok(status=b"20%b Rebound" % last.encode()))


def address_as_connected(rows):
    wrong = [row["remote_address"] for row in rows if row["remote_address"] != f"127.0.0.{row['status_code'] - 200}"]
    return f"the row says {wrong[0]}, the server was another" if wrong else None


CASES[-1].verify = address_as_connected

reply(102, "no Location", head(b"Content-Length: 0", status=b"302 Found"), REFUSED, service=FOLLOW)
redirect(102, "empty Location", b"", REFUSED)
redirect(102, "Location without a host", b"//", REFUSED)
redirect(102, "Location with port 99999", b"//127.0.0.1:99999/", REFUSED)
redirect(102, "CR in Location", b"/a\rSet-Cookie: b", (*MALFORMED, *REFUSED))
redirect(102, "Location of 1 MiB", b"/" + b"a" * (1 << 20), LIMIT)
redirect(102, "Location of 3000 bytes", b"/" + b"a" * 3000, REFUSED)
redirect(102, "user in Location", lambda peer: b"http://user:password@127.0.0.1:%d/" % peer.port, REFUSED)
redirect(102, "%2F in Location's host", b"http://127.0.0.1%2F127.0.0.2/", REFUSED)


def method_kept(number, name, status, method, target_method, body):
    service = {**FOLLOW, "method": method, "body": "the body"}

    @case(number, name, UP, status=200, service=service)
    def _(peer):
        request = peer.request()
        if target_of(request) == b"/":
            return peer.send(moved(b"/then", status))
        right = request.startswith(target_method) and (b"the body" in request) == body
        peer.send(ok() if right else ok(status=b"500 Wrong request"))


method_kept(103, "307 keeps POST", b"307 Temporary Redirect", "POST", b"POST ", True)
method_kept(103, "308 keeps POST", b"308 Permanent Redirect", "POST", b"POST ", True)
method_kept(103, "303 makes GET", b"303 See Other", "POST", b"GET ", False)
method_kept(103, "302 makes GET of POST", b"302 Found", "POST", b"GET ", False)
method_kept(103, "302 keeps PUT", b"302 Found", "PUT", b"PUT ", True)


@case(104, "slow hops", ("first_byte_timeout",), slow=True, service=FOLLOW)
def _(peer):
    path = target_of(peer.request())
    time.sleep(0.4 * peer.bed.places["short"])
    peer.send(moved(path + b"x"))


@case(104, "large headers on every hop", LIMIT, service=FOLLOW)
def _(peer):
    path = target_of(peer.request())
    peer.send(head(b"Location: " + path + b"x", b"Content-Length: 0", b"X-A: " + b"a" * 50_000, status=b"302 Found"))
