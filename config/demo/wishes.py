"""What some customers of the demo company ask for besides: gifts, days, stores, second addresses.

Every tenth order or so; which ones depends on the seed and the order's number alone.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from config.demo.network import LOCATIONS
from config.demo.people import CUSTOMERS, CustomerSpec, customer

Payload = dict[str, Any]
_GREETINGS = (
    "Happy birthday! Love, Mia", "Félicitations à vous deux", "Alles Gute zum Einzug!",
    "For the long nights in the library. Papa", "¡Feliz cumpleaños! 🎂",
)  # fmt: skip
_SHARE = 0.14


def add(payload: Payload, *, seed: int, index: int, channel: str, country: str) -> Payload:
    """The order with a wish, if it has one."""
    rng = random.Random(f"wish-{seed}-{index}")
    placed = datetime.fromisoformat(payload["placed_at"])
    if channel == "till":
        return {**payload, "sold_at": payload["metadata"]["store"]}
    if channel == "marketplace":
        until = placed + timedelta(days=rng.choice((1, 2)))
        return {**payload, "ship_by": until.isoformat()}
    if rng.random() > _SHARE:
        return payload
    wish = rng.choice((_gift, _day, _together, _store, _second))
    return {**payload, **wish(rng, payload, country, seed)}


Wish = Callable[[random.Random, Payload, str, int], Payload]


def _gift(rng: random.Random, payload: Payload, country: str, seed: int) -> Payload:
    return {"gift": True, "gift_message": rng.choice(_GREETINGS)}


def _day(rng: random.Random, payload: Payload, country: str, seed: int) -> Payload:
    placed = datetime.fromisoformat(payload["placed_at"])
    return {"wanted_on": (placed + timedelta(days=rng.randint(4, 12))).date().isoformat()}


def _together(rng: random.Random, payload: Payload, country: str, seed: int) -> Payload:
    return {"ship_together": True}


def _store(rng: random.Random, payload: Payload, country: str, seed: int) -> Payload:
    near = [spec.code for spec in LOCATIONS if spec.can_ship_to_store and spec.country == country]
    if not near:
        return {}
    return {"delivery": {**payload["delivery"], "method": "ship_to_store",
                         "location": rng.choice(near)}}  # fmt: skip


def _second(rng: random.Random, payload: Payload, country: str, seed: int) -> Payload:
    """The last line goes to somebody else in the same country, as a gift."""
    lines = payload["line_items"]
    other = _somebody(rng, country, seed)
    if len(lines) < 2 or other is None:
        return _gift(rng, payload, country, seed)
    group = {
        "key": "second", "method": "ship", "gift": True, "gift_message": rng.choice(_GREETINGS),
        "address": {
            name: getattr(other, name)
            for name in ("name", "line1", "line2", "city", "region", "postcode", "country", "phone")
        },
    }  # fmt: skip
    return {"deliveries": [group],
            "line_items": [*lines[:-1], {**lines[-1], "delivery": "second"}]}  # fmt: skip


def _somebody(rng: random.Random, country: str, seed: int) -> CustomerSpec | None:
    for _ in range(20):
        found = customer(seed=seed, number=rng.randrange(CUSTOMERS))
        if found.country == country:
            return found
    return None
