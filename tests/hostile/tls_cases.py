"""T1 to T34: certificates wrong in every way, handshakes that stall, sessions that end or never end."""
import ssl
import struct
import time

import openssl_server
from bed import Case
from http_cases import CHUNKED, CLOSED, END, head, ok
from openssl_server import TLS12, TLS13
from pki import CLIENT_AUTH, DAY, NOW, extension, integer, seq

UP = ("up",)
EXPIRED = ("tls_expired",)
HOSTNAME = ("tls_hostname",)
UNTRUSTED = ("tls_untrusted",)
HANDSHAKE = ("tls_handshake",)
STALLED = ("tls_timeout",)
LOOPBACK = ["IP:127.0.0.1"]
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
LARGE_CHAIN = 1500  # certificates: about 1 MiB

CASES = []


def case(number, name, expect, host="127.0.0.1", **more):
    """`host`: what the URL says; the connection goes to the case's port in any case."""
    service = {"tls": {"ca": "@ca@"}, **more.pop("service", {})}
    if host == "127.0.0.1":
        url = "https://127.0.0.1:@port@/"
    else:
        url = f"https://{host}/"
        service["connect_to"] = "127.0.0.1:@port@"

    def add(serve):
        CASES.append(Case(f"T{number}", name, serve, tuple(expect), url=url, service=service, **more))
        return serve

    return add


def told(rows):
    """Whose certificate it was is known, and the sentence says what was wrong with it."""
    for row in rows:
        if not (row["certificate_subject"] and row["certificate_issuer"] and row["certificate_not_after"]):
            return "the row does not say whose certificate it was"
        if row["outcome"] in (*EXPIRED, *HOSTNAME, *UNTRUSTED) and not ("code " in row["reason"] and "depth " in row["reason"]):
            return f"the reason lacks code or depth: {row['reason']}"
    return None


def told_expiry(rows):
    return told(rows) or next((f"no word of the expiry: {row['reason']}" for row in rows if "expired" not in row["reason"]), None)


def session(number, name, label, expect, reply=ok(), verify=told, **more):
    """A server that presents `label` and answers."""
    options = more.pop("options", {})

    @case(number, name, expect, verify=verify, **more)
    def _(peer):
        peer.tls(peer.bed.pki.shared(label, **options))
        peer.answer(reply)


