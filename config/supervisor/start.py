"""The start of everything on one machine, in order, and its end."""

import hashlib
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from config import embedded
from config.embedded.pair import Pair
from config.embedded.places import CannotStart
from config.embedded.processes import end_marked, free_port, is_free
from config.supervisor.keeping import BASE, Say, Supervisor, last_line
from config.supervisor.table import MANAGE, children, greeting

LEAST_DISK = 500_000_000  # bytes free
READY_SECONDS = 90
MOST_DEATHS_AT_START = 3
MAIL_PORT = 1025
# Pages that nothing here shows are left out: half of the time goes into compressing them.
COLLECT = (
    *("collectstatic", "--noinput", "--clear", "--verbosity=0"),
    *("--ignore=redoc", "--ignore=rest_framework"),
)


def check_machine(*, port: int, var: Path) -> None:
    """Refuse to start where it cannot work.

    Raises:
        CannotStart: the port is taken or the disk is full.
    """
    if not is_free(port):
        other = free_port(preferred=port + 1)
        raise CannotStart(
            f"Port {port} is in use by another program: stop that one, or choose another port with"
            f" `PORT={other} make run`."
        )
    free = shutil.disk_usage(var).free
    if free < LEAST_DISK:
        raise CannotStart(
            f"Only {free // 1_000_000} MB are free on the disk of {var}, and"
            f" {LEAST_DISK // 1_000_000} MB are needed: make room first."
        )


def end_leftovers(var: Path) -> int:
    """Kill what outlived an earlier run that was killed; returns how many processes that were."""
    try:
        mark = json.loads((var / "run.json").read_text())["mark"]
    except (OSError, ValueError, KeyError):
        return 0
    return end_marked(mark)


def static_stamp(base: Path = BASE) -> str:
    """Changes when the static files to collect may have changed: packages or our own files."""
    found = hashlib.sha256((base / "requirements.txt").read_bytes())
    found.update(f"{sys.version_info[:2]} {os.environ.get('DEBUG')}".encode())
    apps = sorted(module.parent for module in base.glob("*/__init__.py"))
    for folder in [base / "templates" / "static", *(app / "static" for app in apps)]:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                state = path.stat()
                found.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return found.hexdigest()


def up(*, port: int, say: Say, var: Path = embedded.VAR) -> None:
    """Start everything, say where it is, and keep it running until a signal says stop.

    Raises:
        CannotStart: one sentence for a person; nothing is left running.
    """
    begun = time.monotonic()
    supervisor = Supervisor(var=var, say=say)
    supervisor.listen()
    embedded.forget_told()
    with embedded.hold(var):
        if count := end_leftovers(var):
            say(f"Ended {count} processes that an interrupted run had left.")
        check_machine(port=port, var=var)
        supervisor.note()
        pair = Pair(var, names=embedded.missing())
        try:
            if _start(supervisor, pair, port=port):
                for line in greeting(supervisor, pair, port=port):
                    say(line)
                say(f"Up after {time.monotonic() - begun:.0f} s. Stop with Ctrl-C.")
                supervisor.watch()
        finally:
            say("Stopping ...")
            supervisor.stop()
            pair.stop()
    say("Stopped.")


def _start(supervisor: Supervisor, pair: Pair, *, port: int) -> bool:
    """Start and prepare everything; False when told to stop meanwhile."""
    say, var = supervisor.say, supervisor.var
    demo = "DATABASE_URL" in pair.servers
    if pair.elsewhere:
        say(f"The database is kept in {pair.elsewhere}: its user may not enter this folder.")
    if pair.servers:
        say("Starting " + " and ".join(server.name for server in pair.servers.values()) + " ...")
    found = pair.start()
    for server in pair.servers.values():
        supervisor.keep_server(server)
    mail_port = None
    if not os.environ.get("EMAIL_URL"):
        mail_port = free_port(preferred=MAIL_PORT)
        found["EMAIL_URL"] = f"smtp://127.0.0.1:{mail_port}"
    found.setdefault("PUBLIC_URL", os.environ.get("PUBLIC_URL") or f"http://127.0.0.1:{port}")
    found.setdefault("OUTGOING_PRIVATE_ALLOWED", os.environ.get("OUTGOING_PRIVATE_ALLOWED", "true"))
    # Threads that share one heap use again what five hundred orders took for a moment.
    found.setdefault("MALLOC_ARENA_MAX", os.environ.get("MALLOC_ARENA_MAX", "1"))
    supervisor.env = os.environ | found | {"PYTHONUNBUFFERED": "1"}
    embedded.publish(found, var=var)
    if not _prepare(supervisor, demo=demo):
        return False
    table = children(port=port, mail_port=mail_port, var=var, demo=demo)
    say("Starting " + ", ".join(child.name for child in table) + " ...")
    for late in (False, True):
        for child in table:
            if child.late is late:
                supervisor.keep(child.name, child.argv, stop=child.stop, once=child.once)
        if not late:
            _await_web(supervisor, port=port)
    return not supervisor.stopping


def _prepare(supervisor: Supervisor, *, demo: bool) -> bool:
    """Bring the database and the static files up to date, side by side."""
    stamp, stamp_file = static_stamp(), supervisor.var / "static.stamp"
    steps = {"prepare": [MANAGE, "run", "--prepare", *(["--demo"] if demo else [])]}
    supervisor.say("Preparing the database ...")
    if not stamp_file.exists() or stamp_file.read_text() != stamp:
        supervisor.say("Collecting static files (at the first start, about half a minute) ...")
        steps["static"] = [MANAGE, *COLLECT]
    if not supervisor.finish(steps):
        return False
    stamp_file.write_text(stamp)
    return True


def _await_web(supervisor: Supervisor, *, port: int) -> None:
    """Wait until the web server says that it can serve.

    Raises:
        CannotStart: it keeps ending.
    """
    deadline = time.monotonic() + READY_SECONDS
    answer = "no answer"
    while time.monotonic() < deadline and not supervisor.stopping:
        supervisor.round()
        web = next(kept for kept in supervisor.kept if kept.name == "web")
        if web.deaths >= MOST_DEATHS_AT_START:
            raise CannotStart(f"The web server does not start: {last_line(web.log)} ({web.log}).")
        answer = ask(f"http://127.0.0.1:{port}/readyz")
        if answer == "":
            return
    if not supervisor.stopping:
        supervisor.say(f"The web server runs but is not ready yet: {answer}")


def ask(url: str) -> str:
    """Why a page of ours does not answer with 200; empty when it does."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5):
            return ""
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(300).decode(errors='replace')}"
    except OSError as error:
        return str(error)
