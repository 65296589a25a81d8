"""One process of the orders' storm: channels, staff and workers at once, through their own doors.

python -m tests.storms.dealer SEED DEEDS KEYS: does that many deeds and prints how many answers had
which status, and every answer that no caller should ever get.
"""

import json
import os
import random
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.test import Client  # noqa: E402

from config import outbox  # noqa: E402
from tests.cast import payload  # noqa: E402

ORDERS = 15  # external ids are drawn from so many: the same orders meet in every process
SKUS = ("TEE", "MUG", "BAG", "CAP")
TOPICS = ("route", "work", "money", "shortage", "notify", "webhook")


class Dealer:
    """Does what a die says, again and again."""

    def __init__(self, seed: int, keys: dict[str, Any]) -> None:
        self.dice = random.Random(seed)
        self.keys = keys
        self.client = Client(raise_request_exception=False)
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        answer = self.client.post(
            f"/api/v1{path}", json.dumps(body), content_type="application/json",
            headers={"Authorization": f"Bearer {key or self.keys['web']}",
                     "Idempotency-Key": uuid.uuid4().hex},
        )  # fmt: skip
        self.seen[f"{path.rsplit('/', 1)[-1]} {answer.status_code}"] += 1
        if answer.status_code >= 500:
            self.wrong.append(f"{path} {answer.status_code} {answer.content[:300]!r}")
        return answer.json() if answer.content else {}

    def get(self, path: str, key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {key or self.keys['web']}"}
        return self.client.get(f"/api/v1{path}", headers=headers).json()

    # --- deeds ---

    def name(self) -> str:
        return f"s-{self.dice.randrange(ORDERS)}"

    def order(self, name: str) -> dict[str, Any]:
        """The order of a name is always the same, whoever makes it."""
        dice = random.Random(name)
        data = payload(
            *((sku, dice.randint(1, 2)) for sku in dice.sample(SKUS, dice.choice([1, 2]))),
            external_id=name, placed_at="2026-11-20T10:00:00Z",
        )  # fmt: skip
        state = dice.choice(["pending", "authorized", "captured", None])
        if state:
            data["payments"] = [{"reference": f"p-{name}", "method": "card",
                                 "amount": data["total"], "state": state}]  # fmt: skip
        return data

    def place(self) -> None:
        self.post("/orders", self.order(self.name()))

    def place_many(self) -> None:
        names = sorted({self.name() for _ in range(4)})
        self.post("/orders/bulk", {"orders": [self.order(name) for name in names]})

    def cancel(self) -> None:
        body: dict[str, Any] = {"partial": self.dice.random() < 0.5}
        if self.dice.random() < 0.8:
            body["lines"] = [{"line": self.dice.randint(1, 2), "quantity": 1}]
        self.post(f"/orders/{self.name()}/cancel", body)

    def change(self) -> None:
        line = self.dice.randint(1, 2)
        actions = [
            {"type": "quantity", "line": line, "quantity": self.dice.randint(1, 4)},
            {"type": "add_line", "sku": self.dice.choice(SKUS), "quantity": 1},
            {"type": "remove", "line": line},
            {"type": "substitute", "line": line, "sku": self.dice.choice(SKUS)},
            {"type": "price", "line": line, "discount": self.dice.choice(["1.00", "-0.50"])},
            {"type": "shipping", "amount": self.dice.choice(["0.00", "4.90"])},
            {"type": "address", "shipping_address": {"line1": "2 rue Neuve", "city": "Paris",
             "postcode": "75001", "country": "FR"}},
        ]  # fmt: skip
        body = {"actions": self.dice.sample(actions, self.dice.choice([1, 1, 2])),
                "dry_run": self.dice.random() < 0.2}  # fmt: skip
        self.post(f"/orders/{self.name()}/changes", body)

    def hold(self) -> None:
        self.post(f"/orders/{self.name()}/holds", {"handle": "wait", "reason": "asked to wait"})

    def resolve(self) -> None:
        self.post(f"/orders/{self.name()}/holds/customer:wait/resolve", {})

    def pay(self) -> None:
        name = self.name()
        at = datetime(2026, 11, 21, tzinfo=UTC) + timedelta(minutes=self.dice.randrange(600))
        kind = self.dice.choice(["authorize", "capture", "capture", "void", "chargeback", "fail"])
        row = {
            "order": name, "payment": self.dice.choice([f"p-{name}", f"q-{name}"]), "kind": kind,
            "amount": self.dice.choice(["5.00", "20.00", "9.50"]), "at": at.isoformat(),
            "provider_reference": f"r{self.dice.randrange(200)}", "method": "card",
        }  # fmt: skip
        if kind in ("void", "fail"):
            del row["amount"]
        self.post("/payments/events", {"rows": [row, row]})  # told twice

    def refund(self) -> None:
        body = {"amount": self.dice.choice(["1.00", "30.00"]), "reason": "a gesture"}
        self.post(f"/orders/{self.name()}/refunds", body)

    def fulfill(self) -> None:
        code = self.dice.choice(sorted(self.keys["locations"]))
        key = self.keys["locations"][code]
        first = "accept" if self.dice.random() < 0.8 else "refuse"
        for state, step in (("new", first), ("accepted", "pick"), ("picked", "pack"),
                            ("packed", "ship")):  # fmt: skip
            rows = self.get(f"/fulfillment-orders?state={state}", key).get("results", [])
            for row in rows[:2]:
                body = {
                    "refuse": {"reason": "too_busy"},
                    "ship": {"carrier": "storm", "tracking_number": f"S{row['id']}"},
                }.get(step, {})
                self.post(f"/fulfillment-orders/{row['id']}/{step}", body, key)

    def work(self) -> None:
        for topic in TOPICS:
            outbox.drain(topic, seconds=0.3)

    def deed(self) -> None:
        deeds: list[tuple[Callable[[], None], int]] = [
            (self.place, 4), (self.place_many, 3), (self.cancel, 3), (self.change, 5),
            (self.hold, 1), (self.resolve, 2), (self.pay, 4), (self.refund, 1), (self.fulfill, 6),
            (self.work, 4),
        ]  # fmt: skip
        do, weights = zip(*deeds, strict=True)
        self.dice.choices(do, weights)[0]()


def main() -> None:
    """Deal until the deeds are done."""
    seed, deeds, keys = sys.argv[1:]
    dealer = Dealer(int(seed), json.loads(keys))
    for _ in range(int(deeds)):
        dealer.deed()
    json.dump({"seen": dealer.seen, "wrong": dealer.wrong}, sys.stdout)


if __name__ == "__main__":
    main()
