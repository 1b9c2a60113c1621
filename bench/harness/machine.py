"""What the figures hold for: the machine, the versions, the binary."""
import ctypes
import hashlib
import os
import platform
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
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
        "compiler": _compiler(binary),
        **_libraries(binary),
        "processor": f"{_processor()}, {cores()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "system": _system(),
        "working folder": _folder(pathlib.Path(tempfile.gettempdir()).resolve()),
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


def _compiler(binary):
    """Of the folder that the binary was built in."""
    for file in binary.parent.glob("CMakeFiles/*/CMakeCXXCompiler.cmake"):
        known = dict(re.findall(r'^set\(CMAKE_CXX_COMPILER_(ID|VERSION) "(.*)"\)', file.read_text(), re.MULTILINE))
        if len(known) == 2:
            return " ".join(known.values())
    return "unknown"


def _libraries(binary):
    """What the libraries that the binary loads say of themselves."""
    listed = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
    files = dict(re.findall(r"^\s*(lib\w+)\.so\S* => (\S+)", listed, re.M))

    def ask(library, function, *words):
        if library not in files:
            return "linked in"
        call = getattr(ctypes.CDLL(files[library]), function)
        call.restype = ctypes.c_char_p
        return call(*words).decode()

    def libpq():
        if "libpq" not in files:
            return "linked in"
        version = ctypes.CDLL(files["libpq"]).PQlibVersion()
        return f"{version // 10000}.{version % 10000}"

    return {
        "OpenSSL": ask("libcrypto", "OpenSSL_version", 0).removeprefix("OpenSSL "),
        "SQLite": ask("libsqlite3", "sqlite3_libversion"),
        "libpq": libpq(),
    }


def _folder(folder):
    """Its file system, and what the system says of the disk below: databases are written here."""
    best = None
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            number, point = left.split()[2], left.split()[4]
            kind, source = right.split()[:2]
            if folder.is_relative_to(point) and (best is None or len(point) >= len(best[0])):
                best = point, number, kind, source
    if best is None:
        return str(folder)
    _, number, kind, source = best
    return f"{folder}: {kind} on {source}{_disk(number)}"


def _disk(number):
    device = pathlib.Path(f"/sys/dev/block/{number}")
    if not device.exists():
        return ""
    device = device.resolve()
    name = device.name
    for place in (device, device.parent):  # of a partition the disk tells
        try:
            turns = (place / "queue/rotational").read_text().strip() == "1"
        except OSError:
            continue
        if re.match(r"x?vd", place.name):
            return f", a virtual disk of {int((place / 'size').read_text()) * 512 / 2**30:.0f} GiB"
        return ", a disk that turns" if turns else ", solid state"
    return f" ({name})"


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
