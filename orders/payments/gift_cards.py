"""Gift cards: issued, paid with, filled again by refunds, switched off when their purchase is.

The code is shown once and only its hash is kept. Every change of a balance is an entry with a key.
"""

import hashlib
import secrets
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone

from orders.models import Allocation, GiftCard, GiftCardEntry, Order, OrderLine, Payment
from orders.money import in_words, rounded

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that looks like something else
GROUPS, LENGTH = 4, 4  # 31^16: about 79 random bits


@dataclass(frozen=True)
class Redemption:
    """What one payment takes from a card, as its code names it."""

    order_id: int
    payment_id: int
    code: str
    amount: Decimal
    currency: str


class GiftCardRefused(Exception):
    """Nothing was taken from any card; `refused` says why, by payment id."""

    def __init__(self, refused: Mapping[int, str]) -> None:
        self.refused = dict(refused)
        super().__init__("; ".join(self.refused.values()))


class CodeTaken(Exception):
    """Another card has this code."""

    def __init__(self) -> None:
        super().__init__("a card of another amount or purchase has this code")


def hashed(code: str) -> str:
    """How a code is kept; spaces, dashes and small letters do not matter."""
    # No salt and no stretching: 79 random bits cannot be guessed from their hash.
    return hashlib.sha256(normal(code).encode(errors="backslashreplace")).hexdigest()


def normal(code: str) -> str:
    """A code as it is compared: no spaces, no dashes, capitals."""
    return "".join(c for c in code.upper() if c.isalnum())


def find(code: str) -> GiftCard | None:
    """The card of a code, whatever its state."""
    return GiftCard.objects.filter(code_hash=hashed(code)).first()


def is_usable(card: GiftCard) -> bool:
    """Whether somebody may pay with it now."""
    in_time = card.expires_at is None or card.expires_at > timezone.now()
    return card.active and in_time and card.balance > 0


def issue(
    *, amount: Decimal, currency: str, actor: str, expires_at: datetime | None = None
) -> tuple[GiftCard, str]:
    """A new card and its code, which is stored nowhere; raises ValueError as register() does."""
    parts = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(GROUPS)]
    code = "-".join(parts)
    card, _ = register(
        code=code, amount=amount, currency=currency, actor=actor, expires_at=expires_at
    )
    return card, code


def register(
    *,
    code: str,
    amount: Decimal,
    currency: str,
    actor: str,
    expires_at: datetime | None = None,
    line: OrderLine | None = None,
) -> tuple[GiftCard, bool]:
    """A card with this code, and whether it is new; `line` is the order line that sold it.

    Raises ValueError for an amount that is not positive or not in whole minor units, CodeTaken
    when a card of another amount or purchase has the code.
    """
    if amount <= 0 or amount != rounded(amount, currency):
        raise ValueError(f"{amount} is not an amount of {currency} that a card can hold")
    with transaction.atomic():
        card, new = GiftCard.objects.get_or_create(
            code_hash=hashed(code),
            defaults={
                "ending": normal(code)[-4:], "currency": currency, "balance": amount,
                "expires_at": expires_at, "bought_with": line,
            },
        )  # fmt: skip
        if new:
            GiftCardEntry.objects.create(
                card=card, amount=amount, key=f"issue:{card.pk}", actor=actor
            )
            return card, True
    issued = card.entries.get(key=f"issue:{card.pk}").amount
    line_id = line.pk if line else None
    if (issued, card.currency, card.bought_with_id) != (amount, currency, line_id):
        raise CodeTaken
    return card, False


# The balances of cards, what happened to them, and whose payments they are: one statement.
_TAKE = """
WITH taken AS (
    SELECT * FROM unnest(%(card)s::bigint[], %(order)s::bigint[], %(payment)s::bigint[],
                         %(amount)s::numeric[]) AS t(card_id, order_id, payment_id, amount)
), card AS (
    UPDATE orders_giftcard c SET balance = c.balance - s.amount
      FROM (SELECT card_id, sum(amount) AS amount FROM taken GROUP BY 1) s
     WHERE c.id = s.card_id AND c.active AND c.balance >= s.amount
    RETURNING c.id
), entry AS (
    INSERT INTO orders_giftcardentry (card_id, amount, key, order_id, actor, at)
    SELECT t.card_id, -t.amount, 'pay:' || t.payment_id, t.order_id, %(actor)s, now()
      FROM taken t JOIN card ON card.id = t.card_id
), payment AS (
    UPDATE orders_payment p SET gift_card_id = t.card_id
      FROM taken t WHERE t.payment_id = p.id
)
SELECT id FROM card
"""


