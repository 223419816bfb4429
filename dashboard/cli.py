"""The dashboard's part of the command line. Streamlit is imported inside the command only."""

import contextlib
import os
import socket
import sys
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scheduler.door import Door, Json, StoreUrl
from scheduler.errors import InvalidInput
from scheduler.settings import Dashboard

APP = Path(__file__).with_name("app.py")
LOOPBACK = "127.0.0.1"
FIRST_PORT, PORTS_TRIED = 8501, 50
PATIENCE = 600.0  # seconds after which a server that does not answer will not any more

Port = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, show_default=False, help="Port [default: the first free one from 8501]."
    ),
]  # fmt: skip
Host = Annotated[
    str, typer.Option(help="Address to listen on; beyond loopback ask people who they are.")
]
RoleChoice = Annotated[
    str | None,
    typer.Option(
        "--role", show_default=False,
        help="What whoever the settings do not name may do: viewer, operator or admin [default: "
        "admin for the user of this machine on loopback, else viewer].",
    ),
]  # fmt: skip
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")]


def register(app: typer.Typer) -> None:
    """Adds `allot dashboard`."""
    app.command("dashboard")(dashboard)


def dashboard(
    *, store: StoreUrl = None, port: Port = None, host: Host = LOOPBACK, role: RoleChoice = None,
    browser: Browser = True, json: Json = False,
) -> None:  # fmt: skip
    """Show the store in a browser: runs, plans, decisions, trainings and logs. Ctrl-C ends it."""
    from scheduler.store.engine import shown

    given = {} if role is None else {"dashboard": {"role": role}}
    door = Door.open(json=json, store=store, **given)
    people = asked_of(door.settings.dashboard, host)
    found = free_port(host, port)
    url, stdout = _url(host, found), sys.stdout
    if not (_is_loopback(host) or people.login or people.header):
        door.say(
            f"{host} can be reached by others, and the dashboard asks nobody who they are: all of "
            f"them are {people.role}. See [dashboard] in the documentation of settings."
        )

    def ready() -> None:
        door.say(f"The dashboard is at {url} (Ctrl-C ends it).")
        if json:
            with contextlib.redirect_stdout(stdout):
                door.answer({"url": url, "store": shown(door.settings.store)})
            stdout.flush()
        if browser:
            webbrowser.open(url)

    threading.Thread(target=_when_ready, args=(_health(host, found), ready), daemon=True).start()
    serve(host, found, store=door.settings.store, people=people)


def asked_of(people: Dashboard, host: str) -> Dashboard:
    """The settings with the role of those whom they do not name.

    Whoever can open a browser on this machine may do all that its command line may; others look.
    """
    alone = _is_loopback(host) and not (people.login or people.header)
    role = people.role or ("admin" if alone else "viewer")
    return people.model_copy(update={"role": role})


def serve(host: str, port: int, *, store: str, people: Dashboard) -> None:
    """Serves the dashboard on a store until it is told to end."""
    from streamlit.web import cli as streamlit

    from dashboard import theme

    os.environ |= {"ALLOT_STORE": store, "ALLOT_DASHBOARD": people.model_dump_json()}
    known = [f"--server.address={host}", f"--server.port={port}", *theme.flags()]
    if _is_loopback(host) or people.hosts:
        known_as = (host, "localhost", LOOPBACK, *people.hosts)
        known += [f"--server.allowedHosts={each}" for each in known_as]
    with contextlib.redirect_stdout(sys.stderr):  # stdout is for the one JSON document
        streamlit.main(["run", str(APP), *known], standalone_mode=False)


def free_port(host: str, port: int | None) -> int:
    """The port to listen on: the one that is asked for, else the first free one from 8501.

    Raises InvalidInput when it is taken, or the address is not one of this machine.
    """
    if port is not None:
        if why := _why_not(host, port):
            raise InvalidInput(
                f"Port {port} on {host} cannot be used: {why}. Name another with --port, or leave "
                "--port out to take the first free one."
            )
        return port
    ports = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)
    for each in ports:
        why = _why_not(host, each)
        if why is None:
            return each
    raise InvalidInput(f"No port from {ports[0]} to {ports[-1]} on {host} can be used: {why}.")


def _why_not(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None


def _when_ready(health: str, ready: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=2):
                ready()
                return
        except OSError:
            time.sleep(0.1)


def _health(host: str, port: int) -> str:
    reached = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
    return f"{_url(reached, port)}/_stcore/health"


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    return host in (LOOPBACK, "localhost", "::1")
