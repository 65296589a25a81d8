"""manage.py demo_wms: plays the warehouses' own systems for the demo company.

It takes the work that Maestro posts to it, and answers over the public REST API as a warehouse
would: accept, pick, pack, ship, later the carrier's events; now and then it refuses.
"""

import heapq
import itertools
import json
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.demo import catalog
from config.demo.company import SEED

PORT = 8077
MOST_TASKS = 5_000  # beyond that it says no, and the outbox asks again later
MOST_TRIES = 8
LOOK_AGAIN = 120  # seconds between looks for work that fell out of the diary
LARGEST = 256 * 1024  # bytes of one message
TIMEOUT = (3, 15)
CARRIERS = {"standard": ("Colissimo", "UPS"), "express": ("DHL",)}  # by the order's speed
REASONS = ("not_found", "damaged", "too_busy")
NEXT = {"new": "accept", "accepted": "pick", "picked": "pack", "packed": "ship"}


@dataclass(frozen=True)
class Pace:
    """How fast the warehouse is, in seconds; how often it refuses, from 0 to 1."""

    step: float
    transit: float
    deliver: float
    refuse: float


@dataclass(frozen=True)
class Site:
    """One warehouse: its code and the key with which it calls."""

    code: str
    key: str


@dataclass(order=True)
class Step:
    """Something to do at a time."""

    due: float
    tie: int
    run: Callable[[], None] = field(compare=False)
    work: int = field(default=0, compare=False)  # the fulfillment order it is about, 0: none
    tries: int = field(default=0, compare=False)


class Warehouse:
    """Does one step of its work after the other, each through the public API."""

    def __init__(self, *, base_url: str, sites: dict[str, Site], pace: Pace) -> None:
        self.base_url, self.sites, self.pace = base_url.rstrip("/"), sites, pace
        self.stopping = threading.Event()
        self.wake = threading.Condition()
        self.steps: list[Step] = []
        self.known: set[int] = set()
        self.dice = random.Random()
        self.ties = itertools.count()
        self.session = requests.Session()

    # --- the diary ---

    def later(
        self, seconds: float, run: Callable[[], None], *, work: int = 0, tries: int = 0
    ) -> None:
        """Write a step into the diary, with some spread."""
        due = time.monotonic() + seconds * self.dice.uniform(0.7, 1.3)
        with self.wake:
            heapq.heappush(self.steps, Step(due, next(self.ties), run, work, tries))
            self.wake.notify()

    def take(self, code: str, message: dict[str, Any]) -> bool:
        """Take a posted message; False when the diary is full."""
        if len(self.steps) >= MOST_TASKS:
            return False
        site, work = self.sites[code], int(message["fulfillment_order"])
        if message.get("event") == "fulfillment.requested":
            self.begin(site, work)
        elif message.get("event") == "fulfillment.cancel_requested":
            self.later(self.pace.step / 2, partial(self.let_go, site, work))
        return True  # what is withdrawn ends by itself: the next step is answered with 409

    def begin(self, site: Site, work: int) -> None:
        """Start on a fulfillment order, unless it is in the diary already."""
        if work not in self.known:
            self.known.add(work)
            self.later(self.pace.step, partial(self.advance, site, work), work=work)

    def work(self) -> None:
        """Do what is due until it is stopped."""
        while not self.stopping.is_set():
            step = self._next()
            if step is None:
                continue
            try:
                step.run()
            except requests.RequestException:
                if step.tries < MOST_TRIES:
                    tries = step.tries + 1
                    self.later(2.0**tries, step.run, work=step.work, tries=tries)
                else:
                    self.known.discard(step.work)  # the next look finds it

    def _next(self) -> Step | None:
        with self.wake:
            now = time.monotonic()
            if self.steps and self.steps[0].due <= now:
                return heapq.heappop(self.steps)
            self.wake.wait(min(self.steps[0].due - now, 1.0) if self.steps else 1.0)
        return None

    def stop(self) -> None:
        """End after the step that is being done."""
        self.stopping.set()
        with self.wake:
            self.wake.notify()

    # --- the work ---

    def call(self, site: Site, method: str, path: str, body: dict | None = None) -> Any:
        """One call of the API; None when it says that there is nothing to do (404, 409)."""
        answer = self.session.request(
            method, f"{self.base_url}/api/v1/{path}", json=body, timeout=TIMEOUT,
            headers={"Authorization": f"Bearer {site.key}",
                     "Idempotency-Key": secrets.token_hex(16)},
        )  # fmt: skip
        if answer.status_code in (404, 409):
            return None
        answer.raise_for_status()
        return answer.json()

    def advance(self, site: Site, work: int) -> None:
        """Press the next button of a fulfillment order, and come back for the one after it."""
        row = self.call(site, "GET", f"fulfillment-orders/{work}")
        button = NEXT.get(row["state"]) if row else None
        if button is None:
            self.known.discard(work)
            if row:  # it left, but the answer was lost
                self.follow(site, row)
            return
        body: dict[str, Any] = {}
        if button == "accept" and self.dice.random() < self.pace.refuse:
            button, body = "refuse", {"reason": self.dice.choice(REASONS), "note": "demo"}
        if button == "ship":
            number = f"{site.code[:3]}{work:07}{secrets.token_hex(2).upper()}"
            carriers = CARRIERS.get(row["service"], CARRIERS["standard"])
            body = {"carrier": self.dice.choice(carriers), "tracking_number": number,
                    **self.weighed(row)}  # fmt: skip
        row = self.call(site, "POST", f"fulfillment-orders/{work}/{button}", body)
        if row and row["state"] in NEXT:
            self.later(self.pace.step, partial(self.advance, site, work), work=work)
            return
        self.known.discard(work)
        if row:
            self.follow(site, row)

    def weighed(self, row: dict[str, Any]) -> dict[str, int]:
        """What the scale at the packing table says of goods that the demo company sells."""
        known = _weights()
        goods = [known.get(line["sku"], 0) * line["quantity"] for line in row["lines"]
                 if line["open"]]  # fmt: skip
        if not goods or not all(goods):
            return {}
        return {"weight_g": catalog.packed_g(sum(goods), rng=self.dice)}

    def let_go(self, site: Site, work: int) -> None:
        """Answer a request to cancel: what is packed is sent, all else goes back to the shelf."""
        row = self.call(site, "GET", f"fulfillment-orders/{work}")
        if row is None or not any(line["to_cancel"] for line in row["lines"]):
            return
        packed = row["state"] not in ("new", "accepted", "picked")
        answer, note = ("refused", "packed already") if packed else ("accepted", "")
        self.call(site, "POST", f"fulfillment-orders/{work}/cancel-{answer}", {"note": note})

    def follow(self, site: Site, row: dict[str, Any]) -> None:
        """Tell what the carrier does with the parcels that are not there yet."""
        facts = (("in_transit", self.pace.transit), ("out_for_delivery", self.pace.deliver * 0.8),
                 ("delivered", self.pace.deliver))  # fmt: skip
        for parcel in row["parcels"]:
            if parcel["tracking_status"] in ("in_transit", "out_for_delivery"):
                for status, seconds in facts:
                    self.later(seconds, partial(self.report, site, parcel, status))

    def report(self, site: Site, parcel: dict[str, Any], status: str) -> None:
        """One fact of the carrier."""
        path = f"parcels/{parcel['carrier']}/{parcel['tracking_number']}/events"
        self.call(site, "POST", path, {"status": status, "at": timezone.now().isoformat()})

    def look(self, site: Site, *, parcels: bool = False) -> None:
        """Find work that is open but not in the diary, as after a restart; again and again."""
        try:
            self._find(site, parcels=parcels)
        except requests.RequestException:
            self.later(5, partial(self.look, site, parcels=parcels))
        else:
            self.later(LOOK_AGAIN, partial(self.look, site))

    def _find(self, site: Site, *, parcels: bool) -> None:
        for state in (*NEXT, "done") if parcels else NEXT:
            page = self.call(site, "GET", f"fulfillment-orders?state={state}&limit=200")
            for row in page["results"] if page else []:
                if state == "done":
                    self.follow(site, row)
                else:
                    self.begin(site, row["id"])


