"""The property of every sequence of faults, judged from outside:

requests the target saw ⊇ results; results committed = results in PostgreSQL ∪ results local; no number twice; no hole
but those that a gap, the quarantine or the commit window before a kill explains, each of which is counted.
"""
import bisect
import collections
import dataclasses

from . import books as ledger
from .target import number_in

# A request reaches the target after the check began and before it ended; both clocks are this machine's, and the
# target may be late to look at it.
_CLOCK_SLACK = 2_000_000
# A new service is checked within its interval, but never later than this.
_FIRST_WITHIN = 30
# What a gap of these reasons tells of existed, and is not in PostgreSQL.
_LOST = {"disk_full", "size_cap", "remote_lost", "unstored", "refused", "file_lost"}


@dataclasses.dataclass
class Life:
    """From one start to its end; µs since 1970."""

    began: int
    ended: int
    killed: bool
    ready: int = 0
    """0: it never was, as far as is known."""
    asked: int = 0
    """When it was asked to stop; 0: it was not."""


@dataclasses.dataclass
class Verdict:
    counts: dict = dataclasses.field(default_factory=collections.Counter)
    faults: list = dataclasses.field(default_factory=list)
    """Sentences; empty when everything is explained."""

    def wrong(self, what, examples=()):
        shown = "; ".join(str(example) for example in list(examples)[:3])
        self.faults.append(f"{what}{': ' if shown else ''}{shown}")


@dataclasses.dataclass
class Allowance:
    """What the faults of a run explain."""

    window_us: int = 1_500_000
    """How long before a kill a request may have come of which nothing was committed."""
    unanswered: tuple = ()
    """Stretches (from, to) in which requests may have no row, each with a reason that the lab itself gave."""
    destroyed: dict = dataclasses.field(default_factory=dict)
    """Rows of PostgreSQL by (agent, number) that the lab itself deleted there, as a DROP TABLE does."""
    former: set = dataclasses.field(default_factory=set)
    """Agents of a file that is no more, whose numbers nobody can compare."""
    replaced: dict = dataclasses.field(default_factory=dict)
    """Rows of the local database, by (agent, number), that an older copy took the place of: PostgreSQL may have them."""
    interval: int = 1
    slot_slack_us: int = 60_000
    services: tuple = ()
    """All that are configured: each has slots from the start of every life to its end."""
    end_slack_us: int = 1_000_000
    """How much later than an interval after the start its first slot may be, and earlier than that before the end its
    last one."""


def judge(requests, local, remote, lives, witnessed=None, allowance=None):
    """`witnessed`: every row that a reader of the local database saw at any time, by number."""
    allowance = allowance or Allowance()
    verdict = Verdict()
    _integrity(local, remote, verdict)
    union = _union(local, remote, allowance.former, verdict)
    _given_again(local, remote, allowance.replaced, verdict)
    there = {**allowance.destroyed, **allowance.replaced, **union}
    _holes({key: row for key, row in there.items() if key[0] not in allowance.former}, local, remote, allowance.replaced,
           verdict)
    there = _witnessed(there, local, remote, witnessed or {}, verdict)
    unmatched = _match(requests, there, verdict)
    skipped = {**remote.skipped, **local.skipped}.values()
    lost = [gap for gap in {**remote.gaps, **local.gaps}.values() if gap.reason in _LOST]
    unmatched = _dropped(unmatched, _unseen(lost, there), verdict)
    _unanswered(unmatched, skipped, lives, allowance, verdict)
    stopped = [gap for gap in {**remote.gaps, **local.gaps}.values() if gap.reason == "not_running"]
    _slots(there, skipped, lost, stopped, lives, allowance, verdict)
    verdict.counts.update(requests=len(requests), results=len(union), in_postgresql=len(remote.rows),
                          local=len(local.rows), quarantined=len(local.quarantined),
                          gaps=len({**remote.gaps, **local.gaps}), destroyed_by_the_lab=len(allowance.destroyed),
                          lives=len(lives))
    return verdict


def _integrity(local, remote, verdict):
    if local.integrity != ["ok"]:
        verdict.wrong("the local database is damaged", local.integrity)
    for name, books in (("the local database", local), ("PostgreSQL", remote)):
        if books.twice:
            verdict.wrong(f"{len(books.twice)} numbers are twice in {name}", books.twice)


def _union(local, remote, former, verdict):
    both = [(local.rows[key], remote.rows[key]) for key in local.rows.keys() & remote.rows.keys()]
    different = [pair for pair in both if pair[0] != pair[1]]
    if different:
        verdict.wrong(f"{len(different)} results are not the same in PostgreSQL", different)
    strangers = {key[0] for key in remote.rows} - {epoch[0] for epoch in local.epochs} - former
    if strangers:
        verdict.wrong("PostgreSQL has results of an agent that never was", strangers)
    return {**remote.rows, **local.rows}


