"""What the figures hold for: the machine, the versions, the binary."""
import hashlib
import os
import platform
import re
import resource
import shutil
import subprocess
import time

from .monitor import cores
from .postgres import programs
from .processes import Trouble


def facts(binary):
    """Name and value of each; `binary` is the SHA-256 that tells whether two runs measured the same program."""
    if not binary.exists():
        raise Trouble(f"{binary} is not there: make build")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "binary": hashlib.sha256(binary.read_bytes()).hexdigest()[:16],
        "monitor": _first_line([str(binary), "--version"]) + _commit(binary),
        "processor": f"{_processor()}, {cores()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "system": _system(),
        "open files": str(_open_files()),
        "nginx": _first_line(["nginx", "-v"]),
        "PostgreSQL": _first_line([str(programs() / "postgres"), "--version"]),
        "blackbox_exporter": _first_line(["prometheus-blackbox-exporter", "--version"]),
        "Prometheus": _first_line(["prometheus", "--version"]),
        "wrk": _first_line(["wrk", "-v"]),
    }


def _first_line(command):
    if shutil.which(command[0]) is None:
        return "not installed"
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    line = (done.stdout.splitlines() or [""])[0]
    return re.sub(r"\s*(\[|\(branch|Copyright).*", "", line)


def _commit(binary):
    done = subprocess.run(["git", "-C", str(binary.parent), "describe", "--always", "--dirty"], capture_output=True,
                          text=True, check=False)
    return f", sources at {done.stdout.strip()}" if done.returncode == 0 else ""


def _processor():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _system():
    with open("/etc/os-release") as lines:
        for line in lines:
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip().strip('"')
    return platform.system()


def _open_files():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
