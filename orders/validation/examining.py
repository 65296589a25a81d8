"""examine(): what a channel's checks say of its orders."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from orders import holds
from orders.models import SalesChannel
from orders.problems import Problem
from orders.validation.facts import Facts, gather
from orders.validation.table import ACCEPT, HOLD, REFUSE, Setting, settings
from orders.validation.verdict import Finding, Verdict, Wanted

FRAUD = "fraud"
MOST_RISK = 100
MOST_WORDS = 300  # of a hold's reason


def examine(
    channel: SalesChannel,
    orders: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    stored: int | None = None,
) -> list[Verdict]:
    """Check canonical payloads (lines in our SKUs) by the channel's settings, each by itself.

    At most one statement for any number of orders; none when no enabled check needs facts.
    `stored` is the id of the one order that is there already: it can be held, but not refused.
    """
    chosen = settings(channel)
    kinds = frozenset[str]().union(*(one.check.facts for one in chosen))
    hours = max((one.params.get("hours", 0) for one in chosen), default=0)
    facts = gather(channel, orders, kinds, hours=hours, now=now, own=stored)
    return [
        _judge(order, chosen, known, most=HOLD if stored else REFUSE)
        for order, known in zip(orders, facts, strict=True)
    ]


def handle(check: str) -> str:
    """The handle of the hold of a check: an order never has it twice."""
    return f"check:{check}"


def _judge(
    order: Mapping[str, Any], chosen: Sequence[Setting], facts: Facts, *, most: str
) -> Verdict:
    findings: list[Finding] = []
    wanted: list[Wanted] = []
    refused: list[Problem] = []
    risk = None
    for one in chosen:
        found = one.check.find(order, one.params, facts)
        findings += found
        if one.name == FRAUD:
            risk = min(sum(finding.score for finding in found), MOST_RISK)
        outcome = _outcome(one, found, risk) if found else ACCEPT
        if outcome == REFUSE and most == REFUSE:
            refused += [Problem(f.pointer, f.code, f.words) for f in found]
        elif outcome != ACCEPT:
            wanted.append(_hold(one, found))
    return Verdict(tuple(findings), tuple(wanted), tuple(refused), risk)


def _outcome(one: Setting, found: Iterable[Finding], risk: int | None) -> str:
    """What follows from these findings; fraud goes as far as its risk does."""
    if one.name != FRAUD or risk is None or one.outcome == ACCEPT:
        return one.outcome
    if one.outcome == REFUSE and risk >= one.params["refuse_at"]:
        return REFUSE
    return HOLD if risk >= one.params["hold_at"] else ACCEPT


def _hold(one: Setting, found: Sequence[Finding]) -> Wanted:
    reason = "; ".join(finding.sentence for finding in found)
    if len(reason) > MOST_WORDS:
        reason = f"{reason[: MOST_WORDS - 1]}…"
    kind = one.check.hold
    data = {"findings": [vars(finding) for finding in found]}
    return Wanted(kind, handle(one.name), reason, tuple(holds.TYPES[kind].blocks), data)
