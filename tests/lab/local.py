"""Local faults: disk, files, limits, pipes, names and lines."""
from . import cases, local_files, local_limits, local_lines, local_pipes
from .cluster import Cluster
from .proof import ended

NAME = "local"
WHAT = "disk, files, descriptors, threads, memory, log pipes, name servers and lines fail under it"
SHORT = LONG = None
CASES = [*local_files.CASES, *local_limits.CASES, *local_pipes.CASES, *local_lines.CASES]


def run(lab):
    cluster = Cluster(lab.room("cluster"), ["max_connections=100"])
    with ended(cluster):
        return cases.run(lab, cluster, CASES)
