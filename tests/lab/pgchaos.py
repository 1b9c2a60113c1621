"""Random faults of PostgreSQL and of the way to it, while the agent polls."""
import time

from . import pgfaults
from .proof import Broken, ended, in_parallel
from .world import World, merged

NAME = "pgchaos"
WHAT = "random faults of PostgreSQL and of the network before it, X1 to X12 of the matrix"
SHORT = 16
LONG = 300
SERVICES = 60
WORLDS = 2
# Arrived results stay here so long. A failover that loses less is made up for; one that loses more leaves a gap.
_KEEP = 10
# The agent may begin checks as late as this at most, whatever PostgreSQL does.
_LATE_P99 = 0.25
_LATE_MAX = 2.0
_FLOWS_WITHIN = 75


def run(lab):
    share = [lab.count // WORLDS + (1 if place < lab.count % WORLDS else 0) for place in range(WORLDS)]
    seeds = [lab.random.randrange(1 << 30) for _ in share]
    # Each kind comes before any comes again; the worlds begin at different places of one shuffled list.
    order = list(pgfaults.FAULTS)
    lab.random.shuffle(order)
    plans = [[order[(sum(share[:place]) + number) % len(order)] for number in range(share[place])]
             for place in range(WORLDS)]
    if lab.long:
        plans.append(list(pgfaults.LONG_FAULTS))
        seeds.append(lab.random.randrange(1 << 30))
    found = in_parallel([lambda place=place: _world(lab, place, seeds[place], plans[place]) for place in range(len(plans))])
    kinds = {}
    for one in found:
        for kind, times in one.pop("kinds").items():
            kinds[kind] = kinds.get(kind, 0) + times
    return {**merged(found), **{f"fault_{kind}": kinds[kind] for kind in sorted(kinds)}}


def _world(lab, place, seed, plan):
    choice = lab.random.__class__(seed)
    room = lab.room(f"world-{place}")
    sea = pgfaults.Sea(room, choice)
    kinds, recoveries, unnoticed = {}, [], {}
    with ended(sea):
        world = World(lab, room, SERVICES, sea, "chaos", {"keep_exported": str(_KEEP)})
        with ended(world.daemon, world.target):
            world.start()
            world.daemon.ready()
            world.flows()
            with world.watched():
                for number, kind in enumerate(plan):
                    lab.say(f"pgchaos {place}: fault {number + 1} of {len(plan)}: {kind}")
                    kinds[kind] = kinds.get(kind, 0) + 1
                    said = len(_away(world))
                    recoveries.append(_suffer(world, sea, kind))
                    if len(_away(world)) == said:
                        unnoticed[f"unnoticed_{kind}"] = unnoticed.get(f"unnoticed_{kind}", 0) + 1
            world.stop()
            world.allowance.destroyed = sea.destroyed
            verdict = world.judge(fail=False)
            counts = {**verdict.counts, "longest_unwatched_ms": round(world.unwatched * 1000)}
            # Every one of these faults is the server's, or the table's.
            if counts["quarantined"]:
                verdict.wrong(f"{counts['quarantined']} good results are set aside")
            verdict.faults += _not_late(world, lab, counts) + _not_loud(world, counts, len(plan))
            if verdict.faults:
                raise Broken("\n".join(verdict.faults))
    return {**counts, **unnoticed, "faults": len(plan), "slowest_recovery_s": round(max(recoveries), 1), "kinds": kinds}


def _suffer(world, sea, kind):
    """One fault from its beginning until everything flows again; how many seconds that took after its end."""
    try:
        end = time.monotonic() + sea.choice.uniform(1.0, 3.0)
        for _ in {**pgfaults.FAULTS, **pgfaults.LONG_FAULTS}[kind](sea):  # it waits where it yields
            time.sleep(max(0, end - time.monotonic()))
            end = time.monotonic() + sea.choice.uniform(0.5, 1.5)
        return world.flows(_FLOWS_WITHIN)
    except Broken as broken:
        raise Broken(f"after {kind}: {broken}") from None


def _not_late(world, lab, counts):
    rows = sorted(row.lateness / 1e6 for row in world.witnessed.values())
    p99, most = rows[int(len(rows) * 0.99)], rows[-1]
    counts.update(p99_lateness_ms=round(p99 * 1000), longest_lateness_ms=round(most * 1000))
    skipped = sum(counts.get(f"skipped_{reason}", 0) for reason in ("still_running", "pool_exhausted", "suspended"))
    faults = []
    if p99 > _LATE_P99 * lab.slowness or most > _LATE_MAX * lab.slowness:
        faults.append(f"checks began late: p99 {p99:.3f} s, at most {most:.3f} s")
    if skipped:
        faults.append(f"{skipped} slots were skipped though the target answers at once")
    return faults


def _not_loud(world, counts, faults):
    """Each change of state is one line."""
    bad = _away(world)
    again = [line for line in world.daemon.lines() if "results are exported to PostgreSQL" in line]
    counts.update(lines_away=len(bad), lines_back=len(again))
    if len(bad) > 4 * faults or len(again) > 2 * faults:
        return [f"{len(bad)} lines say that nothing is exported, {len(again)} that it is again, for {faults} faults"]
    return []


def _away(world):
    return [line for line in world.daemon.lines() if "nothing is exported for now" in line]
