"""The table of programs that make up a run, and what a person is told about it."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.embedded.pair import Pair
from config.supervisor.keeping import BASE, Supervisor

MANAGE = str(BASE / "manage.py")
PAGES = {
    "Operations console": "/admin/",
    "Store pages": "/store/",
    "API and its docs": "/api/v1/docs/",
    "Caught mail": "/admin/mailbox/",
}


@dataclass(frozen=True, kw_only=True)
class Child:
    """One program of the run: arguments after `python`, when it is stopped, whether it runs on."""

    name: str
    argv: tuple[str, ...]
    stop: int  # groups are stopped in this order
    late: bool = False  # it waits until the web server answers, and so lets that be quick
    once: bool = False  # it may end by itself and is then left alone


def children(*, port: int, mail_port: int | None, var: Path, demo: bool) -> list[Child]:
    """The table of programs; `demo` adds the players of the demo company."""
    gunicorn = (
        *("-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--preload"),
        *("--timeout", "60", "--graceful-timeout", "8", "--limit-request-line", "4094"),
        "--no-control-socket",
    )
    celery = ("-m", "celery", "-A", "config.celery")
    beat_state = ("--schedule", str(var / "beat-schedule"), "--pidfile=")
    table = [
        Child(name="web", stop=2, argv=gunicorn),
        Child(name="worker", stop=2, argv=(*celery, "worker", "-c", "2", "--without-gossip")),
        Child(name="beat", stop=2, late=True, argv=(*celery, "beat", *beat_state)),
        Child(name="relay", stop=2, late=True, argv=(MANAGE, "relay")),
        Child(name="publish", stop=2, late=True, argv=(MANAGE, "publish")),
    ]
    if mail_port is not None:
        catcher = (MANAGE, "catch_mail", f"--port={mail_port}")
        table += [Child(name="mail", stop=3, late=True, argv=catcher)]
    if demo:
        site = f"--url=http://127.0.0.1:{port}"
        play = (MANAGE, "demo", "--orders", "60", "--rate", "2", site)
        table += [
            Child(name="wms", stop=1, late=True, argv=(MANAGE, "demo_wms")),
            Child(name="play", stop=1, late=True, once=True, argv=play),
        ]
    return table


def greeting(supervisor: Supervisor, pair: Pair, *, port: int) -> list[str]:
    """What a person needs: where to click, who to be, what runs, where the logs are."""
    site = f"http://127.0.0.1:{port}"
    lines = [
        "",
        "Maestro OMS is up.",
        "",
        *(f"  {name:<20}{site}{path}" for name, path in PAGES.items()),
    ]
    with suppress(OSError, ValueError, KeyError):
        demo = json.loads((supervisor.var / "demo.json").read_text())
        lines += ["", *(f"  {line}" for line in demo["lines"])]
    programs = ", ".join(kept.name for kept in supervisor.kept)
    lines += ["", f"  {'Running':<20}{programs}"]
    for server in pair.servers.values():
        lines.append(f"  {server.name:<20}127.0.0.1:{server.port}")
    lines += [
        f"  {'Logs':<20}{supervisor.var / 'log'}",
        f"  {'Second terminal':<20}.venv/bin/python manage.py shell finds these servers",
        "",
    ]
    return lines