def _given_again(local, remote, replaced, verdict):
    """An agent's number means one result for ever, also where the file has forgotten it."""
    again = [(row, books.rows[key]) for books in (local, remote) for key, row in replaced.items()
             if books.rows.get(key, row) != row]
    if again:
        verdict.wrong(f"{len(again)} numbers of an agent were given to a second result", again)


def _told(local, remote):
    """Ranges of numbers that gaps account for."""
    return [(gap.first_seq, gap.last_seq) for gap in {**remote.gaps, **local.gaps}.values()
            if gap.reason in _LOST and gap.first_seq > 0]


def _holes(union, local, remote, replaced, verdict):
    """Every number that was ever given is a row somewhere, or told of."""
    told = set(local.quarantined)
    for first, last in _told(local, remote):
        told.update(range(first, last + 1))
    known = {seq for _, seq in union}
    missing = [seq for seq in range(1, local.head + 1) if seq not in known and seq not in told]
    above = sorted(seq for agent, seq in union if seq > local.head and (agent, seq) not in replaced)
    verdict.counts["numbers_lost_and_told"] = len(told - known - set(local.quarantined))
    if missing:
        verdict.wrong(f"{len(missing)} committed results are nowhere, and no gap tells of them", missing)
    if above:
        verdict.wrong("results in PostgreSQL have numbers that were never given here", above)


def _witnessed(there, local, remote, witnessed, verdict):
    """Gives `there` with the rows that a gap or the quarantine tells of, as they were seen when they were still here."""
    moments = collections.defaultdict(set)
    for (_, seq), row in there.items():
        moments[seq].add(row.at)
    told = _told(local, remote)
    gone = [row for seq, row in witnessed.items() if row.at not in moments[seq]]
    lost = [row for row in gone if row.seq not in local.quarantined
            and not any(first <= row.seq <= last for first, last in told)]
    verdict.counts["seen_committed"] = len(witnessed)
    verdict.counts["lost_after_commit"] = len(lost)
    if lost:
        verdict.wrong(f"{len(lost)} results were seen committed, and are gone", lost)
    return {**there, **{("seen", row.seq): row for row in gone if row not in lost}}


def _match(requests, union, verdict):
    """Each result is of one request, and no request has two. Gives the requests without a result."""
    open_requests = {(request.service, request.number): request for request in requests}
    without_answer = []
    lies, doubles = [], []
    known = dict(open_requests)
    for row in sorted(union.values(), key=lambda row: row.at):
        if row.status is None:
            without_answer.append(row)
            continue
        key = (row.service, number_in(row.status, row.length))
        request = known.get(key)
        if request is None or not row.at - _CLOCK_SLACK <= request.at <= row.at + row.total + _CLOCK_SLACK:
            lies.append((row, request))
        elif open_requests.pop(key, None) is None:
            doubles.append(row)
    _match_unanswered(open_requests, without_answer)
    verdict.counts["without_request"] = len(lies)
    verdict.counts["doubled"] = len(doubles)
    if lies:
        verdict.wrong(f"{len(lies)} results are of no request that the target saw", lies)
    if doubles:
        verdict.wrong(f"{len(doubles)} requests have two results", doubles)
    return list(open_requests.values())


def _match_unanswered(open_requests, rows):
    """Rows without a response took away the request that reached the target while they ran, if one did."""
    by_service = collections.defaultdict(list)
    for request in sorted(open_requests.values(), key=lambda request: request.at):
        by_service[request.service].append(request)
    for row in rows:
        waiting = by_service[row.service]
        place = bisect.bisect_left(waiting, row.at - 50_000, key=lambda request: request.at)
        if place < len(waiting) and waiting[place].at <= row.at + row.total + 50_000:
            request = waiting.pop(place)
            del open_requests[(request.service, request.number)]


def _unseen(gaps, there):
    """What gaps tell of that nobody saw while it was there: results without a number, and numbers gone too soon."""
    known = {seq for _, seq in there}
    for gap in gaps:
        if gap.first_seq == 0:
            yield gap
        elif count := sum(seq not in known for seq in range(gap.first_seq, gap.last_seq + 1)):
            yield gap._replace(count=count)


def _dropped(requests, gaps, verdict):
    """Requests whose results nobody saw, as many as gaps tell of; gives the others."""
    gaps = list(gaps)
    left = sorted(requests, key=lambda request: request.at)
    told = found = 0
    for gap in gaps:
        told += gap.count
        mine = [request for request in left if gap.first - _CLOCK_SLACK <= request.at <= gap.last + _CLOCK_SLACK]
        found += min(len(mine), gap.count)
        mine = set(mine[:gap.count])
        left = [request for request in left if request not in mine]
    verdict.counts["dropped_and_told"] = told
    if told > found + sum(gap.count for gap in gaps if gap.first == gap.last):
        verdict.counts["told_without_request"] = told - found
    return left


