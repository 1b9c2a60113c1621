"""Descriptors, threads and memory run out."""
import pathlib
import resource
import subprocess
import time

from harness.processes import wait_until

from .cases import Injected, back_to, finished, held, lines_so_far, polls_on, refused, require, says


def _limit(world, what, value):
    subprocess.run(["prlimit", "--pid", str(world.daemon.process.pid), f"--{what}={value}:"], check=True)


def _judged_down(world):
    return world.local("SELECT count(*) FROM monitoring_view WHERE verdict = 'down'")


def few_descriptors_at_start(scene):
    """Too few for what it needs: it says so. Few: fewer checks at once, and what found no room is told."""
    world = scene.world(services=40, service_keys="timeout: 2")
    world.start(wrap=("prlimit", "--nofile=12:12"))
    status = world.daemon.process.wait(5)
    require(status in (None, 1, 2), f"with 12 open files the start ended with {status}: {world.daemon.said()}")
    world.kill()
    world.lives.pop()
    since = lines_so_far(world)
    world.start(wrap=("prlimit", "--nofile=72:72"))
    world.daemon.ready(30 * scene.lab.slowness)
    polls_on(world)
    world.target.behave("slow", seconds=1.5)
    says(world, "open files", since, 90)
    world.target.behave("answer")
    require(not _judged_down(world), "services are down for want of our descriptors")
    return finished(world)


def descriptors_exhausted(scene):
    """While it runs. What cannot be checked is unknown, never down."""
    world = scene.started(services=40)
    before = held(world)
    since = lines_so_far(world)
    usual = resource.prlimit(world.daemon.process.pid, resource.RLIMIT_NOFILE)[0]
    _limit(world, "nofile", 3)
    says(world, "could not be judged", since)
    time.sleep(scene.seconds(3, 60))
    require(world.daemon.running(), f"the monitor has ended: {world.daemon.said()}")
    _limit(world, "nofile", usual)
    world.flows()
    back_to(world, before, room=8)
    require(not _judged_down(world), "services are down for want of our descriptors")
    outcomes = world.local("SELECT count(*) FROM monitoring_view WHERE verdict = 'unknown'")
    require(outcomes > 0, "no check was unknown while there were no descriptors")
    return {**finished(world), "unknown": outcomes}


def threads_refused(scene):
    """Each thread in its turn, until there are enough: a start says what it lacks, or does without."""
    world = scene.world()
    tried = 0
    for number in range(1, 12):
        since = lines_so_far(world)
        calls = "clone,clone3"
        # glibc tries clone3 first, and clone only where that is unknown.
        world.start(wrap=("strace", "-D", "-f", "-qq", "-o", str(scene.room / "trace"), "-e", f"trace={calls}", "-e",
                          f"inject=clone3:error=EAGAIN:when={number}+"))
        ready = world.daemon.wait_ready(time.monotonic() + 20 * scene.lab.slowness)
        said = "\n".join(world.daemon.lines()[since:])
        if ready:
            time.sleep(1)
            require(world.daemon.running(), f"it ended when thread {number} was refused: {said[-600:]}")
            world.flows()
            world.kill()
            tried += 1
            if "EAGAIN" not in (scene.room / "trace").read_text():
                break
            continue
        status = world.daemon.process.wait(10)
        world.died()
        world.lives.pop()
        require(status == 1, f"a start without thread {number} ended with {status}: {said[-600:]}")
        require("thread" in said or "Resource temporarily unavailable" in said,
                f"the error does not tell of threads: {said[-600:]}")
        tried += 1
    world.start()
    world.daemon.ready(30 * scene.lab.slowness)
    return {**finished(world), "refused_threads": tried}


def little_memory_at_start(scene):
    """Each limit either lets it run, or makes it say that there is too little, with the status that systemd does not answer
    with another start; it never aborts."""
    world = scene.world(services=100)
    ran = said_so = 0
    for megabytes in (40, 85, 100, 110, 130, 160, 300):
        since = lines_so_far(world)
        world.start(wrap=("prlimit", f"--as={megabytes << 20}"))
        ready = world.daemon.wait_ready(time.monotonic() + 3)
        said = "\n".join(world.daemon.lines()[since:])
        if ready:
            time.sleep(1)
            require(world.daemon.running(), f"it ended with {megabytes} MiB after it was ready: {world.daemon.said()}")
            world.stop()
            ran += 1
            continue
        status = world.daemon.process.wait(10)
        world.died()
        world.lives.pop()
        # 127: the dynamic linker itself found no room.
        require(status in (2, 127), f"a start with {megabytes} MiB ended with {status}: {said[-400:]}")
        require(status == 127 or "too little memory to start" in said,
                f"a start with {megabytes} MiB does not tell why it ended: {said[-400:]}")
        said_so += 1
    world.start()
    world.daemon.ready(30 * scene.lab.slowness)
    return {**finished(world), "starts_with_little_memory": ran, "starts_refused_for_memory": said_so}


def memory_limited(scene):
    """While it runs, and every server is slow, so that it needs more than there is: it begins no more checks, says so, and
    begins again when the limit is lifted."""
    world = scene.started(services=400, service_keys="timeout: 4")
    since = lines_so_far(world)
    size = int((pathlib.Path(f"/proc/{world.daemon.process.pid}") / "statm").read_text().split()[0]) * 4096
    _limit(world, "as", size + (1 << 20))
    world.target.behave("slow", seconds=3)
    says(world, "There is no memory left but a reserve", since)
    wait_until(lambda: "memory is short" in world.daemon.status, 20 * scene.lab.slowness,
               lambda: f"the status does not tell of memory: {world.daemon.status}")
    end = time.monotonic() + scene.seconds(5, 60)
    while time.monotonic() < end:
        world.witness()
        require(world.daemon.running(), f"the monitor has ended: {world.daemon.said()}")
        time.sleep(0.05)
    world.target.behave("answer")
    _limit(world, "as", "unlimited")
    says(world, "There is memory again", since, 60)
    require(not _judged_down(world), "services are down for want of our memory")
    return finished(world)


CASES = [few_descriptors_at_start, threads_refused, little_memory_at_start, memory_limited, descriptors_exhausted]
