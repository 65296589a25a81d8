"""Plays the demo company: channels post orders over HTTP, store staff press buttons on their pages.

Nothing here touches the database: everybody comes in through their own door, as in real life.
"""

import json
import random
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from queue import Empty, Queue

import requests

from config.demo import baskets, catalog
from config.demo.company import FACTS, SEED

COMES = 0.3  # chance that a customer is at the counter when the store looks
REFUSES = 0.06  # share of store work that is refused, so that re-routing is seen
WEIGHS = 0.8  # share of parcels that are put on the scale; the others weigh what the products do
AFTERWARDS_SECONDS = 90.0
_WORK = re.compile(r'href="[^"]*/store/work/(\d+)/"')
_PARCEL = re.compile(r'href="[^"]*/store/parcels/(\d+)/"')
_ITEM = re.compile(
    r'data-picked="(\d+)".*?<span class="mono">([^<]+)</span>.*?<span>of (\d+)</span>', re.DOTALL
)
_GOODS = re.compile(r'placeholder="(\d+) by the products"')
_STATE = re.compile(r'data-state="(\w+)"')


def run(*, orders: int, rate: float, url: str = "") -> Iterator[str]:
    """Post `orders` orders at `rate` a second while store staff work; yields lines of progress."""
    facts = json.loads(FACTS.read_text())
    base = (url or facts["base_url"]).rstrip("/")
    stop = threading.Event()
    said: Queue[str] = Queue()
    staff = threading.Thread(target=_staff, args=(base, facts, stop, said), daemon=True)
    staff.start()
    answers: dict[int, int] = {}
    started = time.monotonic()
    first = int(time.time() * 1000)  # no order of an earlier play has this number
    stream = baskets.orders(seed=SEED, start=first, count=orders, now=datetime.now(UTC))
    for n, (channel, payload) in enumerate(stream):
        pause = started + n / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        status = _post(base, facts["channels"][channel], payload)
        answers[status] = answers.get(status, 0) + 1
        if (n + 1) % 20 == 0:
            yield f"{n + 1} orders posted, answers {answers}"
        yield from _heard(said)
    yield f"{orders} orders posted, answers {answers}; stores go on working"
    stop.wait(AFTERWARDS_SECONDS)
    stop.set()
    staff.join(30)
    yield from _heard(said)


def _heard(said: "Queue[str]") -> Iterator[str]:
    while True:
        try:
            yield said.get_nowait()
        except Empty:
            return


def _post(base: str, key: str, payload: dict) -> int:
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": payload["external_id"]}
    try:
        answer = requests.post(
            f"{base}/api/v1/orders", json=payload, headers=headers, timeout=(3, 30)
        )
    except requests.RequestException:
        return 0
    return answer.status_code


def _staff(base: str, facts: dict, stop: threading.Event, said: "Queue[str]") -> None:
    """Every store's person looks at the list, does what is there, and looks again."""
    people = {name: Person(base, name, facts["password"]) for name in facts["stores"]}
    while not stop.is_set():
        for person in people.values():
            if stop.is_set():
                return
            try:
                person.work_off()
            except requests.RequestException as error:
                said.put(f"{person.name}: {error}")
                stop.wait(2)
        stop.wait(1)


class Person:
    """One member of store staff at a browser: a session, and buttons that are forms."""

    def __init__(self, base: str, name: str, password: str) -> None:
        self.base, self.name, self.password = base, name, password
        self.session = requests.Session()
        self.rng = random.Random(name)
        self.logged_in = False

    def work_off(self) -> None:
        """Open the list and do every order on it."""
        if not self.logged_in:
            self._log_in()
        for tab in ("new", "picking", "packed"):
            page = self._get(f"/store/?tab={tab}")
            for pk in dict.fromkeys(_WORK.findall(page)):
                self._do(pk)
        for pk in dict.fromkeys(_WORK.findall(self._get("/store/?tab=ready"))):
            self._hand_out(f"/store/work/{pk}/collect/")
        for pk in dict.fromkeys(_PARCEL.findall(self._get("/store/parcels/"))):
            self._press(f"/store/parcels/{pk}/arrived/")
            self._hand_out(f"/store/parcels/{pk}/collected/")

    def _hand_out(self, path: str) -> None:
        """Some customers come at once, some not today."""
        if self.rng.random() < COMES:
            self._press(path, name="the customer")

    def _log_in(self) -> None:
        self._get("/store/login/")
        self._press("/store/login/", username=self.name, password=self.password)
        self.logged_in = True

    def _do(self, pk: str) -> None:
        page = self._get(f"/store/work/{pk}/")
        state = self._state(page)
        if state == "new":
            if self.rng.random() < REFUSES:
                reason = self.rng.choice(["not_found", "damaged", "too_busy"])
                self._press(f"/store/work/{pk}/refuse/", reason=reason, note="")
                return
            page = self._press(f"/store/work/{pk}/accept/")
        for picked, sku, wanted in _ITEM.findall(page):
            for _ in range(int(wanted) - int(picked)):
                self._press(f"/store/work/{pk}/scan/", code=unescape(sku).strip())
        page = self._press(f"/store/work/{pk}/pack/")
        if f"/store/work/{pk}/ready/" in page:
            self._press(f"/store/work/{pk}/ready/")
            return
        number = f"{self.name.upper().replace('.', '')[:8]}{pk}"
        self._press(f"/store/work/{pk}/ship/", carrier="Demo Post", tracking_number=number,
                    weight_g=self._weighed(page))  # fmt: skip

    def _weighed(self, page: str) -> str:
        """What is typed as the weight: nothing by who is in a hurry."""
        goods = _GOODS.search(page)
        if goods is None or self.rng.random() >= WEIGHS:
            return ""
        return str(catalog.packed_g(int(goods.group(1)), rng=self.rng))

    def _state(self, page: str) -> str:
        found = _STATE.search(page)
        return found.group(1) if found else ""

    def _get(self, path: str) -> str:
        return self.session.get(f"{self.base}{path}", timeout=(3, 30)).text

    def _press(self, path: str, **fields: str) -> str:
        token = self.session.cookies.get("csrftoken", "")
        answer = self.session.post(
            f"{self.base}{path}", data={**fields, "csrfmiddlewaretoken": token},
            headers={"Referer": f"{self.base}{path}"}, timeout=(3, 30),
        )  # fmt: skip
        return answer.text
