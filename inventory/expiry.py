"""Claims whose time is over are released, whoever they belong to."""

import logging
from dataclasses import dataclass, field

from django.db import DatabaseError, connection, transaction

from inventory import ledger

log = logging.getLogger("inventory.expiry")
BATCH = 500
ACTOR = "expiry"

# A claim that somebody is turning into an order at this moment is his.
_EXPIRED = """
SELECT id FROM inventory_reservation
 WHERE expires_at <= now() AND id <> ALL(%s) ORDER BY expires_at, id LIMIT %s
   FOR UPDATE SKIP LOCKED
"""


@dataclass
class Swept:
    """What a sweep did: claims released, and those that could not be, with the reason."""

    released: int = 0
    stuck: dict[int, str] = field(default_factory=dict)


def sweep() -> Swept:
    """Release all claims that are over, 500 to a transaction.

    When one of a batch cannot be released (its stock row is corrupt), the others are, one by one;
    it is reported and tried again by the next sweep.
    """
    swept = Swept()
    while batch := _batch(swept):
        log.debug("released %s of %s expired claims", swept.released, batch)
    return swept


def _batch(swept: Swept) -> int:
    with transaction.atomic():
        ids = _expired(swept)
        try:
            with transaction.atomic():
                ledger.release(ids, actor=ACTOR, reason="expired")
                swept.released += len(ids)
        except (ledger.NotEnough, ledger.ClaimGone, DatabaseError):
            _one_by_one(ids, swept)
    return len(ids)


def _expired(swept: Swept) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRED, [list(swept.stuck), BATCH])
        return [row[0] for row in cursor.fetchall()]


def _one_by_one(ids: list[int], swept: Swept) -> None:
    for pk in ids:
        try:
            with transaction.atomic():
                ledger.release([pk], actor=ACTOR, reason="expired")
                swept.released += 1
        except (ledger.NotEnough, ledger.ClaimGone, DatabaseError) as error:
            log.error("expired claim %s cannot be released: %s", pk, error)
            swept.stuck[pk] = str(error)[:200]
