"""The disk, and the files on it."""
import os
import pathlib
import sqlite3
import time

from harness.processes import wait_until

from . import books
from .cases import Injected, Tmpfs, finished, lines_so_far, polls_on, refused, require, says

_WAITS = "Results wait in memory"
_STORED_AGAIN = "are stored in"
_FRAME = 24 + 4096  # of the write-ahead log: SQLite's file format, 4.1


def disk_full(scene):
    """And freed; in the long form only after the queue in memory has run over."""
    overflows = scene.lab.long
    with Tmpfs(scene.room / "disk", "64m") as disk:
        world = scene.started(services=1000 if overflows else 40, place=disk.folder, keys={"local_max_size": "1 GiB"})
        since = lines_so_far(world)
        disk.fill()
        says(world, _WAITS, since)
        polls_on(world, 35 if overflows else 4)
        wait_until(lambda: "disk" in world.daemon.status or "memory" in world.daemon.status, 30,
                   lambda: f"the status does not tell of the disk: {world.daemon.status}")
        disk.free()
        says(world, _STORED_AGAIN, since, 60)
        said = next(line for line in world.daemon.lines()[since:] if _STORED_AGAIN in line)
        counts = finished(world)
        require(bool(counts["dropped_and_told"]) == overflows, f"{counts['dropped_and_told']} are told of as dropped")
        require(f"; {counts['dropped_and_told']} were dropped" in said, f"the log counts otherwise than the gaps: {said}")
    return counts


def disk_full_at_start(scene):
    """A disk without a free byte; the reserve that is beside the database is given up, and it runs."""
    with Tmpfs(scene.room / "disk", "32m") as disk:
        world = scene.started(place=disk.folder, keys={"local_max_size": "1 GiB"})
        world.stop()
        disk.fill()
        world.start()
        world.daemon.ready(30 * scene.lab.slowness)
        polls_on(world)
        disk.free()
        return finished(world)


def _fails(scene, calls, error):
    world = scene.started(services=40)
    since = lines_so_far(world)
    with Injected(world, calls, f"error={error}"):
        says(world, _WAITS, since)
        polls_on(world, scene.seconds(3, 30))
    says(world, _STORED_AGAIN, since, 60)
    return finished(world)


def write_fails(scene):
    return _fails(scene, "pwrite64", "EIO")


def no_space_without_a_full_disk(scene):
    return _fails(scene, "pwrite64", "ENOSPC")


def sync_fails(scene):
    return _fails(scene, "fdatasync,fsync", "EIO")


def _taken_away(scene, how):
    """The file is no longer at its name. It is put back with all that it held, and that is said."""
    world = scene.started()
    for _ in range(scene.seconds(1, 10)):
        since = lines_so_far(world)
        world.witness()
        how(world)
        says(world, "while we run", since, 60)
        world.forget_reader()
        polls_on(world)
        world.flows()
    return finished(world)


def read_fails(scene):
    """Nothing of the file can be read that is in no memory of ours; then it is opened anew, and cannot be."""
    world = scene.started(services=40)
    since = lines_so_far(world)
    with Injected(world, "pread64", "error=EIO"):
        says(world, _WAITS, since)
        polls_on(world, scene.seconds(3, 60))
    says(world, _STORED_AGAIN, since, 60)
    return finished(world)


def _restored(scene, also_lock):
    """An older copy is written over the file while it is stopped, into the same file as `cp` does; then PostgreSQL, which
    has what the copy lacks, is away until after a further start. No number may be given to two results."""
    world = scene.started()
    world.stop()
    here = [world.daemon.database, *([world.daemon.database.with_name("local.sqlite3.lock")] if also_lock else [])]
    older = [path.read_bytes() for path in here]
    _go_on(world)
    world.stop()
    newer = books.local(world.daemon.database)
    for path, content in zip(here, older):
        path.write_bytes(content)
    for suffix in ("-wal", "-shm"):
        pathlib.Path(f"{world.daemon.database}{suffix}").unlink(missing_ok=True)
    world.replaced_by_an_older(newer)
    world.cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS false")
    for _ in range(2):
        world.start()
        world.daemon.ready(30 * scene.lab.slowness)
        polls_on(world)
        world.stop()
    world.cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS true")
    _go_on(world)
    return finished(world)


def _go_on(world):
    world.start()
    world.daemon.ready(30 * world.lab.slowness)
    polls_on(world)
    world.flows()


def restored_in_place(scene):
    return _restored(scene, also_lock=False)


def restored_with_its_lock(scene):
    return _restored(scene, also_lock=True)


def deleted(scene):
    def how(world):
        for suffix in ("", "-wal", "-shm"):
            pathlib.Path(f"{world.daemon.database}{suffix}").unlink(missing_ok=True)
    return _taken_away(scene, how)


def log_deleted(scene):
    return _taken_away(scene, lambda world: pathlib.Path(f"{world.daemon.database}-wal").unlink(missing_ok=True))


def renamed(scene):
    def how(world):
        world.daemon.database.rename(world.daemon.database.with_name("elsewhere"))
    return _taken_away(scene, how)


def replaced(scene):
    """By a copy of what it was before."""
    def how(world):
        fresh = world.daemon.database.with_name("fresh")
        fresh.touch(mode=0o600)
        fresh.write_bytes(world.daemon.database.read_bytes())
        fresh.rename(world.daemon.database)
    return _taken_away(scene, how)


