"""kill -9 at random moments of the whole pipeline under load."""
import time

from .cluster import Cluster
from .proof import Broken, ended, in_parallel
from .world import World, merged

NAME = "kill9"
WHAT = "kill -9 at random moments, while it polls, commits, exports, rolls up and purges"
SHORT = 40
LONG = 2000
SERVICES = 250
WORLDS = 2
# Every so many kills PostgreSQL is away for one life, so that a backlog is there in the next.
_OUTAGE_EVERY = 20
# Every so many lives is long enough that each service must have been checked at its beginning and at its end.
_LONG_EVERY = 10
_LONG_LIFE = 4.5
# Every start is to take less than a second, without the time in which it could run and the machine gave no processor.
_START_LIMIT = 1.0


def run(lab):
    cluster = Cluster(lab.room("cluster"), ["max_connections=50"])
    with ended(cluster):
        share = [lab.count // WORLDS + (1 if place < lab.count % WORLDS else 0) for place in range(WORLDS)]
        seeds = [lab.random.randrange(1 << 30) for _ in share]
        found = in_parallel([lambda place=place: _world(lab, cluster, place, seeds[place], share[place])
                             for place in range(WORLDS)])
    pairs = [pair for one in found for pair in one.pop("starts")]
    starts = sorted(start for start, _ in pairs)
    own = sorted(start - waited for start, waited in pairs)
    counts = merged(found)
    counts.update(start_p50_ms=round(_at(starts, 0.5) * 1000), start_p99_ms=round(_at(starts, 0.99) * 1000),
                  start_max_ms=round(starts[-1] * 1000), start_over_1_s=sum(start > _START_LIMIT for start in starts),
                  start_max_ms_without_waiting_for_a_processor=round(own[-1] * 1000))
    if own[-1] > _START_LIMIT * lab.slowness:
        raise Broken(f"a start took {own[-1]:.2f} s, the longest of {len(own)}, without its wait for a processor")
    return counts


def _world(lab, cluster, place, seed, kills):
    choice = lab.random.__class__(seed)
    world = World(lab, lab.room(f"world-{place}"), SERVICES, cluster, f"world_{place}", {"keep_exported": "0"})
    starts, early = [], 0
    with ended(world.daemon, world.target):
        for number in range(kills):
            away = number % _OUTAGE_EVERY == _OUTAGE_EVERY - 1
            if away:
                cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS false")
            early += _one_life(world, choice, starts, _LONG_LIFE if number % _LONG_EVERY == _LONG_EVERY - 2 else 0)
            if away:
                cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS true")
        world.start()
        world.daemon.ready(30 * lab.slowness)
        flowed = world.flows()
        world.stop()
        counts = dict(world.judge().counts)
    return {**counts, "kills": kills, "kills_before_ready": early, "slowest_recovery_s": round(flowed, 1),
            "starts": starts}


def _one_life(world, choice, starts, at_least):
    """One start, and its kill. Whether that came before it was ready."""
    world.start()
    slowness = world.lab.slowness
    if not at_least and choice.random() < 0.1:  # in the midst of the start
        end = time.monotonic() + choice.uniform(0, 0.12) * slowness
        ready = world.daemon.wait_ready(end)
        time.sleep(max(0, end - time.monotonic()))
    else:
        took = world.daemon.ready(30 * slowness)
        starts.append((took, world.daemon.waited_for_a_processor()))
        ready = True
        end = time.monotonic() + at_least + choice.uniform(0, 0.7) * slowness
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
            world.witness()
    if not world.daemon.running():
        raise Broken(f"the monitor ended by itself: {world.daemon.said()}")
    world.kill()
    return 0 if ready else 1


def _at(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]