@cache
def _weights() -> dict[str, int]:
    """Grams of each product of the demo company, as the warehouse knows them, by SKU."""
    return {product.sku: product.weight_g for product in catalog.products(seed=SEED)}


# --- the door ------------------------------------------------------------------------------------


def server(warehouse: Warehouse, port: int) -> ThreadingHTTPServer:
    """A server on the loopback address that takes POST /<code of the warehouse>."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            code = self.path.strip("/")
            if code not in warehouse.sites:
                self.answer(404, {"error": "no such warehouse"})
                return
            try:
                size = int(self.headers.get("Content-Length") or 0)
                if not 0 < size <= LARGEST:
                    raise ValueError("size")
                message = json.loads(self.rfile.read(size))
                taken = warehouse.take(code, message)
            except (ValueError, TypeError, KeyError, AttributeError):
                self.answer(400, {"error": "not a message of Maestro"})
                return
            if not taken:
                self.answer(503, {"error": "no room in the diary"})
                return
            self.answer(202, {"reference": f"{code}-{message['fulfillment_order']}"})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    return Server(("127.0.0.1", port), Handler)


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT."""

    help = "Play the warehouses' own systems for the demo company"
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=PORT, help="0: any free port")
        parser.add_argument("--facts", type=Path, default=settings.VAR_DIR / "demo.json")
        parser.add_argument("--step", type=float, default=4.0, help="seconds per step of the work")
        parser.add_argument("--transit", type=float, default=10.0, help="seconds to the first scan")
        parser.add_argument("--deliver", type=float, default=60.0, help="seconds on the road")
        parser.add_argument("--refuse", type=float, default=0.04, help="share that is refused")

    def handle(self, *args: Any, **options: Any) -> None:
        pace = Pace(*(options[name] for name in ("step", "transit", "deliver", "refuse")))
        base_url, sites = read_facts(options["facts"])
        warehouse = Warehouse(base_url=base_url, sites=sites, pace=pace)
        try:
            door = server(warehouse, options["port"])
        except OSError as error:
            problem = f"Port {options['port']} cannot be used: {error.strerror}."
            raise CommandError(problem) from error
        threads = [
            threading.Thread(target=door.serve_forever, daemon=True),
            threading.Thread(target=warehouse.work, daemon=True),
        ]
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: warehouse.stopping.set())
        for thread in threads:
            thread.start()
        for site in sites.values():
            warehouse.later(0.1, partial(warehouse.look, site, parcels=True))
        names = ", ".join(sites) or "no warehouse"
        self.stdout.write(f"Playing {names} on 127.0.0.1:{door.server_port} for {base_url}")
        self.stdout.flush()
        warehouse.stopping.wait()
        warehouse.stop()
        door.shutdown()
        door.server_close()


def read_facts(path: Path) -> tuple[str, dict[str, Site]]:
    """Where Maestro is, and the warehouses with their keys, as the demo wrote them."""
    try:
        facts = json.loads(path.read_text())
        keys = {code: str(row["key"]) for code, row in facts["wms"].items()}
        return str(facts["base_url"]), {code: Site(code, key) for code, key in keys.items()}
    except OSError as error:
        raise CommandError(f"{path.name} is not there: load the demo company first.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{path.name} does not say which warehouses there are.") from error
