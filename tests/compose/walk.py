"""The steps that docs/compose.md shows, one function each. What a function returns is what it saw."""

import json
import os
from pathlib import Path

import httpx

from tests.compose.shell import StepFailed, run, surely
from tests.compose.stack import HOTELS, LIST, PARTS, Stack, wait

_BUILD_S = 900.0


def up(stack: Stack) -> str:
    """The first command on a clean clone."""
    stack.compose("up", "--build", "--wait", timeout_s=_BUILD_S, both=True)
    return all_healthy(stack)


def up_again(stack: Stack) -> str:
    """From images that are there."""
    stack.compose("up", "--wait", timeout_s=180, both=True)
    return all_healthy(stack)


def all_healthy(stack: Stack) -> str:
    """Every part, and db-init ended with 0."""
    states = {part: stack.health(part) for part in PARTS}
    surely(set(states.values()) == {"healthy"}, f"not all is healthy: {states}")
    ended = stack.state("db-init")
    surely(ended["Status"] == "exited" and ended["ExitCode"] == 0, f"db-init: {ended}")
    return f"{', '.join(PARTS)} healthy; db-init ended with 0"


def requests(stack: Stack) -> str:
    """The page, the front end, both lists, a redirect, the service's API: through the facade; the service itself."""
    page = stack.get("/travelbuddy/")
    surely(page.status_code == 200 and "TravelBuddy" in page.text, f"the page: {page.status_code}")
    front_end = stack.get("/travelbuddy/app/")
    surely(front_end.status_code == 200, f"the front end: {front_end.status_code}")
    specials, hotels = stack.get(LIST), stack.get(HOTELS)
    surely(len(specials.json()) == len(hotels.json()) == 11, "a list has not its 11 specials")
    surely(stack.comes_from_service(), "the list does not come from the service")
    redirect = stack.get("/travelbuddy")
    surely(
        redirect.headers.get("location") == "/travelbuddy/",
        f"the monolith's redirect leads to {redirect.headers.get('location')}",
    )
    surely(stack.get("/flightspecials/1").json()["id"] == 1, "the service's API does not respond")
    direct = stack.get("/flightspecials", base=stack.app)
    surely(direct.status_code == 200, f"the service's own port responds {direct.status_code}")
    return "page, front end, both lists of 11, redirect, API, the service's own port"


def database_away(stack: Stack) -> str:
    """The stand-in's database is taken away and given back; the service's list goes on."""
    switch = ("python", "-m", "deploy.local.travelbuddy.switch")
    stack.inside("travelbuddy", *switch, "away")
    hotels, page = stack.get(HOTELS), stack.get("/travelbuddy/")
    surely(hotels.status_code == 200 and not hotels.content, f"the hotels: {hotels.text[:300]}")
    surely(page.status_code == 500, f"the page: {page.status_code}")
    surely(stack.comes_from_service(), "the list does not come from the service")
    stack.inside("travelbuddy", *switch, "up")
    surely(len(stack.get(HOTELS).json()) == 11, "the hotels are not back")
    return "hotels 200 and empty, page 500, flights served; then all back"


def hardening(stack: Stack) -> str:
    """Ours run as nobody, with a read-only root, no capability, and no way to one."""
    for part in ("app", "travelbuddy", "facade"):
        user = stack.inside(part, "id", "-u")
        surely(user.isdigit() and user != "0", f"{part} runs as {user}")
        wrote = stack.inside(part, "sh", "-c", "touch /opt/x /x 2>&1; true")
        surely(wrote.count("Read-only file system") == 2, f"{part} could write: {wrote}")
        status = stack.inside(part, "grep", "-E", "CapEff|NoNewPrivs", "/proc/self/status").split()
        surely(status[1].strip("0") == "" and status[3] == "1", f"{part}: {status}")
    ports = stack.compose("ps", "--format", "{{.Ports}}")
    surely("0.0.0.0:" not in ports, f"a port is open to everybody: {ports}")
    reached = stack.inside("facade", "python", "-c", _REACHES_DATABASE, may_fail=True)
    surely("ok" not in reached.split(), "the facade can reach the database")
    return "no root, read-only, no capabilities; ports on 127.0.0.1; the facade has no way to the database"


