"""Early responses of a backend arrive in a facade as it is run: uvloop, workers, both tiers, TLS to the backend."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.certificates import Authority, server_context
from tests.support.facade_in_loop import TIERS
from tests.support.facade_process import facade_process
from tests.support.hasty_backend import hasty, upload
from tests.support.waiting import until

UPLOADS = 60
TABLE = """
version: 1
backends: {{legacy: {{url: "{url}"{tls}}}}}
routes: [{{name: all, backend_refs: legacy}}]
"""


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_a_response_before_a_reset_reaches_each_of_several_clients(
    tmp_path: Path, tier: Tier, workers: str, secure: bool
) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.chain())
    server = server_context(tmp_path, authority.issue("127.0.0.1")) if secure else None
    with hasty(8192, tls=server) as url:
        table = TABLE.format(url=url, tls=", tls: {ca_file: ca.pem}" if secure else "")
        with facade_process(tmp_path, "--tier", tier, "--workers", workers, table=table) as facade:
            address = ("127.0.0.1", facade.port)
            upload(address, 1)
            before = facade.descriptors
            with ThreadPoolExecutor(4) as clients:
                received = list(clients.map(upload, [address] * UPLOADS, [3_000_000] * UPLOADS))
            assert [each[:12] for each in received] == [b"HTTP/1.1 401"] * UPLOADS
            assert all(each.endswith(b"denied") for each in received)
            until(lambda: facade.descriptors < before + 4)
