"""D1 to D18: name servers that refuse, stall, lie or answer with what leads nowhere."""
import socket

from bed import Case
from http_cases import ok
from names import AAAA, CNAME, NXDOMAIN, REFUSED, SERVFAIL, A, record, wire

UP = ("up",)
TIMEOUT = ("dns_timeout",)
FAILURE = ("dns_failure",)
UNREACHABLE = ("unreachable",)
CROWD = 64

CASES = []
BEHAVIOURS = {"*": lambda question, _: [(0, question.addresses("127.0.0.1"))]}


def good(peer):
    peer.answer(ok())


def case(number, name, expect, label=None, port="dns", **more):
    """The name that is asked for begins with `label`, by which the name server knows what to do."""
    label = label or f"d{number}-{name}".lower().replace(" ", "-").replace(",", "")
    more.setdefault("url", f"http://{label}.test:@port@/")
    service = {"resolver": f"127.0.0.1:@{port}@", **more.pop("service", {})}

    def add(behave):
        BEHAVIOURS[label] = behave
        CASES.append(Case(f"D{number}", name, good, tuple(expect), service=service, **more))
        return behave

    return add


def answers(number, name, expect, say, **more):
    """A name server that says the same by UDP and TCP."""
    case(number, name, expect, **more)(lambda question, _: [(0, say(question))])


def by_tcp(say):
    """Too long for UDP."""
    return lambda question, over_tcp: [(0, say(question) if over_tcp else question.answer(cut=True))]


def addresses(*all_of_them, **options):
    return lambda question: question.addresses(*all_of_them, **options)


answers(1, "NXDOMAIN", ("dns_nxdomain",), lambda question: question.answer(code=NXDOMAIN))
answers(2, "SERVFAIL", FAILURE, lambda question: question.answer(code=SERVFAIL))
answers(3, "REFUSED", FAILURE, lambda question: question.answer(code=REFUSED))
case(4, "no reply", TIMEOUT, slow=True)(lambda *_: [])
case(5, "late reply", UP)(lambda question, _: [(0.9, question.addresses("127.0.0.1"))])
case(5, "reply after the timeout", TIMEOUT, slow=True)(lambda question, _: [(4, question.addresses("127.0.0.1", ttl=0))])
answers(6, "cut, TCP refused", (*FAILURE, *TIMEOUT), lambda question: question.answer(cut=True), port="dns_udp")


@case(7, "cut, TCP hangs", TIMEOUT, slow=True)
def _(question, over_tcp):
    return [] if over_tcp else [(0, question.answer(cut=True))]


def alias(owner, target):
    return record(wire(owner), CNAME, wire(target))


answers(8, "CNAME loop", (*FAILURE, "dns_nxdomain"),
        lambda question: question.answer(alias(question.name, "loop.test"), alias("loop.test", question.name)))
answers(8, "CNAME to itself", (*FAILURE, "dns_nxdomain"), lambda question: question.answer(alias(question.name, question.name)))


@case(9, "chain of 50", UP)
def _(question, over_tcp):
    names = [question.name, *(f"link{i}.test" for i in range(50))]
    chain = [alias(owner, target) for owner, target in zip(names, names[1:])]
    last = [record(wire(names[-1]), A, socket.inet_aton("127.0.0.1"))] if question.kind == A else []
    return [(0, question.answer(*chain, *last) if over_tcp else question.answer(cut=True))]


answers(10, "empty NOERROR", (*FAILURE, "dns_nxdomain"), lambda question: question.answer())
answers(11, "A only", UP, addresses("127.0.0.1"))
answers(11, "AAAA only", UP, addresses("::1"), address="::1")
answers(11, "AAAA refused, A answers", UP, addresses("::1", "127.0.0.1"))


@case(11, "AAAA hangs, A answers", UP)
def _(question, _):
    return [] if question.kind == AAAA else [(0, question.addresses("127.0.0.1"))]


@case(11, "A hangs, AAAA answers", UP, address="::1")
def _(question, _):
    return [] if question.kind == A else [(0, question.addresses("::1"))]


@case(11, "AAAA fails, A answers", UP)
def _(question, _):
    return [(0, question.answer(code=SERVFAIL) if question.kind == AAAA else question.addresses("127.0.0.1"))]


def crowd(third):
    return [f"127.0.{third}.{i}" for i in range(1, CROWD + 1)]


case(12, "64 addresses, 63 black holes", UP, label="d12-crowd", address=crowd(1)[-1], shares_port=True, service={"timeout": 5},
     others={f"hole{i}": (address, None) for i, address in enumerate(crowd(1)[:-1])})(by_tcp(addresses(*crowd(1))))
case(12, "64 addresses, 63 refuse", UP, label="d12-refusing", address=crowd(2)[-1])(by_tcp(addresses(*crowd(2))))


def both_addresses(rows):
    seen = {row["remote_address"] for row in rows}
    return None if len(rows) < 2 or seen == {"127.0.0.1", "127.0.0.2"} else f"only {seen} were connected to"


def alternating(question, _):
    """Another address at each question, with a TTL of 0."""
    last = 1 + question.server.count((question.name, question.kind)) % 2
    return [(0, question.addresses(f"127.0.0.{last}", ttl=0))]


case(13, "TTL 0, changing address", UP, others={"second": ("127.0.0.2", good)}, shares_port=True,
     verify=both_addresses)(alternating)
BEHAVIOURS["rebind"] = alternating  # H101

answers(14, "garbage", (*FAILURE, *TIMEOUT), lambda question: question.id + b"\xff" * 200, slow=True)
answers(14, "short packet", (*FAILURE, *TIMEOUT), lambda question: question.id + b"\x81", slow=True)
answers(14, "records cut short", (*FAILURE, *TIMEOUT), lambda question: question.addresses("127.0.0.1", "127.0.0.1")[:-9], slow=True)
answers(14, "wrong id", TIMEOUT, lambda question: question.answer(code=NXDOMAIN, identity=b"\0\0"), slow=True)


@case(14, "wrong id before the right one", UP)
def _(question, _):
    forged = bytes([question.id[0] ^ 1, question.id[1]])
    return [(0, question.answer(code=NXDOMAIN, identity=forged)), (0, question.addresses("127.0.0.1"))]


@case(14, "answer to another question", (*FAILURE, *TIMEOUT, "dns_nxdomain"), slow=True)
def _(question, _):
    other = record(wire("other.test"), A, socket.inet_aton("127.0.0.1"))
    return [(0, question.answer(other))]


for address in ("0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "fe80::1"):
    answers(15, f"address {address}", UNREACHABLE, addresses(address), label=f"d15-{address.translate(str.maketrans('.:', '--'))}x")

for name, host in {
    "name of 254 characters": ".".join(["a" * 62] * 4) + ".xy",
    "label of 64 characters": "a" * 64 + ".test",
    "NUL": "a%00b.test",
    "space": "a%20b.test",
}.items():
    CASES.append(Case("D16", name, None, (), url=f"http://{host}/", refused="the host|a label"))
answers(16, "underscore", UP, addresses("127.0.0.1"), label="d16_underscore")
answers(16, "IDN", UP, addresses("127.0.0.1"), label="xn--d16-bcher-u9a", url="http://d16-b\u00fccher.test:@port@/")
