"""Certificates, right and wrong: DER written here, keys and signatures by the openssl program."""
import datetime
import functools
import ipaddress
import pathlib
import ssl
import subprocess
import threading


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        length = bytes([size])
    else:
        count = (size.bit_length() + 7) // 8
        length = bytes([0x80 | count]) + size.to_bytes(count, "big")
    return bytes([tag]) + length + body


def seq(*parts):
    return der(0x30, *parts)


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = bytes([40 * first + second])
    for value in rest:
        septets = [value & 0x7F]
        while value := value >> 7:
            septets.append(0x80 | value & 0x7F)
        out += bytes(reversed(septets))
    return der(0x06, out)


def integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def name(common_name):
    return seq(der(0x31, seq(oid("2.5.4.3"), der(0x0C, common_name.encode()))))


def moment(time):
    if time.year < 2050:
        return der(0x17, time.strftime("%y%m%d%H%M%SZ").encode())
    return der(0x18, time.strftime("%Y%m%d%H%M%SZ").encode())


def extension(dotted, value, critical=False):
    return seq(oid(dotted), der(0x01, b"\xff") if critical else b"", der(0x04, value))


def general_name(text):
    """`DNS:name` or `IP:address`; bytes stand for a DNS name as it is."""
    if isinstance(text, bytes):
        return der(0x82, text)
    kind, value = text.split(":", 1)
    return der(0x82, value.encode()) if kind == "DNS" else der(0x87, ipaddress.ip_address(value).packed)


NULL = b"\x05\x00"
ALGORITHMS = {  # what signs: by the kind of the issuer's key and the digest
    ("ec", "sha256"): seq(oid("1.2.840.10045.4.3.2")),
    ("ec", "sha1"): seq(oid("1.2.840.10045.4.1")),
    ("rsa", "sha256"): seq(oid("1.2.840.113549.1.1.11"), NULL),
    ("rsa", "sha1"): seq(oid("1.2.840.113549.1.1.5"), NULL),
    ("rsa", "md5"): seq(oid("1.2.840.113549.1.1.4"), NULL),
}
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout


class Key:
    def __init__(self, path, kind, *options):
        self.path, self.kind = str(path), kind
        algorithm = {"ec": "EC", "rsa": "RSA", "ed25519": "ED25519"}[kind]
        openssl("genpkey", "-algorithm", algorithm, "-out", self.path, *options)
        self.public = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")


class Certificate:
    def __init__(self, common_name, key, encoded):
        self.name, self.key, self.der = common_name, key, encoded
        self.pem = ssl.DER_cert_to_PEM_cert(encoded)


class Pki:
    """One authority that the services trust (`ca`), and whatever is made under it or beside it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.serial = 0
        self.ca = self.make("Hostile Root", self.key("ca"), ca=True)
        self.ca_file = self.folder / "ca.pem"
        self.ca_file.write_text(self.ca.pem)
        self.identities = {}
        self.contexts, self.lock = {}, threading.Lock()
        self.identity("good", ["IP:127.0.0.1", "DNS:good.test"])

    @functools.cache
    def key(self, label, kind="ec", *options):
        if kind == "ec":
            options = ("-pkeyopt", "ec_paramgen_curve:P-256")
        return Key(self.folder / f"{label}.key", kind, *options)

    def make(self, subject, key, issuer=None, *, names=(), before=NOW - DAY, after=NOW + 365 * DAY, ca=False, digest="sha256",
             usage=None, constraints=None, more=()):
        self.serial += 1
        signer = issuer.key if issuer else key
        algorithm = ALGORITHMS[signer.kind, digest]
        extensions = [extension("2.5.29.19", seq(der(0x01, b"\xff")) if ca else seq(), critical=True), *more]
        if names:
            extensions.append(extension("2.5.29.17", seq(*map(general_name, names))))
        if usage:
            extensions.append(extension("2.5.29.37", seq(oid(usage))))
        if constraints:
            permitted = der(0xA0, *(seq(general_name(text)) for text in constraints))
            extensions.append(extension("2.5.29.30", seq(permitted), critical=True))
        body = seq(der(0xA0, integer(2)), integer(self.serial), algorithm, name(issuer.name if issuer else subject),
                   seq(moment(before), moment(after)), name(subject), key.public, der(0xA3, seq(*extensions)))
        signature = openssl("dgst", f"-{digest}", "-sign", signer.path, data=body)
        return Certificate(subject, key, seq(body, algorithm, der(0x03, b"\0", signature)))

    def identity(self, label, names, *, issuer=None, chain=(), key=None, subject="the server", **wishes):
        """A certificate under the trusted authority unless told otherwise, and what is sent with it."""
        certificate = self.make(subject, key or self.key("leaf"), issuer or self.ca, names=names, **wishes)
        return self.present(label, certificate, *chain)

    def present(self, label, *chain):
        (self.folder / f"{label}.pem").write_text("".join(link.pem for link in chain))
        self.identities[label] = chain[0]
        return chain[0]

    def sign(self, label, data):
        return openssl("dgst", "-sha256", "-sign", self.identities[label].key.path, data=data)

    def files(self, label):
        return str(self.folder / f"{label}.pem"), self.identities[label].key.path

    def server(self, label, **options):
        """A server's context of its own for what was presented as `label`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # That weak keys and old versions can be served at all.
        context.set_ciphers(options.get("ciphers", "ALL:@SECLEVEL=0"))
        context.minimum_version = options.get("oldest", ssl.TLSVersion.TLSv1_2)
        context.maximum_version = options.get("newest", ssl.TLSVersion.TLSv1_3)
        context.load_cert_chain(*self.files(label))
        return context

    def shared(self, label, **options):
        """A context that is not to be changed; making one is slow beside a handshake."""
        with self.lock:
            key = (label, *sorted(options.items()))
            if key not in self.contexts:
                self.contexts[key] = self.server(label, **options)
            return self.contexts[key]
