"""Cases of one command: each a function of its Scene, in a world of its own, several at a time."""
import os
import pathlib
import subprocess
import time
import traceback

from harness.processes import Trouble, wait_until

from .proof import Broken, ended, in_parallel
from .world import World, merged

# Most of a case is waiting.
STREAMS = 4


class Scene:
    """What a case is given: a room, a database that bears its name, and what is common to cases."""

    def __init__(self, lab, cluster, name):
        self.lab = lab
        self.cluster = cluster
        self.name = name
        self.room = lab.room(name)
        self.random = lab.random.__class__(f"{lab.seed} {name}")
        self.worlds = []

    def world(self, services=20, name="world", export=True, **more):
        room = self.room / name
        room.mkdir()
        room.chmod(0o711)
        database = f"{self.name}_{name}" if export else ""
        world = World(self.lab, room, services, self.cluster if export else None, database, **more)
        self.worlds.append(world)
        return world

    def started(self, **more):
        """A world whose pipeline flows from end to end."""
        world = self.world(**more)
        world.start()
        world.daemon.ready(30 * self.lab.slowness)
        world.flows()
        return world

    def seconds(self, short, long):
        return long if self.lab.long else short

    def close(self):
        with ended(*(world.daemon for world in self.worlds), *(world.target for world in self.worlds)):
            for world in self.worlds:
                world.forget_reader()


class LeftOut(Exception):
    """This machine cannot do it; the line says which and why."""


def run(lab, cluster, cases):
    """Every case of `cases`, functions whose names are theirs. Their counts; Broken with the stories of all failures."""
    share = [cases[place::STREAMS] for place in range(min(STREAMS, len(cases)))]
    found = in_parallel([lambda mine=mine: [_one(lab, cluster, case) for case in mine] for mine in share])
    outcomes = [outcome for stream in found for outcome in stream]
    if failures := [story for _, story in outcomes if story]:
        raise Broken("\n".join(failures))
    counts = merged([counts for counts, _ in outcomes])
    counts["cases"] = len(outcomes) - counts.get("cases_left_out", 0)
    return counts


def _one(lab, cluster, case):
    name = case.__name__
    begin = time.monotonic()
    scene = Scene(lab, cluster, name)
    try:
        counts = case(scene) or {}
    except LeftOut as reason:
        lab.say(f"{name} is left out: {reason}")
        return {"cases_left_out": 1}, None
    except (Broken, Trouble) as failure:
        return {}, f"{name}: {failure}"
    except Exception:  # the lab's own fault: told whole
        return {}, f"{name}: {traceback.format_exc()}"
    finally:
        scene.close()
    lab.say(f"{name}: {time.monotonic() - begin:.1f} s")
    return counts, None


def finished(world, seconds=60):
    """After the fault: it flows again, stops when asked to, and its books are right. Their counts."""
    recovered = world.flows(seconds)
    world.stop()
    return {**world.judge().counts, "slowest_recovery_s": round(recovered, 1)}


def require(truth, story):
    if not truth:
        raise Broken(story)


def polls_on(world, seconds=3.0):
    """While the fault lasts: requests come as configured, and the program lives."""
    before = world.target.count()
    time.sleep(seconds)
    came = world.target.count() - before
    require(world.daemon.running(), f"the monitor has ended: {world.daemon.said()}")
    want = world.daemon.config.services * seconds / world.daemon.config.interval
    require(came >= want * 0.7 / world.lab.slowness, f"{came} requests came in {seconds} s instead of {want:.0f}: "
            f"{world.daemon.said()}")


def refused(world, words, wrap=(), environment=None, seconds=15):
    """A start that cannot work ends soon, with an error that a person understands."""
    since = len(world.daemon.lines())
    world.start(wrap=wrap, environment=environment)
    status = world.daemon.process.wait(seconds * world.lab.slowness)
    world.died()
    said = "\n".join(world.daemon.lines()[since:])
    require(status is not None, f"a start that cannot work goes on: {said[-600:]}")
    require(status in (1, 2), f"a start that cannot work ended with {status}: {said[-600:]}")
    for word in words:
        require(word.lower() in said.lower(), f"the error does not say {word!r}: {said[-600:]}")
    world.lives.pop()
    return said


def says(world, text, since=0, seconds=30):
    return world.daemon.wait_for_line(text, seconds * world.lab.slowness, since)


def lines_so_far(world):
    return len(world.daemon.lines())


def held(world):
    """How many threads and open files it has now."""
    process = pathlib.Path(f"/proc/{world.daemon.process.pid}")
    return len(os.listdir(process / "task")), len(os.listdir(process / "fd"))


def back_to(world, before, room=4, seconds=15):
    """Threads and files are again as many as before."""
    wait_until(lambda: all(now <= then + room for now, then in zip(held(world), before)), seconds * world.lab.slowness,
               lambda: f"threads and open files were {before}, and are {held(world)} after the fault")


class Injected:
    """System calls of a running monitor fail while this lasts (strace --inject)."""

    def __init__(self, world, calls, what):
        self._child = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(world.daemon.process.pid), "-e", f"trace={calls}", "-e",
             f"inject={calls}:{what}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        pid = world.daemon.process.pid

        def attached():
            if self._child.poll() is not None:
                raise Trouble(f"strace: {self._child.stderr.read().decode(errors='replace').strip()}")
            return all(f"TracerPid:\t{self._child.pid}" in pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text()
                       for task in os.listdir(f"/proc/{pid}/task"))
        wait_until(attached, 10, lambda: "strace does not attach")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.terminate()
        self._child.wait(10)


class Tmpfs:
    """A disk of its own, so many bytes large."""

    def __init__(self, folder, size, options=""):
        self.folder = folder
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700{options}", "monitor-prove", folder],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LeftOut(f"no right to mount: {done.stderr.strip()}")

    def __enter__(self):
        return self

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True)

    def fill(self):
        with open(self.folder / "filler", "ab", buffering=0) as filler:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError:
                    continue

    def free(self):
        (self.folder / "filler").unlink()

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=False)
