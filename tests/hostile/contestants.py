"""Who is tried: the facade in a thread of this process, and others as processes on free ports."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.server.app import build
from proxy.server.serve import loop_factory, serve
from proxy.server.settings import Address, Settings, Tier

TIERS: tuple[Tier, ...] = ("asgi", "fast")
LOOPBACK = Address("127.0.0.1", 0)
ROOT = Path(__file__).parents[2]

_TABLE = """
version: 1
defaults:
  limits: {{max_headers: 100, max_header_bytes: 32KiB, max_uri_bytes: 8KiB, max_body_bytes: 64KiB}}
backends: {{origin: "http://127.0.0.1:{port}"}}
routes:
  - {{name: internal, match: {{path: {{prefix: /internal}}}}, direct_response: {{status: 403}}}}
  - {{name: public, match: {{path: {{prefix: /public}}}}, backend_refs: origin}}
  - {{name: everything-else, backend_refs: origin}}
"""


@contextlib.contextmanager
def facade_in_a_thread(tier: Tier, origin_port: int, folder: Path) -> Iterator[tuple[str, int]]:
    """A facade of this tier in front of the origin; its address."""
    routes = folder / "routes.yaml"
    routes.write_text(_TABLE.format(port=origin_port))
    settings = Settings(routes, LOOPBACK, LOOPBACK, "none", drain_s=1.0, tier=tier)
    told: list[Address] = []
    up = threading.Event()
    ends: list[Callable[[], object]] = []

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(stop.set))

        def announce(listen: Address, admin: Address) -> None:
            told.append(listen)
            up.set()

        await serve(build(settings), settings, announce, stop)

    def main() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(run())
        finally:
            up.set()  # Whoever waits need not wait for a facade that will not come up.

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    if not up.wait(20) or not told:
        raise RuntimeError("the facade did not come up")
    try:
        yield (told[0].host, told[0].port)
    finally:
        ends[0]()
        thread.join(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(argv: list[str], port: int) -> Iterator[tuple[str, int]]:
    """Run `argv` until the block ends; its address once the port answers."""
    started = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if started.poll() is not None or time.monotonic() > until:
                assert started.stderr is not None
                raise RuntimeError(f"{argv}: {started.stderr.read().decode()[-800:]}")
            time.sleep(0.05)
        yield ("127.0.0.1", port)
    finally:
        started.terminate()
        try:
            started.wait(5)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def nginx(origin_port: int, folder: Path) -> tuple[list[str], int]:
    """An honest plain configuration: keep-alive to the origin, HTTP/1.1, and /internal closed."""
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(f"""
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream origin {{ server 127.0.0.1:{origin_port}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port}; server_name facade.example;
    location /internal {{ return 403; }}
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_next_upstream off;
    }}
  }}
}}
""")
    return ["/usr/sbin/nginx", "-c", str(config), "-e", str(folder / "error.log")], port


def haproxy(origin_port: int, folder: Path) -> tuple[list[str], int]:
    """An honest plain configuration: keep-alive to the origin, and /internal closed."""
    port, config = free_port(), folder / "haproxy.cfg"
    config.write_text(f"""
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
  retries 0
frontend all
  bind 127.0.0.1:{port}
  http-request deny if {{ path_beg /internal }}
  default_backend origin
backend origin
  http-reuse always
  server origin 127.0.0.1:{origin_port}
""")
    return ["/usr/sbin/haproxy", "-f", str(config)], port


def naive(origin_port: int, folder: Path) -> tuple[list[str], int]:
    """The proxy of every tutorial. It has no rule for /internal: that would be unfair to count."""
    port = free_port()
    return [sys.executable, "-m", "tests.bench.naive", str(port), str(origin_port)], port
