"""Baskets: units held for somebody who is still buying.

A basket's units are claims like any other (owner "basket"), with an end. Placing the order moves
them to it in one statement (orders/capture.py); nothing is given back in between. When the time is
over they are released by inventory/expiry.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from inventory import ledger
from inventory.models import Reservation
from orders import offer, promise
from orders.models import Basket, SalesChannel

OWNER = "basket"
MOST_HOLDS = 6  # times the channel's hold; who has not bought by then starts anew
ROUNDS = 3  # units may be lost to somebody faster; then the next best place is tried
KEEP_EMPTY = timedelta(days=1)


@dataclass(frozen=True)
class Held:
    """A basket and where its units are: (sku, stock point code, units)."""

    basket: Basket
    parts: tuple[tuple[str, str, int], ...]


class NotAvailable(Exception):
    """Not everything can be held; nothing changed. `free` is what can be had, by SKU."""

    def __init__(self, free: Mapping[str, int]) -> None:
        self.free = dict(free)
        super().__init__(f"not enough of {', '.join(sorted(free))}")


class UnknownSku(Exception):
    """No active product has this SKU."""

    def __init__(self, skus: Sequence[str]) -> None:
        self.skus = list(skus)
        super().__init__(f"unknown: {', '.join(skus)}")


class BasketGone(Exception):
    """The basket's time is over, or it was released or bought."""


def hold(
    channel: SalesChannel, *, reference: str, items: Mapping[str, int], actor: str,
    pickup: str | None = None,
) -> Held:  # fmt: skip
    """Hold these units (by SKU) for the channel's basket `reference`, all of them or none.

    The same content again changes nothing, not even the end: a failed payment does not make a hold
    longer. Other content keeps the end too and moves only the difference. After the end it is a new
    basket. `pickup` is the code of the one stock point that may be held at.
    Raises UnknownSku, NotAvailable.
    """
    with transaction.atomic():
        basket = _own(channel, reference)
        held = _parts(basket)
        if _content(held) == dict(items):
            return Held(basket, held)
        for _ in range(ROUNDS):
            if _claim(channel, basket, items, actor=actor, pickup=pickup):
                return Held(basket, _parts(basket))
        raise NotAvailable(_free(channel, basket, items))


def _own(channel: SalesChannel, reference: str) -> Basket:
    """The basket's row, locked; its time starts now if it is new or was over."""
    now = timezone.now()
    until = now + timedelta(minutes=channel.hold_minutes)
    Basket.objects.bulk_create(
        [Basket(channel=channel, reference=reference, expires_at=until, created_at=now)],
        ignore_conflicts=True,
    )
    basket = Basket.objects.select_for_update().get(channel=channel, reference=reference)
    if basket.expires_at <= now:
        basket.created_at, basket.expires_at = now, until
        basket.save(update_fields=["created_at", "expires_at"])
    return basket


def _claim(
    channel: SalesChannel, basket: Basket, items: Mapping[str, int], *, actor: str,
    pickup: str | None,
) -> bool:  # fmt: skip
    sellable = offer.points(channel, sorted(items), basket=basket)
    unknown = sorted(set(items) - set(sellable))
    if unknown:
        raise UnknownSku(unknown)
    wanted = [promise.Wanted(i, sku, units) for i, (sku, units) in enumerate(sorted(items.items()))]
    pieces, missing = promise.choose(wanted, sellable, at=None, only=pickup)
    if missing:
        raise NotAvailable({w.sku: items[w.sku] - w.quantity for w in missing})
    claims = [
        ledger.Claim(n, p.point.product, p.point.location, p.quantity, basket.pk, hot=p.point.hot)
        for n, p in enumerate(pieces)
    ]
    until = basket.expires_at
    try:
        with transaction.atomic():
            swap(claims, live(basket), owner_type=OWNER, actor=actor, expires_at=until)
    except ledger.NotEnough:  # somebody was faster: look again
        return False
    return True


def swap(
    claims: Sequence[ledger.Claim], ending: Sequence[int], *, owner_type: str, actor: str,
    expires_at: datetime | None = None,
) -> dict[int, ledger.Reserved]:  # fmt: skip
    """Claims for the claims of a basket, which end; nothing is free to others in between.

    Returns the new claims by ref. Raises NotEnough when one cannot be had: roll back then.
    """
    hot = [claim for claim in claims if claim.hot]
    got = ledger.reserve(hot, owner_type=owner_type, actor=actor, expires_at=expires_at)
    if len(got) < len(hot):
        raise ledger.NotEnough([(claim.product, claim.location) for claim in hot])
    plain = [claim for claim in claims if not claim.hot]
    return got | ledger.move(
        plain, ending, owner_type=owner_type, actor=actor, reason="basket", expires_at=expires_at
    )