def read_only_folder(scene):
    with Tmpfs(scene.room / "disk", "64m") as disk:
        world = scene.world(place=disk.folder, keys={"local_max_size": "1 GiB"})
        disk.remount("ro")
        refused(world, ["read-only", str(disk.folder)])
        disk.remount("rw")
        world.start()
        world.daemon.ready(30 * scene.lab.slowness)
        return finished(world)


def lock_refused(scene):
    """As on a file system that has none."""
    world = scene.world()
    for calls, error in (("flock", "ENOLCK"), ("flock", "EOPNOTSUPP")):
        refused(world, ["lock", str(world.daemon.folder)],
                wrap=("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e",
                      f"inject={calls}:error={error}"))
    world.start()
    world.daemon.ready(30 * scene.lab.slowness)
    return finished(world)


def second_instance(scene):
    world = scene.started()
    status, said = world.daemon.run("start", "--yes", seconds=20)
    require(status == 1 and str(world.daemon.process.pid) in said, f"a second one says ({status}): {said}")
    return finished(world)


def newer_version(scene):
    world = scene.started()
    world.stop()
    own = sqlite3.connect(world.daemon.database)
    version = own.execute("PRAGMA user_version").fetchone()[0]
    own.execute("PRAGMA user_version = 9999")
    own.close()
    before = world.daemon.database.read_bytes()
    refused(world, ["newer version", str(world.daemon.database)])
    require(world.daemon.database.read_bytes() == before, "a database of a newer version was written to")
    own = sqlite3.connect(world.daemon.database)
    own.execute(f"PRAGMA user_version = {version}")
    own.close()
    world.start()
    world.daemon.ready(30 * scene.lab.slowness)
    return finished(world)


def torn_log(scene):
    """Behind the last commit the write-ahead log ends in part of a transaction, as a lost power leaves it: frames with
    the right salts and the wrong contents, cut anywhere. Nothing that was committed may be lost for it."""
    world = scene.started(services=100)
    rounds = scene.seconds(4, 40)
    for number in range(rounds):
        end = time.monotonic() + 1
        while time.monotonic() < end:
            time.sleep(0.05)
            world.witness()
        world.kill()
        _tear(scene, world, cut=number % 2 == 0)
        world.start()
        world.daemon.ready(30 * scene.lab.slowness)
        world.flows()
    world.stop()
    return {**world.judge().counts, "torn_logs": rounds}


def _tear(scene, world, cut):
    log = world.daemon.database.with_name(world.daemon.database.name + "-wal")
    whole = log.read_bytes() if log.exists() else b""
    if len(whole) < 32 + _FRAME:
        return
    torn = b"".join(whole[-_FRAME:-_FRAME + 24] + scene.random.randbytes(4096) for _ in range(scene.random.randrange(1, 5)))
    if cut:
        torn = torn[:scene.random.randrange(1, len(torn))]
    with open(log, "ab") as end:
        end.write(torn)


def corrupt_page(scene):
    """Set aside at the start, and begun anew, with a word about both; what PostgreSQL had not got is in a gap."""
    world = scene.started(services=100)
    world.cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS false")
    world.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{world.database_name}'")
    polls_on(world)
    world.stop()
    rows = books.local(world.daemon.database).rows
    since = lines_so_far(world)
    with open(world.daemon.database, "r+b") as file:
        pages = file.seek(0, os.SEEK_END) // 4096
        for page in range(1, pages):
            file.seek(page * 4096)
            file.write(scene.random.randbytes(2048))
    world.cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS true")
    world.start()
    world.daemon.ready(30 * scene.lab.slowness)
    says(world, "corrupt", since)
    world.flows()
    kept = list(world.daemon.folder.glob("*corrupt*"))
    require(kept, "the damaged file is not kept")
    world.stop()
    # Their requests have no result any more, which nobody can tell who has not got the file.
    world.allowance.unanswered = ((0, max(row.at for row in rows.values()) + 2_000_000),)
    world.allowance.former = {agent for agent, _ in rows}
    return {**world.judge().counts}


def size_cap(scene):
    """Reached while PostgreSQL is away: the oldest results go, and gaps that arrive later tell how many."""
    world = scene.world(services=400, keys={"local_max_size": "16 MiB", "keep_exported": "0"},
                        service_keys="expect: {headers: {X-Parity: odd}}")
    world.target.behave("wordy")
    world.cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS false")
    world.start()
    world.daemon.ready(30 * scene.lab.slowness)
    want = scene.seconds(1, 20)
    end = time.monotonic() + 180
    while (world.local("SELECT count(*) FROM gaps") or 0) < want and time.monotonic() < end:
        time.sleep(0.2)
        world.witness()
    require(world.daemon.running(), f"the monitor has ended: {world.daemon.said()}")
    size = world.daemon.database.stat().st_size
    require(size <= 32 << 20, f"the local database has {size} bytes above a cap of 16 MiB")
    world.cluster.sql(f"ALTER DATABASE {world.database_name} ALLOW_CONNECTIONS true")
    counts = finished(world)
    told = world.cluster.sql("SELECT coalesce(sum(count), 0) FROM monitoring_gaps WHERE reason = 'size_cap'",
                             world.database_name)
    require(int(told) > 0, "PostgreSQL knows of no gap")
    return {**counts, "removed_at_the_cap": int(told)}


CASES = [size_cap, restored_in_place, restored_with_its_lock, read_fails, deleted, renamed, replaced, disk_full, log_deleted,
         torn_log, write_fails, sync_fails, no_space_without_a_full_disk, disk_full_at_start, corrupt_page, read_only_folder,
         lock_refused, newer_version, second_instance]
