"""What the program is measured against: blackbox_exporter, Prometheus, wrk."""
import re
import resource
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from .processes import Process, Trouble, accepts, free_port, wait_until
from .target import SERVER_NAME

BLACKBOX = "prometheus-blackbox-exporter"
PROMETHEUS = "prometheus"
WRK = "wrk"

_MODULES = """\
modules:
  plain:
    prober: http
    timeout: 10s
    http: {{preferred_ip_protocol: ip4, follow_redirects: false}}
  tls:
    prober: http
    timeout: 10s
    http:
      preferred_ip_protocol: ip4
      follow_redirects: false
      tls_config: {{ca_file: {ca}, server_name: {name}}}
"""

_SCRAPES = """\
global: {{scrape_interval: {interval}s, scrape_timeout: {interval}s}}
scrape_configs:
  - job_name: probes
    metrics_path: /probe
    params: {{module: [plain]}}
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: "127.0.0.1:{port}"}}
    static_configs:
      - targets:
{targets}
"""


def missing(*programs):
    """Those that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


class Blackbox:
    def __init__(self, folder, target):
        self._target = target
        self.port = free_port()
        config = folder / "blackbox.yml"
        config.write_text(_MODULES.format(ca=target.ca_file, name=SERVER_NAME))
        self._process = Process([BLACKBOX, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{self.port}"],
                                folder / "blackbox.log")
        wait_until(lambda: accepts(self.port) or not self._process.running(), 10,
                   lambda: "blackbox_exporter did not start")
        if not self._process.running():
            raise Trouble(f"blackbox_exporter ended at once: {self._process.said()}")

    def usage(self):
        return self._process.usage()

    def memory(self):
        return self._process.memory()

    def check(self, tls):
        """Trouble unless it finds the target up."""
        query = urllib.parse.urlencode({"module": "tls" if tls else "plain", "target": self._target.url(0, tls, 1)})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/probe?{query}", timeout=20) as answer:
            if "probe_success 1" not in answer.read().decode():
                raise Trouble(f"blackbox_exporter does not find the target up: /probe?{query}")

    def best(self, folder, tls, seconds, at_once=(4, 16, 64)):
        """CPU microseconds per probe and probes a second, where the first is lowest of some numbers at once."""
        self.check(tls)
        script = folder / "probes.lua"
        targets = [self._target.url(i, tls, 250) for i in range(250)]
        script.write_text(
            "local targets = {" + ",".join(f'"{urllib.parse.quote(url, safe="")}"' for url in targets) + "}\n"
            "local i = 0\n"
            "request = function()\n"
            "  i = i % #targets + 1\n"
            f'  return wrk.format("GET", "/probe?module={"tls" if tls else "plain"}&target=" .. targets[i])\n'
            "end\n")
        tries = []
        for connections in at_once:
            before = self.usage()
            run = run_wrk(f"http://127.0.0.1:{self.port}", connections, seconds / len(at_once), script=script)
            spent = (self.usage() - before).total
            tries.append((spent / run.requests * 1e6, run.rate))
        self.check(tls)
        return min(tries)

    def stop(self):
        self._process.stop()


class Prometheus:
    """Scrapes `blackbox` for every service of a load."""

    def __init__(self, folder, load, target, blackbox):
        urls = "\n".join(f"          - '{target.url(i, load.tls, load.addresses)}'" for i in range(load.services))
        config = folder / "prometheus.yml"
        config.write_text(_SCRAPES.format(interval=load.interval, port=blackbox.port, targets=urls))
        self._port = free_port()
        self._process = Process(
            [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{self._port}"], folder / "prometheus.log")
        wait_until(lambda: accepts(self._port) or not self._process.running(), 20, lambda: "Prometheus did not start")
        if not self._process.running():
            raise Trouble(f"Prometheus ended at once: {self._process.said()}")

    def usage(self):
        return self._process.usage()

    def memory(self):
        return self._process.memory()

    def up(self):
        """How many targets were found up at the last look."""
        query = urllib.parse.urlencode({"query": "sum(probe_success)"})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/query?{query}", timeout=20) as answer:
                found = re.search(r'"value":\[[^,]*,"(\d+)"\]', answer.read().decode())
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            return 0  # it listens before it is ready
        return int(found.group(1)) if found else 0

    def stop(self):
        self._process.stop()


class WrkRun:
    def __init__(self, requests, seconds, cpu):
        self.requests = requests
        self.rate = requests / seconds
        self.cost = cpu / requests * 1e6
        """CPU microseconds of wrk itself per request."""


def run_wrk(url, connections, seconds, fresh=False, script=None):
    """Drives `url` with one thread for a while. Trouble when anything but 2xx came."""
    command = [WRK, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    if fresh:
        command += ["-H", "Connection: close"]
    if script:
        command += ["-s", str(script)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    took = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"(\d+) requests in", done.stdout)
    if done.returncode != 0 or not found or "Non-2xx" in done.stdout:
        raise Trouble(f"wrk failed: {done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return WrkRun(int(found.group(1)), took, cpu)