def _free(channel: SalesChannel, basket: Basket, items: Mapping[str, int]) -> dict[str, int]:
    sellable = offer.points(channel, sorted(items), basket=basket)
    return {sku: min(units, sellable[sku].available) for sku, units in items.items()}


def live(basket: Basket) -> list[int]:
    """The ids of the basket's claims that are not over, locked against the sweep."""
    rows = Reservation.objects.select_for_update().filter(
        owner_type=OWNER, owner_id=basket.pk, expires_at__gt=timezone.now()
    )
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _parts(basket: Basket) -> tuple[tuple[str, str, int], ...]:
    rows = Reservation.objects.filter(
        owner_type=OWNER, owner_id=basket.pk, expires_at__gt=timezone.now()
    )
    return tuple(
        rows.order_by("product__sku", "location__code").values_list(
            "product__sku", "location__code", "quantity"
        )
    )


def _content(parts: Sequence[tuple[str, str, int]]) -> dict[str, int]:
    content: dict[str, int] = {}
    for sku, _, units in parts:
        content[sku] = content.get(sku, 0) + units
    return content


def find(channel: SalesChannel, token: UUID, *, lock: bool = False) -> Basket:
    """The channel's basket of this token. Raises BasketGone when it is over or was never there."""
    rows = Basket.objects.filter(channel=channel, token=token, expires_at__gt=timezone.now())
    basket = (rows.select_for_update() if lock else rows).first()
    if basket is None:
        raise BasketGone("this basket is over, was bought, or never was")
    return basket


def lock(channel: SalesChannel, token: UUID | None) -> Basket | None:
    """The basket that an order names, locked; None when it names none or its time is over."""
    if token is None:
        return None
    try:
        return find(channel, token, lock=True)
    except BasketGone:
        return None


def redeem(
    basket: Basket, claims: Sequence[ledger.Claim], *, actor: str
) -> dict[int, ledger.Reserved]:
    """Give an order these claims for what its basket holds, all or none; returns them by ref."""
    try:
        with transaction.atomic():
            got = swap(claims, live(basket), owner_type="order", actor=actor)
    except ledger.NotEnough:  # somebody was faster with what the basket does not hold
        return {}
    basket.delete()
    return got


def read(channel: SalesChannel, token: UUID) -> Held:
    """A basket and its units. Raises BasketGone."""
    basket = find(channel, token)
    return Held(basket, _parts(basket))


def extend(channel: SalesChannel, token: UUID) -> Held:
    """Start the channel's hold afresh, up to 6 holds in all. Raises BasketGone."""
    with transaction.atomic():
        basket = find(channel, token, lock=True)
        hold_time = timedelta(minutes=channel.hold_minutes)
        last = basket.created_at + MOST_HOLDS * hold_time
        _end_at(basket, max(min(timezone.now() + hold_time, last), basket.expires_at))
        return Held(basket, _parts(basket))


def _end_at(basket: Basket, until: datetime) -> None:
    basket.expires_at = until
    basket.save(update_fields=["expires_at"])
    Reservation.objects.filter(pk__in=live(basket)).update(expires_at=until)


def release(channel: SalesChannel, token: UUID, *, actor: str) -> None:
    """Give the units back; nothing happens when the basket is over already."""
    with transaction.atomic():
        try:
            basket = find(channel, token, lock=True)
        except BasketGone:
            return
        ledger.release(live(basket), actor=actor, reason="basket given up")
        basket.delete()


# Who holds units only for a while gives way to who has bought: the newest basket first.
_NEWEST = """
SELECT id FROM (
    SELECT id, sum(quantity) OVER (ORDER BY id DESC) - quantity AS newer
      FROM (SELECT id, quantity FROM inventory_reservation
             WHERE owner_type = 'basket' AND product_id = %s AND location_id = %s
             ORDER BY id DESC FOR UPDATE SKIP LOCKED) AS claim) AS ranked
 WHERE newer < %s
"""


def give_way(*, product: int, location: int, units: int, actor: str) -> None:
    """Release the newest baskets' claims there until so many units are free again."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [product, location, units])
        claims = [row[0] for row in cursor.fetchall()]
    ledger.release(claims, actor=actor, reason="shortage")


def forget() -> int:
    """Drop baskets that ended a day ago; their claims were released long before."""
    over = Basket.objects.filter(expires_at__lt=timezone.now() - KEEP_EMPTY).exclude(
        pk__in=Reservation.objects.filter(owner_type=OWNER).values("owner_id")
    )
    return over.delete()[0]
