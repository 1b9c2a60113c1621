"""The target: nginx with one worker, over plain TCP and TLS, on every address of 127.0.0.0/8."""
import subprocess

from .processes import Process, Trouble, accepts, free_port, wait_until

SERVER_NAME = "bench.test"
BODY = '{"status":"ok","service":"bench","uptime":86400,"version":"1.2.3","checks":{"database":"up","queue":"up"}}'

_CONFIG = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 19000;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log crit;
events {{ worker_connections 18000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000; keepalive_timeout 600s; keepalive_time 24h;
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
  ssl_protocols TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
  server {{
    listen 0.0.0.0:{plain} backlog=16384;
    listen 0.0.0.0:{tls} ssl backlog=16384;
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}
}}
"""


class Target:
    """Its addresses are many because the kernel keeps the ports of a finished connection for a minute: one pair of
    address and port takes about 470 new connections a second."""

    def __init__(self, folder):
        self._folder = folder / "nginx"
        self._folder.mkdir()
        self.plain_port = free_port()
        self.tls_port = free_port()
        self.ca_file = self._folder / "ca.pem"
        _make_certificates(self._folder)
        config = self._folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(folder=self._folder, plain=self.plain_port, tls=self.tls_port, body=BODY)
        )
        self._process = Process(["nginx", "-p", self._folder, "-c", config], self._folder / "nginx.log")
        wait_until(
            lambda: not self._process.running() or (accepts(self.plain_port) and accepts(self.tls_port)),
            10,
            lambda: "nginx did not start to listen",
        )
        if not self._process.running():
            raise Trouble(f"nginx ended at once: {self._process.said()}")

    def url(self, number, tls, addresses):
        """Of service `number`, spread over so many addresses."""
        place = number % addresses
        host = f"127.20.{place // 250}.{1 + place % 250}"
        scheme, port = ("https", self.tls_port) if tls else ("http", self.plain_port)
        return f"{scheme}://{host}:{port}/s{number}"

    def usage(self):
        return self._process.usage()

    def stop(self):
        self._process.stop()


def _make_certificates(folder):
    """An authority of our own and a certificate of it, both on P-256, as a public one would be today."""

    def openssl(*words):
        done = subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"openssl failed: {done.stderr.strip()}")

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", 30, "-subj", "/CN=bench authority",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={SERVER_NAME}")
    (folder / "extensions").write_text(f"subjectAltName=DNS:{SERVER_NAME}\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 30,
            "-extfile", "extensions", "-out", "server.pem")