def _unanswered(requests, skipped, lives, allowance, verdict):
    """A request without a result is explained by a kill soon after it, or by a slot that a stop cut."""
    kills = sorted(life.ended for life in lives if life.killed)
    cut = collections.defaultdict(list)
    for entry in skipped:
        if entry.reason == "stopping":
            cut[entry.service].append((entry.first - _CLOCK_SLACK, entry.last + _CLOCK_SLACK))
    left, ages = [], [0]
    for request in requests:
        place = bisect.bisect_left(kills, request.at - 100_000)
        if place < len(kills) and kills[place] - request.at <= allowance.window_us:
            ages.append(kills[place] - request.at)
        elif not any(first <= request.at <= last for first, last in [*cut[request.service], *allowance.unanswered]):
            left.append(request)
    verdict.counts["requests_without_result"] = len(requests)
    verdict.counts["unexplained_requests"] = len(left)
    verdict.counts["longest_window_ms"] = max(ages) // 1000
    if left:
        verdict.wrong(f"{len(left)} requests have no result, and no kill explains it", left)


def _slots(union, skipped, lost, stopped, lives, allowance, verdict):
    """Within one life every slot of a service is a result or was skipped. `stopped`: gaps in which it did not run."""
    interval = allowance.interval * 1_000_000
    moments = collections.defaultdict(list)
    for row in union.values():
        if row.attempt == 0:
            moments[row.service].append(row.at - row.lateness)
    for entry in skipped:
        step = (entry.last - entry.first) / max(1, entry.count - 1)
        moments[entry.service].extend(round(entry.first + place * step) for place in range(entry.count))
        verdict.counts[f"skipped_{entry.reason}"] += entry.count
    starts = sorted(life.began for life in lives)
    holes, doubles, slots = [], [], 0
    for service, due in moments.items():
        due.sort()
        slots += len(due)
        for before, after in zip(due, due[1:]):
            # Between two lives the phase begins anew, and what the end left open is told of by the next start.
            if bisect.bisect_right(starts, before) != bisect.bisect_right(starts, after):
                continue
            apart = after - before
            if any(gap.first - _CLOCK_SLACK <= after and before <= gap.last + _CLOCK_SLACK for gap in lost):
                continue
            if apart > interval + allowance.slot_slack_us:
                holes.append((service, before, apart))
            elif apart < interval - allowance.slot_slack_us:
                doubles.append((service, before, apart))
    verdict.counts["slots"] = slots
    _silent(moments, lost, stopped, lives, allowance, verdict)
    if holes:
        verdict.wrong(f"{len(holes)} times slots of a service are neither a result nor skipped", holes)
    if doubles:
        verdict.wrong(f"{len(doubles)} slots of a service came too early", doubles)


def _silent(moments, lost, stopped, lives, allowance, verdict):
    """Neither at its start nor at its end, nor for the whole of it, is any service left out of a life."""
    late, early, judged = [], [], 0
    interval = allowance.interval * 1_000_000
    for life in lives:
        if not life.ready:
            continue
        # What was not committed before a kill is nobody's; what a stop began with is.
        end = life.asked if life.asked and not life.killed else life.ended - allowance.window_us
        start = max([life.ready, *(gap.last for gap in stopped if gap.first <= life.ready <= gap.last)])
        end = min([end, *(gap.first for gap in stopped if start < gap.first < end)])
        first_by = start + min(interval, _FIRST_WITHIN * 1_000_000) + allowance.end_slack_us
        last_from = end - interval - allowance.end_slack_us
        for service in allowance.services:
            due = moments.get(service, [])
            mine = due[bisect.bisect_left(due, life.began):bisect.bisect_right(due, life.ended)]
            judged += first_by <= end
            if first_by <= end and not (mine and mine[0] <= first_by):
                until = mine[0] if mine else end
                late += [] if _explained(start, until, lost, allowance) else [(service, start, until - start)]
            if mine and mine[-1] < last_from and not _explained(mine[-1], end, lost, allowance):
                early.append((service, mine[-1], end - mine[-1]))
    verdict.counts["beginnings_and_ends_of_services"] = judged
    if late:
        verdict.wrong(f"{len(late)} times a service was not checked from the start on", late)
    if early:
        verdict.wrong(f"{len(early)} times a service fell silent before the end", early)


def _explained(first, last, gaps, allowance):
    stretches = [(gap.first, gap.last) for gap in gaps] + list(allowance.unanswered)
    return any(begin - _CLOCK_SLACK <= last and first <= end + _CLOCK_SLACK for begin, end in stretches)
