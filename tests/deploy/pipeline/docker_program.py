"""A stand-in for the program `docker`, for machines without an engine: `docker_program.py FOLDER COMMAND ...`.

Images are files in FOLDER. A push puts the tag into the ECR of AWS_ENDPOINT_URL. DOCKER_FAILS names a command that
fails; "late push" is a push that fails when the tag is there. DOCKER_BLOCKS names a command that creates FOLDER/blocked
and never ends. Only the standard library, so that it starts fast.
"""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

_COMPONENTS = [
    {"name": "idna", "version": "3.11", "purl": "pkg:pypi/idna@3.11"},
    {"name": "strangler-facade", "version": "0.1.0"},
]


def main(folder: Path, words: list[str]) -> int:
    command = words[0]
    if os.environ.get("DOCKER_FAILS") == command:
        print(f"error: no {command} today", file=sys.stderr)
        return 1
    if os.environ.get("DOCKER_BLOCKS") == command:
        (folder / "blocked").touch()
        time.sleep(120)
    with (folder / "log").open("a") as log:
        log.write(" ".join(words) + "\n")
    return _run(folder, command, words)


def _run(folder: Path, command: str, words: list[str]) -> int:
    if command == "build":
        _file(folder, words[words.index("--tag") + 1]).write_text(json.dumps(words))
    elif command == "create":
        if not _file(folder, words[-1]).exists():
            print(f"Unable to find image '{words[-1]}' locally", file=sys.stderr)
            return 1
        print("c0ffee")
    elif command == "cp":
        Path(words[2]).write_text(json.dumps({"bomFormat": "CycloneDX", "components": _COMPONENTS}))
    elif command == "login":
        (folder / "login").write_text(sys.stdin.read())
    elif command == "logout":
        (folder / "login").unlink()
    elif command == "tag":
        _file(folder, words[2]).write_bytes(_file(folder, words[1]).read_bytes())
    elif command == "push":
        return _push(folder, words[1]) or int(os.environ.get("DOCKER_FAILS") == "late push")
    return 0


def _push(folder: Path, name: str) -> int:
    if not (folder / "login").exists() or not _file(folder, name).exists():
        print("denied: no login, or no such image", file=sys.stderr)
        return 1
    repository, _, tag = name.partition("/")[2].partition(":")
    media_type = "application/vnd.oci.image.manifest.v1+json"
    config = {"digest": f"sha256:{name}"}
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    asked = {"repositoryName": repository, "imageManifest": json.dumps(manifest), "imageTag": tag}
    region = os.environ["AWS_REGION"]
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=x/20261130/{region}/ecr/aws4_request, "
        "SignedHeaders=host, Signature=x",
    }
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"], json.dumps(asked).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=20):
        return 0


def _file(folder: Path, name: str) -> Path:
    return folder / name.replace("/", "_")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