_REACHES_DATABASE = "import socket; socket.create_connection(('db', 5432), 3); print('ok')"


def edit_routes(stack: Stack) -> str:
    """An edit on the host takes effect: written in place, and put in the place of the old file."""
    live = stack.routes.read_text()
    legacy = live.replace("stage: live #", "stage: legacy #")
    surely(legacy != live, "routes.yaml has no route that is live")
    stack.routes.write_text(legacy)
    in_place = wait(lambda: not stack.comes_from_service(), "an edit in place has no effect")
    _put(stack.routes, live)
    renamed = wait(stack.comes_from_service, "an edit by rename has no effect")
    _put(stack.routes, legacy)
    again = wait(lambda: not stack.comes_from_service(), "a second edit by rename has no effect")
    _put(stack.routes, live)
    wait(stack.comes_from_service, "the way back has no effect")
    return f"in place {in_place:.2f} s, by rename {renamed:.2f} s, again {again:.2f} s"


def broken_routes(stack: Stack) -> str:
    """A mistake is refused with its place; the last good table serves on."""
    good = stack.routes.read_text()
    _put(stack.routes, good.replace("stage: live #", "stage: alive #"))
    wait(lambda: "alive" in _readyz(stack), "the mistake is not told")
    surely(stack.comes_from_service(), "the last good table is not in effect")
    surely(
        stack.health("facade") == "healthy", "the facade is not healthy with its last good table"
    )
    _put(stack.routes, good)
    wait(lambda: json.loads(_readyz(stack))["last_reload_ok"], "the mistake is told for ever")
    return "told by /readyz; the last good table served on"


def facade_tools(stack: Stack) -> str:
    """The facade's own commands in its container; those that edit, in one that has the folder to write to."""
    routes = stack.inside("facade", "facade", "routes", "--live")
    surely("flightspecials-api" in routes, f"facade routes --live says {routes[:300]}")
    why = stack.inside("facade", "facade", "explain", "GET", LIST, "--live")
    surely("flightspecials" in why, f"facade explain says {why[:300]}")
    before = stack.routes.read_text()
    _edit(stack, "shift", "flightspecials", "flightspecials=20")
    surely("stage: canary #" in stack.routes.read_text(), "facade shift changed nothing")
    _edit(stack, "rollback", "flightspecials")
    surely("stage: live #" in stack.routes.read_text(), "facade rollback is not the way back")
    wait(stack.comes_from_service, "the rollback has no effect")
    _put(stack.routes, before)
    return "routes --live, explain --live; shift and rollback as who runs this"


def _edit(stack: Stack, *words: str) -> None:
    as_me = ("--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{stack.folder}:/project")
    table = ("--routes", "/project/routes.yaml")
    stack.compose("run", "--rm", "--no-deps", "-T", *as_me, "facade", *words, *table)


def db_init_again(stack: Stack) -> str:
    """`docker compose run --rm db-init` on a database that has everything."""
    said = stack.compose("run", "--rm", "-T", "db-init")
    surely(said.startswith("applied 0 of "), f"db-init says {said}")
    surely("seeded" in stack.compose("run", "--rm", "-T", "db-init", "seed"), "seed says nothing")
    return said


def logs(stack: Stack) -> str:
    """`docker compose logs -t --tail=50 app`: JSON lines of the service; the facade's access log."""
    lines = stack.compose("logs", "-t", "--tail=50", "--no-log-prefix", "app").splitlines()
    json_lines = [line for line in lines if _is_json(line.partition(" ")[2])]
    surely(json_lines, f"the service's log has no JSON line: {lines[:3]}")
    log = stack.compose("logs", "--tail=50", "--no-log-prefix", "facade")
    surely('"backend":' in log, "the facade's log has no line of a request")
    surely("P@ssw0rd" not in stack.compose("logs"), "a log has the password")
    return f"{len(json_lines)} JSON lines of the service, the facade's access log"


def psql(stack: Stack) -> str:
    """`docker compose exec db psql`."""
    count = "select count(*) from travelbuddy.flightspecial"
    found = stack.inside("db", "psql", "--tuples-only", "--no-align", "--command", count)
    limit = stack.inside("db", "psql", "-tAc", "show max_connections")
    surely(found == "11" and limit == "500", f"{found} specials, max_connections {limit}")
    return "11 rows, max_connections 500"


