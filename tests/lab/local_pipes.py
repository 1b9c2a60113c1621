"""Whoever reads the log hangs or goes away; signals that mean nothing, or come in masses."""
import fcntl
import os
import signal
import socket
import sys
import time

from harness.processes import wait_until

from .cases import finished, polls_on, require

_SH = ("sh", "-c")


def log_blocked(scene):
    """Its reader stops reading; lines are dropped and counted, checks go on."""
    world = scene.world(services=100)
    fifo = scene.room / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    world.start(wrap=(*_SH, f'exec "$@" 2>"{fifo}"', "sh"), verbosity="-vvvvv")
    world.daemon.ready(30 * scene.lab.slowness)
    polls_on(world, scene.seconds(5, 60))
    wait_until(lambda: "log lines dropped" in world.daemon.status, 30,
               lambda: f"the status does not tell of lost lines: {world.daemon.status}")
    while True:
        try:
            if not os.read(reader, 65536):
                break
        except BlockingIOError:
            break
    recovered = world.flows()
    begin = time.monotonic()
    world.stop()
    require(time.monotonic() - begin < 15 * scene.lab.slowness, "a blocked log held up the stop")
    os.close(reader)
    return {**world.judge().counts, "slowest_recovery_s": round(recovered, 1)}


def log_reader_gone(scene):
    world = scene.world()
    fifo = scene.room / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    world.start(wrap=(*_SH, f'exec "$@" 2>"{fifo}"', "sh"), verbosity="-vvvvv")
    world.daemon.ready(30 * scene.lab.slowness)
    os.close(reader)
    polls_on(world)
    return finished(world)


def streams_closed(scene):
    """Each of the three, and all: no other file may take their numbers."""
    counts = {}
    world = scene.world()
    for closed in ("2>&-", ">&-", "<&-", "<&- >&- 2>&-"):
        world.start(wrap=(*_SH, f'exec "$@" {closed}', "sh"), verbosity="-vvvvv")
        world.daemon.ready(30 * scene.lab.slowness)
        polls_on(world, 2)
        world.flows()
        world.stop()
    counts.update(world.judge().counts)
    return counts


def journal_gone(scene):
    """The log is a socket, as under systemd, and its other end goes away."""
    world = scene.world()
    path = str(scene.room / "journal")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    connect = ("import os,socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); os.dup2(s.fileno(), 2);"
               "os.execvp(sys.argv[2], sys.argv[2:])")
    world.start(wrap=(sys.executable, "-c", connect, path), verbosity="-vvvvv")
    journal, _ = listener.accept()
    world.daemon.ready(30 * scene.lab.slowness)
    journal.close()
    listener.close()
    polls_on(world)
    return finished(world)


def signals_in_masses(scene):
    world = scene.started(services=100)
    end = time.monotonic() + scene.seconds(4, 60)
    sent = 0
    while time.monotonic() < end:
        for number in (signal.SIGHUP, signal.SIGPIPE):
            world.daemon.signal(number)
            sent += 1
        time.sleep(0.005)
    require(world.daemon.running(), f"the monitor has ended: {world.daemon.said()}")
    polls_on(world, 2)
    return {**finished(world), "signals": sent}


CASES = [streams_closed, log_blocked, signals_in_masses, journal_gone, log_reader_gone]