def redeem(rows: Sequence[Redemption], *, actor: str) -> None:
    """Pay with cards, for any number of orders in two statements: all of it, or nothing.

    Needs a transaction; the cards are locked in the order of their ids until it ends. Raises
    GiftCardRefused with every payment that cannot be made, as if the others before it were.
    """
    if not rows:
        return
    hashes = {row.payment_id: hashed(row.code) for row in rows}
    cards = {
        card.code_hash: card
        for card in GiftCard.objects.select_for_update(no_key=True)
        .filter(code_hash__in=set(hashes.values()))
        .order_by("id")
    }
    left = {card.pk: card.balance for card in cards.values()}
    refused: dict[int, str] = {}
    for row in rows:
        card = cards.get(hashes[row.payment_id])
        why = _why_not(card, row, left)
        if card is None or why:
            refused[row.payment_id] = why
        else:
            left[card.pk] -= row.amount
    if refused:
        raise GiftCardRefused(refused)
    _take([(cards[hashes[row.payment_id]].pk, row) for row in rows], actor=actor)


def _why_not(card: GiftCard | None, row: Redemption, left: Mapping[int, Decimal]) -> str:
    if card is None:
        return "no gift card has this code"
    if not card.active:
        return "this gift card is switched off"
    if card.expires_at is not None and card.expires_at <= timezone.now():
        return "this gift card has expired"
    if card.currency != row.currency:
        return f"this gift card holds {card.currency}, not {row.currency}"
    if left[card.pk] < row.amount:
        words = in_words(left[card.pk], card.currency)
        return f"this gift card has {words} left"
    return ""


def _take(rows: Sequence[tuple[int, Redemption]], *, actor: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {
            "card": [card for card, _ in rows],
            "order": [row.order_id for _, row in rows],
            "payment": [row.payment_id for _, row in rows],
            "amount": [row.amount for _, row in rows],
            "actor": actor,
        })  # fmt: skip


def lock(cards: Collection[int]) -> None:
    """Lock cards in the order of their ids, as redeem() does: refunds of two orders never cross."""
    if len(cards) > 1:
        list(GiftCard.objects.select_for_update().filter(pk__in=cards).order_by("id"))


def give_back(payment: Payment, amount: Decimal, *, key: str, actor: str) -> None:
    """Fill the card of a payment again; the key does it once."""
    assert payment.gift_card_id is not None  # it was paid with a card
    GiftCardEntry.objects.create(
        card_id=payment.gift_card_id, amount=amount, key=f"refund:{key}", actor=actor,
        order_id=payment.order_id,
    )  # fmt: skip
    GiftCard.objects.filter(pk=payment.gift_card_id).update(balance=F("balance") + amount)


def follow(order: Order, *, all_back: bool) -> int:
    """Switch off cards whose purchase was given back; returns how many.

    A line of three cards of which one was canceled or came back loses one: the one with the most
    on it. When all the money of the order went back (`all_back`), all its cards end.
    """
    cards = list(GiftCard.objects.filter(bought_with__order=order).order_by("-balance", "id"))
    if not cards:
        return 0
    if all_back:
        return switch([card.pk for card in cards], active=False)
    back = _units_back({card.bought_with_id or 0 for card in cards})
    bought: dict[int | None, list[GiftCard]] = defaultdict(list)
    for card in cards:
        bought[card.bought_with_id].append(card)
    ending = [
        card.pk for line, group in bought.items() for card in _surplus(group, back[line or 0])
    ]
    return switch(ending, active=False)


def _units_back(lines: Collection[int]) -> Counter[int]:
    """Units of lines that were canceled, or paid back by a return (a room above: its relation)."""
    canceled = OrderLine.objects.filter(
        pk__in=lines, allocations__state=Allocation.State.CANCELED
    ).values_list("pk", Sum("allocations__quantity"))
    returned = OrderLine.objects.filter(pk__in=lines, return_lines__settled__gt=0).values_list(
        "pk", Sum("return_lines__settled")
    )
    return Counter(dict(canceled)) + Counter(dict(returned))


def _surplus(cards: Sequence[GiftCard], back: int) -> list[GiftCard]:
    working = [card for card in cards if card.active]
    ended = len(cards) - len(working)
    return working[: max(back - ended, 0)]


def switch(cards: Collection[int], *, active: bool) -> int:
    """Switch cards off, or on again; returns how many changed."""
    if not cards:
        return 0
    return GiftCard.objects.filter(pk__in=cards, active=not active).update(active=active)