def stop_codes(stack: Stack) -> str:
    """`docker compose stop` ends every part in time, and with 0."""
    stack.compose("stop", timeout_s=120)
    codes = {part: stack.state(part)["ExitCode"] for part in PARTS}
    surely(set(codes.values()) == {0}, f"ended with {codes}")
    return "every part ended with 0"


def data_survives(stack: Stack, header: str) -> str:
    """`docker compose down`, then up: what was written is there."""
    stack.compose("down")
    surely(not stack.container("db"), "down left the database's container")
    up_again(stack)
    found = stack.get("/flightspecials/1").json()["header"]
    surely(found == header, f"the header is {found!r}, not {header!r}")
    return f"header {found!r} after down and up"


def legacy_url(stack: Stack) -> str:
    """LEGACY_URL sends the facade, of two workers here, to another monolith; the stand-in is left out."""
    other, image = f"{stack.project}-monolith", f"{stack.project}-travelbuddy"
    network = ["--network", f"{stack.project}_front", "--name", other]
    run(["docker", "run", "--detach", "--rm", *network, image])
    words = ("up", "--wait", "--scale", "travelbuddy=0")
    env = {"LEGACY_URL": f"http://{other}:8080", "FACADE_WORKERS": "2"}
    stack.compose(*words, env=env, both=True)
    surely(not stack.container("travelbuddy"), "the stand-in runs on")
    response = stack.get(HOTELS)
    surely(
        response.status_code == 200,
        f"the other monolith: {response.status_code} {response.text[:300]}",
    )
    run(["docker", "stop", other])
    gone = stack.get(HOTELS)
    surely(gone.status_code in {502, 503, 504}, f"without it: {gone.status_code}")
    stack.compose("up", "--wait", both=True)
    return f"another monolith responded; without it {gone.status_code}"


def named_volume(stack: Stack) -> str:
    """The seed's first chapter: DB_VOLUME=db-data, the database alone, its schema, clean-up."""
    volume = f"{stack.project}-data"
    named = Stack(stack.folder, stack.project, stack.ports, ("compose.yaml", "named-volume.yaml"))
    override = f"volumes: {{db-data: {{name: {volume}}}}}\n"
    (stack.folder / "named-volume.yaml").write_text(override)
    env = {"DB_VOLUME": "db-data"}
    stack.compose("down")
    run(["docker", "volume", "create", volume])
    named.compose("up", "--build", "-d", "db", env=env, both=True)
    applied = named.compose("run", "--rm", "-T", "db-init", env=env)
    named.compose("stop", "db", env=env)
    named.compose("rm", "-f", "db", env=env)
    surely(not named.container("db"), "rm left the database's container")
    run(["docker", "volume", "rm", volume])
    surely(not applied.startswith("applied 0"), f"db-init says {applied}")
    return f"db-init {applied}; container and volume removed"


def clean_up(stack: Stack) -> str:
    """As the seed shows it: down, then the data; nothing is left."""
    stack.compose("down")
    stack.remove()
    surely(not stack.leftovers(), f"left: {', '.join(stack.leftovers())}")
    surely(not (stack.folder / "env/db").exists(), "the data is left")
    return "no container, network, volume, image or data left"


def _readyz(stack: Stack) -> str:
    asked = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9901/readyz').read().decode())"
    return stack.inside("facade", "python", "-c", asked)


def _put(path: Path, text: str) -> None:
    """As editors do: a new file, renamed to the old one's name."""
    new = path.with_name(".routes.yaml.new")
    new.write_text(text)
    new.chmod(0o644)
    os.replace(new, path)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def set_header(stack: Stack, header: str) -> str:
    """A write through the facade."""
    body = {"id": 1, "flightSpecialHeader": header}
    try:
        response = httpx.post(f"{stack.facade}/flightspecials/1/header", json=body, trust_env=False)
    except httpx.TransportError as error:
        raise StepFailed(f"the write got no response: {error}") from None
    surely(
        response.json().get("resultCode") == "Y", f"{response.status_code} {response.text[:300]}"
    )
    return response.text
