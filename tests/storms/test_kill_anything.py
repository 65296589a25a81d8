"""Kill -9 of any process at any time loses nothing and doubles nothing."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests

from config.embedded import processes
from config.embedded.pair import Pair
from tests.cast import payload
from tests.storms.nemesis import ROOT, Nemesis, Program

SEED = int(os.environ.get("STORM_SEED", "7"))
KILLS = int(os.environ.get("STORM_KILLS", "12"))
DRAIN_SECONDS = 150.0  # a killed worker's lease (60 s) and back-off have to pass
CLIENTS = 3


class Door:
    """Somebody outside who calls again with the same key until there is a final answer."""

    def __init__(self, base: str, key: str) -> None:
        self.base, self.key = base, key
        self.session = requests.Session()

    def post(self, path: str, body: dict, deadline: float) -> requests.Response | None:
        """The final answer (2xx or 4xx), or None when the time is over."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": uuid.uuid4().hex}
        while time.monotonic() < deadline:
            try:
                answer = self.session.post(
                    f"{self.base}{path}", json=body, headers=headers, timeout=(2, 10)
                )
                if answer.status_code < 500:
                    return answer
            except requests.RequestException:
                pass
            time.sleep(0.2)
        return None

    def get(self, path: str) -> list[dict]:
        """The rows of a list; empty when the house is away."""
        try:
            answer = self.session.get(
                f"{self.base}{path}", headers={"Authorization": f"Bearer {self.key}"},
                timeout=(2, 10),
            )  # fmt: skip
            return answer.json()["results"] if answer.ok else []
        except (requests.RequestException, ValueError, KeyError):
            return []


def customers(door: Door, seed: int, stop: threading.Event, accepted: dict[str, str]) -> None:
    """Places orders of one to three lines until told to stop, and remembers what was accepted."""
    rng = random.Random(seed)
    while not stop.is_set():
        skus = rng.sample(["TEE", "MUG", "BAG", "CAP", "SOLD"], rng.choice([1, 1, 2, 3]))
        data = payload(*((sku, rng.randint(1, 2)) for sku in skus),
                       external_id=f"storm-{seed}-{uuid.uuid4().hex}")  # fmt: skip
        answer = door.post("/api/v1/orders", data, time.monotonic() + 60)
        if answer is not None and answer.status_code in (200, 201):
            accepted[data["external_id"]] = answer.json()["number"]
        time.sleep(0.05)


def staff(door: Door, seed: int, stop: threading.Event) -> None:
    """Does the work of one stock point over REST, and refuses some of it."""
    rng = random.Random(seed)
    while not stop.is_set():
        deadline = time.monotonic() + 20
        for row in door.get("/api/v1/fulfillment-orders?state=new&limit=50"):
            path = f"/api/v1/fulfillment-orders/{row['id']}"
            if rng.random() < 0.1:
                door.post(f"{path}/refuse", {"reason": "too_busy"}, deadline)
            else:
                door.post(f"{path}/accept", {}, deadline)
        for state, step in (("accepted", "pick"), ("picked", "pack"), ("packed", "ship")):
            for row in door.get(f"/api/v1/fulfillment-orders?state={state}&limit=50"):
                body = {"carrier": "Storm", "tracking_number": f"ST{row['id']}"}
                door.post(f"/api/v1/fulfillment-orders/{row['id']}/{step}",
                          body if step == "ship" else {}, deadline)  # fmt: skip
        time.sleep(0.1)