def make_identities(pki):
    """Everything that is presented below."""
    pki.identity("rsa", LOOPBACK, key=pki.key("rsa2048", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"))
    pki.identity("ed25519", LOOPBACK, key=pki.key("ed25519", "ed25519"))
    pki.identity("expired", LOOPBACK, before=NOW - 9 * DAY, after=NOW - 2 * DAY)
    pki.identity("future", LOOPBACK, before=NOW + 2 * DAY)
    pki.identity("other", ["DNS:other.test"])
    pki.identity("wildcard", ["DNS:*.wild.test"])
    pki.identity("wide", ["DNS:*.test"])
    pki.identity("common-name", [], subject="good.test")
    pki.identity("other-address", ["IP:127.0.0.9"])
    pki.identity("address-as-name", ["DNS:127.0.0.1"])
    pki.identity("client-only", LOOPBACK, usage=CLIENT_AUTH)
    pki.identity("client", [], subject="the client", usage=CLIENT_AUTH)
    pki.identity("many-names", [*LOOPBACK, *(f"DNS:n{i}.good.test" for i in range(1000))])
    pki.identity("too-many-names", [*LOOPBACK, *(f"DNS:n{i}.good.test" for i in range(10_000))])
    pki.identity("nul", [b"good.test\0.evil.test"])
    pki.identity("punycode", ["DNS:xn--bcher-kva.test"])
    must_staple = extension("1.3.6.1.5.5.7.1.24", seq(integer(5)))  # RFC 7633
    pki.identity("must-staple", LOOPBACK, more=[must_staple])
    make_weak(pki)
    make_chains(pki)


def make_weak(pki):
    for bits in (1024, 512):
        pki.identity(f"rsa{bits}", LOOPBACK, key=pki.key(f"rsa{bits}", "rsa", "-pkeyopt", f"rsa_keygen_bits:{bits}"))
    rsa_root = pki.make("Hostile RSA Root", pki.key("rsa2048", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"), ca=True)
    with pki.ca_file.open("a") as trusted:
        trusted.write(rsa_root.pem)
    pki.identity("sha1", LOOPBACK, digest="sha1")
    pki.identity("md5", LOOPBACK, issuer=rsa_root, digest="md5")


def make_chains(pki):
    def middle(subject, issuer=pki.ca, **wishes):
        return pki.make(subject, pki.key("middle"), issuer, ca=wishes.pop("ca", True), **wishes)

    def behind(label, link, *chain, **wishes):
        pki.identity(label, LOOPBACK, issuer=link, chain=chain, **wishes)

    old = middle("Old Intermediate", before=NOW - 9 * DAY, after=NOW - DAY)
    behind("expired-middle", old, old)
    first = middle("First Intermediate")
    second = pki.make("Second Intermediate", pki.key("second"), first, ca=True)
    behind("missing-middle", first)
    behind("disordered", second, pki.ca, first, second)
    stranger = pki.make("Stranger Root", pki.key("stranger"), ca=True)
    behind("unrelated", pki.ca, stranger, first)
    behind("untrusted", stranger, stranger)
    behind("untrusted-expired", stranger, stranger, before=NOW - 9 * DAY, after=NOW - 2 * DAY)
    own = pki.make("self-signed", pki.key("own"), names=LOOPBACK)
    pki.present("self-signed", own)
    leaf = middle("No Authority", ca=False)
    behind("leaf-as-ca", leaf, leaf)
    narrow = middle("Narrow Intermediate", constraints=["DNS:other.test"])
    pki.identity("constrained", ["DNS:good.test"], issuer=narrow, chain=[narrow])
    behind("large-chain", pki.ca, *([first, second, stranger] * (LARGE_CHAIN // 3)))


session(1, "RSA", "rsa", UP)
session(1, "ECDSA", "good", UP)
session(1, "Ed25519", "ed25519", UP)
session(2, "expired", "expired", EXPIRED, verify=told_expiry)
session(2, "expired, not verified", "expired", UP, service={"tls": {"verify": False}})
session(3, "expired intermediate", "expired-middle", EXPIRED)
session(4, "not yet valid", "future", ("tls_not_yet_valid",))
session(5, "another host", "other", HOSTNAME, host="good.test")
session(6, "wildcard, one level", "wildcard", UP, host="a.wild.test")
session(6, "wildcard, two levels", "wildcard", HOSTNAME, host="a.b.wild.test")
session(6, "wildcard of a top level", "wide", HOSTNAME, host="wild.test")
session(7, "Common Name only", "common-name", HOSTNAME, host="good.test")
session(8, "address", "good", UP)
session(8, "another address", "other-address", HOSTNAME)
session(8, "address as a name", "address-as-name", HOSTNAME)
session(9, "self-signed", "self-signed", UNTRUSTED)
session(10, "untrusted root", "untrusted", UNTRUSTED)
session(10, "untrusted root, expired too", "untrusted-expired", (*UNTRUSTED, *EXPIRED), verify=told_expiry)
session(11, "missing intermediate", "missing-middle", UNTRUSTED)
session(12, "chain in disorder", "disordered", UP)
session(13, "unrelated certificates", "unrelated", UP)
session(14, "leaf as authority", "leaf-as-ca", UNTRUSTED)
session(15, "for clients only", "client-only", UNTRUSTED)
session(16, "name constraints broken", "constrained", UNTRUSTED, host="good.test")
session(17, "RSA of 1024 bits", "rsa1024", UNTRUSTED)
session(17, "RSA of 512 bits", "rsa512", (*UNTRUSTED, *HANDSHAKE), options={"newest": V12})
session(18, "SHA-1", "sha1", UNTRUSTED)
session(18, "MD5", "md5", UNTRUSTED)
session(20, "must-staple without a staple", "must-staple", UP)
session(21, "1000 names", "many-names", UP)
session(21, "10,000 names", "too-many-names", HANDSHAKE, verify=None)
session(22, "chain of 1 MiB", "large-chain", HANDSHAKE, verify=None)

# Versions and ciphers


def old_version(number, name, version):
    @case(number, name, HANDSHAKE)
    def _(peer):
        peer.tls(peer.bed.pki.shared("good", oldest=version, newest=version))
        peer.answer(ok())


old_version(23, "TLS 1.0 only", ssl.TLSVersion.TLSv1)
old_version(23, "TLS 1.1 only", ssl.TLSVersion.TLSv1_1)
session(23, "1.2 only, 1.3 asked for", "good", HANDSHAKE, options={"newest": V12}, verify=None,
        service={"tls": {"ca": "@ca@", "min": "1.3"}})


def record(kind, payload, version=0x0303):
    return struct.pack(">BHH", kind, version, len(payload)) + payload


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def server_hello(version, cipher, random=bytes(32)):
    renegotiation_info = b"\xff\x01\x00\x01\x00"
    extensions = struct.pack(">H", len(renegotiation_info)) + renegotiation_info
    body = struct.pack(">H", version) + random + b"\0" + struct.pack(">HB", cipher, 0) + extensions
    return record(22, message(2, body), version)


def says(words):
    def verify(rows):
        return next((f"the reason does not say {words!r}: {row['reason']}" for row in rows if words not in row["reason"]), None)

    return verify


def chosen(number, name, version, cipher, words="unknown cipher returned"):
    """A server that picks what was not offered."""

    @case(number, name, HANDSHAKE, verify=says(words))
    def _(peer):
        peer.sock.recv(65536)
        peer.send(server_hello(version, cipher))
        peer.hold()


chosen(23, "SSL 3.0 only", 0x0300, 0x002F, "unsupported protocol")
chosen(24, "RC4", 0x0303, 0x0005)
chosen(24, "3DES", 0x0303, 0x000A)
chosen(24, "export", 0x0303, 0x0003)
chosen(24, "NULL", 0x0303, 0x0001, "wrong cipher returned")


@case(24, "NULL ciphers only", HANDSHAKE)
def _(peer):
    peer.tls(peer.bed.pki.shared("rsa", ciphers="eNULL:@SECLEVEL=0", newest=V12))


@case(25, "DH of 512 bits", HANDSHAKE, verify=says("dh key too small"))
def _(peer):
    """Written by hand: OpenSSL itself refuses to serve fewer than 1024 bits."""
    client_random = peer.sock.recv(65536)[11:43]
    pki = peer.bed.pki
    certificate = pki.identities["rsa"].der
    listed = len(certificate).to_bytes(3, "big") + certificate
    prime, public = (1 << 511) + 111, 1 << 500
    numbers = [prime.to_bytes(64, "big"), b"\2", public.to_bytes(64, "big")]
    parameters = b"".join(struct.pack(">H", len(number)) + number for number in numbers)
    signature = pki.sign("rsa", client_random + bytes(32) + parameters)
    signed = parameters + struct.pack(">HH", 0x0401, len(signature)) + signature  # rsa_pkcs1_sha256
    peer.send(server_hello(0x0303, 0x009E))
    peer.send(record(22, message(11, len(listed).to_bytes(3, "big") + listed)))
    peer.send(record(22, message(12, signed)) + record(22, message(14, b"")))
    peer.hold()


# Names that are sent

session(26, "default certificate", "other", HOSTNAME, host="good.test")


@case(27, "unrecognized_name", HANDSHAKE, host="good.test")
def _(peer):
    context = peer.bed.pki.server("good")
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    peer.tls(context)


def name_seen(number, name, wanted, **more):
    """Good only if the name that the client sent is the wanted one."""

    @case(number, name, UP, status=200, **more)
    def _(peer):
        seen = []
        context = peer.bed.pki.server("good")
        context.sni_callback = lambda _, sent, __: seen.append(sent)
        peer.tls(context)
        peer.answer(ok() if seen == [wanted] else ok(status=b"500 Wrong name"))


name_seen(28, "no name for an address", None)
name_seen(28, "the host's name", "good.test", host="good.test")

# Handshakes that stall or are garbage


class Handshake:
    """A server's side in memory, so that each of its bytes can be sent, held back or changed."""

    def __init__(self, peer, context):
        self.peer, self.incoming, self.outgoing = peer, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def flight(self):
        """What the server says to what has come now."""
        self.incoming.write(self.peer.sock.recv(65536))
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def finish(self, send):
        """The whole handshake, the request and the answer, through `send`."""
        self.run(self.session.do_handshake, send)
        self.run(lambda: self.session.read(65536), send)
        self.session.write(ok())
        send(self.outgoing.read())

    def run(self, step, send):
        while True:
            try:
                step()
                return send(self.outgoing.read())
            except ssl.SSLWantReadError:
                send(self.outgoing.read())
                data = self.peer.sock.recv(65536)
                if not data:
                    raise OSError("the client went away") from None
                self.incoming.write(data)


@case(29, "silent from the start", STALLED, slow=True)
def _(peer):
    time.sleep(20)


@case(29, "silent after ClientHello", STALLED, slow=True)
def _(peer):
    peer.hold()


def stalled(number, name, newest, part):
    @case(number, name, STALLED, slow=True)
    def _(peer):
        flight = Handshake(peer, peer.bed.pki.shared("good", newest=newest)).flight()
        peer.send(part(flight))
        peer.hold()


for label, newest in {"1.2": V12, "1.3": V13}.items():
    stalled(29, f"{label}, inside a record's head", newest, lambda flight: flight[:3])
    stalled(29, f"{label}, inside ServerHello", newest, lambda flight: flight[:20])
    stalled(29, f"{label}, after ServerHello", newest, lambda flight: flight[: 5 + int.from_bytes(flight[3:5], "big")])
    stalled(29, f"{label}, one byte before the flight's end", newest, lambda flight: flight[:-1])
stalled(29, "1.2, before Finished", V12, lambda flight: flight)


@case(29, "handshake drop by drop", STALLED, slow=True)
def _(peer):
    peer.drip(Handshake(peer, peer.bed.pki.shared("good")).flight(), 0.05)


def garbage(number, name, data, expect=HANDSHAKE):
    @case(number, name, expect)
    def _(peer):
        peer.sock.recv(65536)
        peer.send(data)
        peer.hold()


garbage(30, "garbage ServerHello", record(22, b"\x02\0\0\x40" + b"\xaa" * 64))
garbage(30, "garbage record", b"\x16\x03\x03\x40\x00" + b"\xaa" * 0x4000)
garbage(30, "oversized record", b"\x16\x03\x03\xff\xff" + b"\xaa" * 0xFFFF)
garbage(30, "no TLS at all", b"\0" * 100)
garbage(30, "empty records without end", record(22, b"") * 50_000)
garbage(30, "alert", record(21, b"\x02\x28"))
garbage(30, "message longer than it may be", record(22, b"\x02\xff\xff\xff" + b"\0" * 16000) * 100)


@case(30, "segments of one byte", UP)
def _(peer):
    Handshake(peer, peer.bed.pki.shared("good")).finish(lambda data: peer.drip(data, 0))


def fragments(data):
    """The same handshake messages in records of one byte; what is encrypted stays as it is."""
    out, plain = b"", True
    while data:
        kind, size = data[0], int.from_bytes(data[3:5], "big")
        payload, data = data[5 : 5 + size], data[5 + size :]
        plain = plain and kind == 22
        pieces = [payload[i : i + 1] for i in range(size)] if plain else [payload]
        out += b"".join(record(kind, piece) for piece in pieces)
    return out


@case(30, "records of one byte", UP)
def _(peer):
    handshake = Handshake(peer, peer.bed.pki.shared("good", newest=V12))
    peer.send(fragments(handshake.flight()))
    handshake.finish(peer.send)


@case(30, "closed inside the handshake", (*HANDSHAKE, "connection_reset"))
def _(peer):
    peer.send(Handshake(peer, peer.bed.pki.shared("good")).flight()[:200])


@case(30, "reset inside the handshake", (*HANDSHAKE, "connection_reset"))
def _(peer):
    peer.send(Handshake(peer, peer.bed.pki.shared("good")).flight()[:200])
    peer.reset()


# Ends: Python closes without close_notify

session(31, "closed after the length", "good", UP, ok())
session(31, "closed after the last chunk", "good", UP, CHUNKED + END)
session(31, "closed without a length", "good", ("truncated",), head() + b"hello")
session(31, "closed inside the body", "good", ("truncated",), head(b"Content-Length: 9") + b"hello")


@case(31, "ended politely without a length", UP, status=200)
def _(peer):
    peer.tls(peer.bed.pki.shared("good"))
    peer.answer(head() + b"hello")
    peer.sock.settimeout(1)
    peer.sock.unwrap()


# Sessions without end


def endless(number, name, version, act, expect, begin=b"", **more):
    @case(number, name, expect, **more)
    def _(peer):
        with openssl_server.Session(peer, "good", version) as tls:
            tls.read()
            if begin:
                tls.write(begin)
            while not peer.gone():  # OpenSSL does not say that a ticket could not be sent
                act(tls)


# Given up after so many bytes, or, if the flood is slow, at the timeout; the last also does not read our refusals.
FLOODED = ("first_byte_timeout", "write_timeout")
BEGUN = head(b"Content-Length: 5")
endless(32, "endless KeyUpdate", TLS13, lambda tls: tls.send_key_update(), (*HANDSHAKE, "first_byte_timeout"), slow=True)
endless(32, "endless KeyUpdate in the body", TLS13, lambda tls: tls.send_key_update(), (*HANDSHAKE, "body_timeout"), BEGUN, slow=True)
endless(32, "endless session tickets", TLS13, lambda tls: tls.send_ticket(), (*HANDSHAKE, "first_byte_timeout"), slow=True)
endless(32, "endless requests to renegotiate", TLS12, lambda tls: tls.ask_to_renegotiate(), (*HANDSHAKE, *FLOODED), slow=True)

# Who the client is


def demanding(number, name, newest, expect, **more):
    @case(number, name, expect, **more)
    def _(peer):
        context = peer.bed.pki.server("good", newest=newest)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(peer.bed.pki.ca_file))
        peer.tls(context)
        peer.answer(ok())


def presenting(label):
    return {"service": {"tls": {"ca": "@ca@", "cert": f"@folder@/{label}.pem", "key": "@folder@/leaf.key"}}}


# In 1.3 the server's alert follows a handshake that is complete for the client, and may be overtaken by a reset.
for label, newest in {"1.2": V12, "1.3": V13}.items():
    demanding(33, f"certificate required, {label}", newest, (*HANDSHAKE, "connection_reset"))
    demanding(33, f"certificate given, {label}", newest, UP, **presenting("client"))
demanding(33, "stranger's certificate given", V13, (*HANDSHAKE, "connection_reset"), **presenting("untrusted"))

# Odd names

session(34, "NUL in a name", "nul", HOSTNAME, host="good.test")
session(34, "punycode", "punycode", UP, host="b\u00fccher.test")
session(34, "trailing dot", "good", UP, host="good.test.")
