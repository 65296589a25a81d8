"""Gift cards that pay for new orders."""

from collections.abc import Mapping, Sequence
from typing import Any

from orders.capture.claiming import Claimed
from orders.capture.errors import Refused
from orders.models import Payment
from orders.payments import gift_cards
from orders.problems import Problem


def redeem(claimed: Sequence[Claimed], *, actor: str) -> dict[str, Refused]:
    """Take what cards pay; returns the orders whose card cannot, by external id (none is taken)."""
    by_card = {
        (one.written.order_id, payment["reference"]): (one, i, payment)
        for one in claimed
        for i, payment in enumerate(one.incoming.order["payments"])
        if "gift_card" in payment
    }
    if not by_card:
        return {}
    rows = Payment.objects.filter(order_id__in={pk for pk, _ in by_card}).order_by("id")
    ids = {
        pk: key
        for pk, *key_ in rows.values_list("pk", "order_id", "reference")
        if (key := tuple(key_)) in by_card
    }
    taken = [_redemption(pk, by_card[key]) for pk, key in ids.items()]
    try:
        gift_cards.redeem(taken, actor=actor)
    except gift_cards.GiftCardRefused as error:
        return _refused({by: error.refused[pk] for pk, by in ids.items() if pk in error.refused},
                        by_card)  # fmt: skip
    return {}


def _redemption(pk: int, found: tuple[Claimed, int, Mapping[str, Any]]) -> gift_cards.Redemption:
    one, _, payment = found
    return gift_cards.Redemption(
        one.written.order_id, pk, payment["gift_card"], payment["amount"],
        one.incoming.order["currency"],
    )  # fmt: skip


def _refused(
    words: Mapping[Any, str], by_card: Mapping[Any, tuple[Claimed, int, Mapping[str, Any]]]
) -> dict[str, Refused]:
    problems: dict[str, list[Problem]] = {}
    for key, why in words.items():
        one, i, _ = by_card[key]
        problem = Problem(f"/payments/{i}/gift_card", "gift_card_refused", why)
        problems.setdefault(one.incoming.order["external_id"], []).append(problem)
    return {name: Refused(found) for name, found in problems.items()}
