"""rerun(): a stored order is looked at again, and its holds follow what is found now."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from orders import document, events, holds, lifecycle
from orders.models import Hold, Order
from orders.validation.examining import examine, handle
from orders.validation.table import CHECKS
from orders.validation.verdict import Verdict, Wanted

MENDED = ("address", "contact")  # their holds end by themselves when nothing is found any more


def rerun(order_id: int, *, actor: str) -> Verdict:
    """Check a stored order by its channel's settings of today; what would be refused is held.

    A hold is never placed twice: an open one says what is wrong now, a resolved one opens again
    only for findings other than those it was resolved with. The holds of address and contact end
    when nothing asks for them any more; the others wait for a person. Records one event
    `order.checked` when anything changed. An ended order is only looked at.
    Raises Order.DoesNotExist.
    """
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        (verdict,) = examine(
            order.channel, [document.as_payload(order)], now=timezone.now(), stored=order.pk
        )
        if order.state == Order.State.OPEN:
            _write(order, verdict, actor=actor)
    return verdict


def _write(order: Order, verdict: Verdict, *, actor: str) -> None:
    ours = {handle(name) for name in CHECKS}
    known = {hold.handle: hold for hold in order.holds.filter(handle__in=ours)}
    opened = [one.type for one in verdict.holds if _place(order, one, known, actor=actor)]
    wanted = {one.handle for one in verdict.holds}
    resolved = [
        hold.type
        for name in MENDED
        if (hold := known.get(handle(name))) and hold.handle not in wanted
        if _end(hold, actor=actor)
    ]
    findings = [vars(finding) for finding in verdict.findings]
    if (findings, verdict.risk) != (order.findings, order.risk):
        Order.objects.filter(pk=order.pk).update(findings=findings, risk=verdict.risk)
    elif not opened and not resolved:
        return
    events.record(
        order.pk, "order.checked", actor=actor, findings=len(findings), risk=verdict.risk,
        opened=opened, resolved=resolved,
    )  # fmt: skip


def _place(order: Order, wanted: Wanted, known: Mapping[str, Hold], *, actor: str) -> bool:
    """Whether a hold is open now that was not."""
    hold = known.get(wanted.handle)
    if hold is not None:
        same = _findings(hold.data) == _findings(wanted.data)
        if same or hold.state == Hold.State.CANCELED:
            return False
    holds.place(
        order_id=order.pk, type=wanted.type, handle=wanted.handle, reason=wanted.reason,
        blocks=wanted.blocks, data=wanted.data, actor=actor, again=True,
    )  # fmt: skip
    return hold is None or hold.state != Hold.State.OPEN


def _end(hold: Hold, *, actor: str) -> bool:
    """Resolve a hold that nothing asks for any more; the next finding opens it again."""
    if hold.state != Hold.State.OPEN:
        return False
    Hold.objects.filter(pk=hold.pk).update(data={"findings": []})
    holds.resolve(hold_id=hold.pk, actor=actor)
    return True


def _findings(data: Mapping[str, Any]) -> Any:
    return data.get("findings")
