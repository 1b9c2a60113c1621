"""A well-behaved server, and how late its checks were."""
import multiprocessing
import socket

from http_cases import ok


def serve_good(listener):
    """One at a time, in a process of its own: what the hostile ones do must not slow it down."""
    while True:
        sock, _ = listener.accept()
        try:
            sock.recv(65536)
            sock.sendall(ok())
        except OSError:
            pass
        sock.close()


def start_good():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    process = multiprocessing.get_context("fork").Process(target=serve_good, args=(listener,), daemon=True)
    process.start()
    port = listener.getsockname()[1]
    listener.close()
    return process, port


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
