"""The server side of a TLS session driven through libssl itself, for what Python's ssl module has no words for."""
import ctypes

LIBRARY = ctypes.CDLL("libssl.so.3")
POINTER, TEXT, INT, SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
PEM = 1
SET_MIN, SET_MAX = 123, 124  # SSL_CTRL_SET_MIN_PROTO_VERSION and …MAX…
TLS12, TLS13 = 0x0303, 0x0304


def declare(name, result, *arguments):
    function = getattr(LIBRARY, name)
    function.restype, function.argtypes = result, arguments
    return function


server_method = declare("TLS_server_method", POINTER)
context_new = declare("SSL_CTX_new", POINTER, POINTER)
context_free = declare("SSL_CTX_free", None, POINTER)
context_control = declare("SSL_CTX_ctrl", ctypes.c_long, POINTER, INT, ctypes.c_long, POINTER)
use_chain = declare("SSL_CTX_use_certificate_chain_file", INT, POINTER, TEXT)
use_key = declare("SSL_CTX_use_PrivateKey_file", INT, POINTER, TEXT, INT)
session_new = declare("SSL_new", POINTER, POINTER)
session_free = declare("SSL_free", None, POINTER)
set_descriptor = declare("SSL_set_fd", INT, POINTER, INT)
accept = declare("SSL_accept", INT, POINTER)
do_handshake = declare("SSL_do_handshake", INT, POINTER)
key_update = declare("SSL_key_update", INT, POINTER, INT)
new_ticket = declare("SSL_new_session_ticket", INT, POINTER)
renegotiate = declare("SSL_renegotiate", INT, POINTER)
session_read = declare("SSL_read", INT, POINTER, TEXT, INT)
session_write = declare("SSL_write", INT, POINTER, TEXT, INT)


class Session:
    """A session that has been accepted on the peer's socket. Every call raises OSError when OpenSSL says no."""

    def __init__(self, peer, label, version):
        peer.sock.settimeout(None)  # libssl wants a blocking descriptor; the client always goes away first
        chain, key = (path.encode() for path in peer.bed.pki.files(label))
        self.context = context_new(server_method())
        self.session = None
        for command in (SET_MIN, SET_MAX):
            self.demand(context_control(self.context, command, version, None))
        self.demand(use_chain(self.context, chain))
        self.demand(use_key(self.context, key, PEM))
        self.session = session_new(self.context)
        self.demand(set_descriptor(self.session, peer.sock.fileno()))
        self.demand(accept(self.session))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        session_free(self.session)
        context_free(self.context)

    @staticmethod
    def demand(result):
        if result <= 0:
            raise OSError("OpenSSL said no")

    def read(self):
        buffer = ctypes.create_string_buffer(65536)
        self.demand(session_read(self.session, buffer, len(buffer)))

    def write(self, data):
        self.demand(session_write(self.session, data, len(data)))

    def send_key_update(self):
        self.demand(key_update(self.session, 0))
        self.demand(do_handshake(self.session))

    def send_ticket(self):
        self.demand(new_ticket(self.session))
        self.demand(do_handshake(self.session))

    def ask_to_renegotiate(self):
        self.demand(renegotiate(self.session))
        self.demand(do_handshake(self.session))
