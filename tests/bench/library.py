"""fastapi-proxy-lib as its manual shows it. argv: port origin-port."""

import sys

import uvicorn
from fastapi_proxy_lib.fastapi.app import reverse_http_app

if __name__ == "__main__":
    uvicorn.run(
        reverse_http_app(base_url=f"http://127.0.0.1:{sys.argv[2]}/"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_level="warning",
    )
