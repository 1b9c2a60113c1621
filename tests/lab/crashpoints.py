"""A kill at every write, sync, rename and send of a scripted run: strace counts the calls, and kills at the n-th."""
import collections
import math
import re
import signal
import time

from harness.processes import Process, Trouble

from .cluster import Cluster
from .proof import Broken, ended, in_parallel
from .target import Target
from .world import World, merged

NAME = "crashpoints"
WHAT = "a kill at every write, sync, rename and send of a scripted run"
SHORT = 36
LONG = math.inf
SERVICES = 6
WORLDS = 3
CALLS = ("write", "writev", "pwrite64", "pwritev", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink",
         "unlinkat", "ftruncate", "fallocate", "sendto", "sendmsg", "mkdir", "link")
# A run is never quite as long as another one: so many calls more are tried than the first one made.
_MORE = 1.1
_SCRIPT_SECONDS = 1.5  # polls each service at least once, exports and purges
_CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)\(")


def run(lab):
    cluster = Cluster(lab.room("cluster"), ["max_connections=50"])
    with ended(cluster):
        points = _points(lab, cluster)
        every = max(1, math.ceil(len(points) / lab.count))
        chosen = points[lab.random.randrange(every)::every]
        lab.say(f"crashpoints: {len(chosen)} of {len(points)} points")
        found = in_parallel([lambda place=place: _world(lab, cluster, place, chosen[place::WORLDS])
                             for place in range(WORLDS)])
    counts = merged(found)
    counts.update(points=len(points), **_saving(lab, every))
    return counts


def _points(lab, cluster):
    """Pairs of a call and how often a thread made it, from a run that nothing ends."""
    room = lab.room("reference")
    target = Target(room)
    world = World(lab, room, SERVICES, cluster, "reference", {"keep_exported": "0"}, target=target)
    with ended(world.daemon, target):
        trace = room / "trace"
        status = _script(world, ["-o", trace, "-e", f"trace={_known()}"])
        if status != 0:
            raise Broken(f"the scripted run ended with {status}: {world.daemon.said()}")
        world.judge()
    most = _most(trace)
    return [(call, number) for call in sorted(most) for number in range(1, math.ceil(most[call] * _MORE) + 1)]


def _most(trace):
    """How often the busiest thread made each call: strace counts for each thread."""
    made = collections.Counter(match.groups() for line in trace.read_text(errors="replace").splitlines()
                               if (match := _CALL.match(line)) and "resumed" not in line)
    most = {}
    for (_, call), count in made.items():
        most[call] = max(most.get(call, 0), count)
    return most


def _known():
    return ",".join(f"?{call}" for call in CALLS)


def _world(lab, cluster, place, points):
    target = Target(lab.room(f"world-{place}"))
    counts, reached, stories = [], 0, []
    with ended(target):
        for number, (call, when) in enumerate(points):
            try:
                one, killed = _point(lab, cluster, target, f"{place}-{number}", 10 * number, call, when)
            except (Broken, Trouble) as broken:
                stories.append(f"killed at {call} number {when}: {broken}")
                continue
            counts.append(one)
            reached += killed
    if stories:
        raise Broken("\n".join(stories))
    return {**merged(counts), "kills": reached, "runs": len(points)}


def _point(lab, cluster, target, name, first, call, when):
    room = lab.room(f"point-{name}")
    database = f"point_{name.replace('-', '_')}"
    world = World(lab, room, SERVICES, cluster, database, {"keep_exported": "0"}, target=target, first=first)
    with ended(world.daemon):
        status = _script(world, ["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"])
        if status not in (0, -signal.SIGKILL):
            raise Broken(f"it ended with {status}: {world.daemon.said()}")
        world.witness()  # what is committed now must not be lost by the next start
        world.start()
        world.daemon.ready()
        flowed = world.flows()
        world.stop()
        counts = {**world.judge().counts, "slowest_recovery_s": round(flowed, 1)}
    cluster.sql(f"DROP DATABASE {database}")
    return counts, int(status != 0)


def _script(world, tracing):
    """Start on an empty folder, poll, commit, export, purge, reload, stop. Its exit status."""
    daemon = world.daemon
    world.start(wrap=["strace", "-D", "-f", "-qq", *tracing], verbosity="-vvv")
    daemon.wait_ready(time.monotonic() + 30)
    _wait(daemon, _SCRIPT_SECONDS * 2 / 3)
    world.added = 1
    daemon.config.services += 1
    daemon.config.write(daemon.folder)
    daemon.config.services -= 1
    if daemon.running():
        daemon.signal(signal.SIGHUP)
    _wait(daemon, _SCRIPT_SECONDS / 3)
    if daemon.running():
        world.stopping()
        daemon.signal(signal.SIGTERM)
    status = daemon.process.wait(30)
    if status is None:
        raise Broken(f"it did not stop: {daemon.said()}")
    daemon.config.write(daemon.folder)
    world.ended(status != 0)
    return status


def _wait(daemon, seconds):
    daemon.process.wait(seconds)


def _saving(lab, every):
    """`config services add` with a kill at every call: the file is the old one or the new one, and can be changed on."""
    room = lab.room("saving")
    target = Target(room)
    world = World(lab, room, SERVICES, target=target)
    daemon = world.daemon
    with ended(target):
        old = daemon.path.read_bytes()
        words = ("config", "services", "add", target.url(500), "GET", "--name", "added")
        trace = room / "trace"
        status = _traced(daemon, words, ["-o", trace, "-e", f"trace={_known()},?openat,?close,?fchmod,?fchown"])
        new = daemon.path.read_bytes()
        if status != 0 or new == old:
            raise Broken(f"config services add ended with {status}: {(daemon.folder / 'command.log').read_text()}")
        most = _most(trace)
        points = [(call, number) for call in sorted(most) for number in range(1, most[call] + 1)][::min(every, 4)]
        kept = {old: 0, new: 0}
        for call, when in points:
            _write(daemon.path, old)
            _traced(daemon, words, ["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"])
            now = daemon.path.read_bytes()
            if now not in kept:
                raise Broken(f"killed at {call} number {when}, the configuration is neither the old one nor the new one")
            kept[now] += 1
        status, said = daemon.run("config", "services", "add", target.url(501), "GET", "--name", "after")
        if status != 0:
            raise Broken(f"after the kills the configuration cannot be changed: {said}")
    return {"saves": len(points), "saves_left_old": kept[old], "saves_left_new": kept[new]}


def _traced(daemon, words, tracing):
    child = Process(["strace", "-D", "-f", "-qq", *tracing, *daemon.command(*words)], daemon.folder / "command.log",
                    death=signal.SIGKILL, environment={"HOME": str(daemon.folder)})
    return child.wait(30)


def _write(path, text):
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(text)