def is_ready(base: str) -> bool:
    """Whether web and database answer."""
    try:
        return requests.get(f"{base}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def one(db: psycopg.Connection, sql: str) -> int:
    row = db.execute(sql).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's own user may enter, unlike pytest's; kept when told to."""
    path = Path(tempfile.mkdtemp(prefix="maestro-storm-"))
    path.chmod(0o755)
    yield path
    if "STORM_KEEP" not in os.environ:
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.storm
def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(folder: Path) -> None:
    pair = Pair(folder / "var", names=("DATABASE_URL", "BROKER_URL"))
    urls = pair.start()
    env = {**os.environ, **urls, "VAR_DIR": str(folder / "var"), "LOG_LEVEL": "WARNING",
           "EMAIL_URL": "consolemail://"}  # fmt: skip
    programs: list[Program] = []
    try:
        made = subprocess.run(
            [sys.executable, "-m", "tests.storms.world"], cwd=ROOT, env=env, capture_output=True,
            check=True, text=True,
        )  # fmt: skip
        keys = json.loads(made.stdout)
        port = processes.free_port()
        programs = _programs(env, port, folder)
        accepted, killed = _rage(programs, pair, urls, keys, f"http://127.0.0.1:{port}")
        _judge(urls["DATABASE_URL"], env, accepted, killed)
    finally:
        for program in programs:
            program.stop()
        pair.stop()


def _programs(env: dict[str, str], port: int, folder: Path) -> list[Program]:
    table = {
        "web": ("-m", "gunicorn", "config.wsgi", "-b", f"127.0.0.1:{port}", "-w", "2", "-k",
                "gthread", "--threads", "4", "--no-control-socket", "--log-level", "warning"),
        "worker": ("-m", "celery", "-A", "config.celery", "worker", "-c", "2", "-l", "WARNING",
                   "--without-gossip", "--without-mingle"),
        "relay": ("manage.py", "relay"),
    }  # fmt: skip
    programs = [Program(name, argv, env, folder / f"{name}.log") for name, argv in table.items()]
    for program in programs:
        program.start()
    return programs


def _rage(
    programs: list[Program], pair: Pair, urls: dict[str, str], keys: dict, base: str
) -> tuple[dict[str, str], list[str]]:
    accepted: dict[str, str] = {}
    placing, working = threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=customers, args=(Door(base, keys["channel"]), SEED + n, placing,
                                                 accepted), daemon=True)
        for n in range(CLIENTS)
    ]  # fmt: skip
    threads += [
        threading.Thread(target=staff, args=(Door(base, key), SEED + n, working), daemon=True)
        for n, key in enumerate(keys["locations"].values())
    ]
    for thread in threads:
        thread.start()
    nemesis = Nemesis(SEED, programs, pair.servers["BROKER_URL"], urls["DATABASE_URL"])
    try:
        nemesis.rage(kills=KILLS, alive=lambda: is_ready(base))
        placing.set()
        _drain(urls["DATABASE_URL"])
    finally:
        placing.set()
        working.set()
    for thread in threads:
        thread.join(70)
    return accepted, nemesis.killed


def _drain(database: str) -> None:
    """Wait until no work is due and everything that has a stock point has left."""
    deadline = time.monotonic() + DRAIN_SECONDS
    quiet = 0
    while quiet < 4:
        assert time.monotonic() < deadline, f"not drained in {DRAIN_SECONDS} s: {_open(database)}"
        quiet = quiet + 1 if not any(_open(database).values()) else 0
        time.sleep(0.5)


def _open(database: str) -> dict[str, int]:
    """What is still to be done; a database that is recovering is not done."""
    try:
        return _count_open(database)
    except psycopg.OperationalError:
        return {"database away": 1}


def _count_open(database: str) -> dict[str, int]:
    with psycopg.connect(database, autocommit=True, connect_timeout=5) as db:
        work = one(db, "SELECT count(*) FROM config_outboxrow WHERE done_at IS NULL")
        slices = one(db, "SELECT count(*) FROM orders_allocation WHERE state IN"
                         " ('allocated', 'accepted', 'picked', 'packed')")  # fmt: skip
        return {"work": work, "slices": slices}


def _judge(database: str, env: dict[str, str], accepted: dict[str, str], killed: list[str]) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        there = dict(db.execute("SELECT external_id, 100000 + id FROM orders_order").fetchall())
        shipped = one(db, "SELECT count(*) FROM orders_allocation WHERE state = 'shipped'")
        sales = one(db, "SELECT count(*) FROM inventory_stockmovement WHERE kind = 'sale'")
        dead = one(db, "SELECT count(*) FROM config_outboxrow WHERE dead_at IS NOT NULL")
        twice = one(db, "SELECT count(*) FROM (SELECT 1 FROM orders_notification WHERE"
                        " state = 'sent' GROUP BY template, order_id HAVING template ="
                        " 'confirmation' AND count(*) > 1) t")  # fmt: skip
    sys.stdout.write(
        f"\nstorm seed {SEED}: {len(killed)} kills, {len(accepted)} orders accepted,"
        f" {shipped} slices shipped\n"
    )
    assert len(killed) == KILLS
    assert len(accepted) > 20, "the storm hardly let an order in; it proves nothing"
    lost = {name: number for name, number in accepted.items() if f"M{there.get(name)}" != number}
    assert not lost, "an acknowledged order is not there, or is another one"
    assert shipped == sales > 0
    assert (dead, twice) == (0, 0)
    checked = subprocess.run(
        [sys.executable, "manage.py", "check_invariants"], cwd=ROOT, env=env, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
