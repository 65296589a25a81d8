"""What was promised in a cart, signed: who shows it again when the order is placed is held to it.

A token holds no secret and nothing personal but a country and a postcode; the shop passes it on.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core import signing

from orders.problems import Problem

LASTS = timedelta(minutes=30)
POINTER = "/promise/token"
AGAIN = "ask POST /api/v1/promises again and send the token of its answer"
_SALT = "orders.promise"

Parcels = tuple[tuple[int, tuple[tuple[str, int], ...]], ...]  # (stock point, ((sku, units), ...))


class BadToken(Exception):
    """The token holds for nothing, or not for this order; `problem` says why and what to do."""

    def __init__(self, code: str, words: str) -> None:
        self.problem = Problem(POINTER, code, f"{words}; {AGAIN}")
        super().__init__(words)


@dataclass(frozen=True)
class Promised:
    """One option of a cart: until when, how, and which stock points give which units of our SKUs.

    `units` is everything the promise is for; what is in no parcel comes from supply.
    """

    channel: int
    method: str
    location: str | None
    service: str
    until: datetime
    units: Mapping[str, int]
    parcels: Parcels
    country: str = ""
    postcode: str = ""
    basket: UUID | None = None


def sign(promised: Promised) -> str:
    """The token of an option; good for LASTS."""
    return signing.dumps(
        {
            "c": promised.channel, "m": promised.method, "l": promised.location,
            "s": promised.service, "t": promised.until.isoformat(), "u": dict(promised.units),
            "p": promised.parcels, "d": [promised.country, promised.postcode],
            "b": promised.basket and str(promised.basket),
        },
        salt=_SALT, compress=True,
    )  # fmt: skip


def read(token: str) -> Promised:
    """What the token promises. Raises BadToken when it is none of ours or too old."""
    try:
        kept = signing.loads(token, salt=_SALT, max_age=LASTS)
    except signing.SignatureExpired:
        minutes = int(LASTS.total_seconds() // 60)
        raise BadToken("promise_expired", f"is older than {minutes} minutes") from None
    except signing.BadSignature:
        raise BadToken("promise_unknown", "is no promise that was made here") from None
    return Promised(
        channel=kept["c"], method=kept["m"], location=kept["l"], service=kept["s"],
        until=datetime.fromisoformat(kept["t"]), units=kept["u"],
        parcels=tuple((place, tuple((sku, n) for sku, n in items)) for place, items in kept["p"]),
        country=kept["d"][0], postcode=kept["d"][1],
        basket=None if kept["b"] is None else UUID(kept["b"]),
    )  # fmt: skip


def of_order(channel: int, order: Mapping[str, Any], items: Sequence[Any]) -> Promised | None:
    """The promise that a validated payload shows, if it shows one; `items` are its lines as stock.

    Raises BadToken when it is another channel's, basket's, or of other goods, another destination,
    method or service.
    """
    shown = order.get("promise")
    if not shown:
        return None
    promised = read(shown["token"])
    for code, agrees, words in _agreement(promised, channel, order, items):
        if not agrees:
            raise BadToken(code, words)
    return promised


def _agreement(
    promised: Promised, channel: int, order: Mapping[str, Any], items: Sequence[Any]
) -> list[tuple[str, bool, str]]:
    delivery, address = order["delivery"], order["shipping_address"] or {}
    units: dict[str, int] = {}
    for item in items:
        units[item.sku] = units.get(item.sku, 0) + item.quantity
    method = (delivery["method"], delivery["location"], delivery["service"])
    ships = promised.method == "ship"
    return [
        ("other_channel", promised.channel == channel, "was made to another channel"),
        ("other_basket", promised.basket in {None, order["basket"]}, "was made for another basket"),
        ("several_destinations", not order.get("deliveries"),
         "is for one destination, the order has several"),
        ("other_delivery", method == (promised.method, promised.location, promised.service),
         f"is for {_how(promised)}, /delivery says otherwise"),
        ("other_goods", units == dict(promised.units), "is for other goods or quantities"),
        ("several_parcels", _in_one_parcel(promised, order, items),
         "splits what the order says leaves together (such a cart is asked with ship_together)"),
        ("other_destination", not ships or _same_place(promised, address),
         "is for another country or postcode"),
    ]  # fmt: skip


def _in_one_parcel(promised: Promised, order: Mapping[str, Any], items: Sequence[Any]) -> bool:
    """Whether what leaves together does: the whole order, or lines that share a word."""
    boxes: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        if order.get("ship_together") or item.together:
            boxes["" if order.get("ship_together") else item.together][item.sku] += item.quantity
    parcels = [Counter(dict(units)) for _, units in promised.parcels]
    return all(any(box <= parcel for parcel in parcels) for box in boxes.values())


def _how(promised: Promised) -> str:
    where = f" at {promised.location}" if promised.location else ""
    return f"{promised.method}{where}, {promised.service}"


def _same_place(promised: Promised, address: Mapping[str, Any]) -> bool:
    postcode = address.get("postcode", "")
    return promised.country == address.get("country", "") and (
        not promised.postcode or plain(promised.postcode) == plain(postcode)
    )


def plain(postcode: str) -> str:
    """A postcode as it compares: "sw1a 1aa" is "SW1A1AA"."""
    return postcode.replace(" ", "").replace("-", "").upper()
