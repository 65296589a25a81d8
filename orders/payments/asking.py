"""Asking a gateway for what the ledger holds as pending: work of the topic "money".

The row of work commits with the entry. The call is made outside any transaction, with no lock held;
its answer is applied in the transaction that marks the work done. One payment's work is done in
the order in which it was asked for.
"""

from functools import partial

from config import outbox
from config.models import OutboxRow
from orders import lifecycle
from orders.models import PaymentEntry
from orders.payments import gateways, outcome
from orders.payments.gateways import Answer

TOPIC = "money"
ACTOR = "system"
E = PaymentEntry.State


def put(entry: PaymentEntry, *, again: int = 0) -> None:
    """Ask the gateway for a pending entry once this transaction commits; `again` counts repeats."""
    cause = f"entry:{entry.pk}" + (f":{again}" if again else "")
    outbox.put(topic=TOPIC, subject=entry.payment_id, cause=cause, payload={"entry": entry.pk})


def handle(row: OutboxRow) -> outbox.Finish | None:
    """Ask for one entry; whatever a gateway raises, it is asked again later with the same key."""
    entry = (
        PaymentEntry.objects.select_related("payment__order__channel")
        .filter(pk=row.payload["entry"], state=E.PENDING)
        .first()
    )
    if entry is None:
        return None
    outbox.renew(row)
    return partial(_apply, entry, gateways.of(entry.payment).ask(entry))


def _apply(asked: PaymentEntry, answer: Answer) -> None:
    order = lifecycle.lock(asked.payment.order_id)
    entry = PaymentEntry.objects.select_related("payment", "refund").get(pk=asked.pk)
    if entry.state != E.PENDING:  # an event was faster than the answer
        return
    if answer.status == "pending":
        if answer.reference:
            PaymentEntry.objects.filter(pk=entry.pk).update(provider_reference=answer.reference)
    elif answer.status == "done":
        outcome.done(
            order, entry, actor=ACTOR, reference=answer.reference, at=answer.at,
            expires_at=answer.expires_at,
        )  # fmt: skip
    else:
        outcome.failed(
            order, entry, actor=ACTOR, reference=answer.reference, at=answer.at,
            error=answer.reason or "refused without a reason",
        )  # fmt: skip
