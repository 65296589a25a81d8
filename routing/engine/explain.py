"""Decisions in words. Amounts are in the order's currency, weighted as the policy says."""

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from .types import Considered, Decision, Parcel, Plan, decimal

NO_STOCK = "no_stock"
NOT_ENOUGH = "not_enough"
RULED_OUT = "ruled_out"
TOO_MANY_PARCELS = "too_many_parcels"
PART_TOO_SMALL = "part_too_small"
NOT_TOGETHER = "not_together"

UNFILLED = {
    NO_STOCK: "no point has it free",
    NOT_ENOUGH: "the points that may send it have too few free",
    RULED_OUT: "the points that have it may not send it",
    TOO_MANY_PARCELS: "it would take more parcels than allowed",
    PART_TOO_SMALL: "it would be split into parts worth less than allowed",
    NOT_TOGETHER: "no point has everything that is to leave together",
}

CENT = Decimal("0.01")


def sentence(decision: Decision) -> str:
    """One sentence for the people who got the work."""
    plan = decision.plan
    if not plan.parcels:
        return _nothing_sent(decision)
    if decision.alone is not None:
        return _with_others(plan, decision.alone)
    if len(plan.parcels) == 1:
        return _one_parcel(decision)
    names = _and([parcel.name for parcel in plan.parcels])
    return (
        f"Split into {len(plan.parcels)} parcels, from {names}: {_why_split(decision)}, "
        f"{money(plan.total)} in all{_left_behind(plan)}."
    )


def explain(decision: Decision) -> tuple[str, ...]:
    """One sentence per candidate, by key: what it sends, what took it out or what it lacked."""
    return tuple(_about(decision.plan, one) for one in decision.considered)


def counterfactual(one: Considered) -> str:
    """What would have had to be different for a candidate that lost."""
    part = "won" if one.solo and one.would_send == one.solo.lines else "taken part"
    if one.place is not None:
        return _in_order(one)
    if one.gap is None:
        return f"{one.name} has only part of it"
    if one.gap == 0:
        return f"{one.name} would have done as well; equals are taken in a fixed order"
    if one.shipping_gap is None:
        return f"{one.name} would have {part} if its parcel had counted {_up(one.gap)} less"
    if one.solo and one.gap > one.solo.terms.shipping:
        return (
            f"{one.name} is {_up(one.gap)} behind, more than all of its shipping "
            f"({money(one.solo.terms.shipping)})"
        )
    return (
        f"{one.name} would have {part} if shipping had been more than "
        f"{_up(one.shipping_gap)} cheaper"
    )


_CRITERIA: dict[str, tuple[str, Callable[[float], str]]] = {
    "nearest": ("distance", lambda km: f"{km:.0f} km" if km < float("inf") else "not known"),
    "cheapest": ("cost", lambda units: money(decimal(units))),
    "least_co2": ("CO₂e", lambda kg: f"{kg:.4f} kg"),
    "fastest": ("speed", lambda days: _count(int(days), "day")),
    "central": ("being central", lambda central: "yes" if central else "no"),
    "overstock": ("overstock", lambda units: _count(int(units), "unit")),
    "most_stock": ("stock", lambda units: _count(int(units), "unit")),
    "least_busy": ("workload", lambda share: f"{share:.1%} of the day"),
    "fewest_refusals": ("refusals", lambda rate: f"{rate:.1%}"),
}


def _in_order(one: Considered) -> str:
    comes = f"{one.name} comes {_ordinal(one.place or 0)}"
    if one.behind is None and one.solo and not one.solo.complete:
        return f"{comes}, but has only part of it"
    if one.behind is None:
        return f"{comes}: equals are taken in a fixed order"
    criterion, own, other = one.behind
    by, words = _CRITERIA[criterion]
    return f"{comes} by {by}: {words(own)}, the one chosen {words(other)}"


def _ordinal(place: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{'th' if place // 10 % 10 == 1 else ending}"


def plan_words(
    *, parcels: Sequence[Parcel], unfilled: int, exact: bool, destination_known: bool
) -> str:
    """What a reader of the plan has to know beside its numbers."""
    said = [f"{_count(len(parcels), 'parcel')} from {_and([one.name for one in parcels])}"]
    if not parcels:
        said = ["nothing is sent"]
    if unfilled:
        said.append(f"{_count(unfilled, 'line')} not sent in full")
    if not exact:
        said.append("the order is too large to prove that nothing is cheaper")
    if not destination_known:
        said.append("the destination's place is not known, so distance counts as 0")
    elif any(one.km is None for one in parcels):
        said.append("a point's place is not known, so it counts as far as the farthest")
    return "; ".join(said)


def money(amount: Decimal) -> str:
    return str(amount.quantize(CENT, rounding=ROUND_HALF_UP))


def _up(amount: Decimal) -> str:
    return str(amount.quantize(CENT, rounding=ROUND_CEILING))


def _about(plan: Plan, one: Considered) -> str:
    if one.status == "chosen":
        units = sum(units for _, units in one.would_send)
        return f"{one.name} sends {_count(units, 'unit')}."
    if one.status == "eliminated":
        return f"{one.name} {_and(list(dict.fromkeys(out.words for out in one.eliminations)))}."
    if one.gap is None and one.place is None and one.solo and one.solo.complete:
        more = one.solo.total - plan.total
        if more < 0:
            return f"{one.name} alone would cost {money(-more)} less, and is left to other orders."
        return f"{one.name} alone would cost {money(more)} more."
    return f"{counterfactual(one)}."


def _with_others(plan: Plan, alone: Decimal) -> str:
    names = _and([parcel.name for parcel in plan.parcels])
    return (
        f"Planned together with other orders: {_count(len(plan.parcels), 'parcel')} from {names}, "
        f"{money(plan.total)} in all; the best for this order alone costs {money(alone)}"
        f"{_left_behind(plan)}."
    )


def _one_parcel(decision: Decision) -> str:
    plan = decision.plan
    chosen = plan.parcels[0]
    return (
        f"{chosen.name} was chosen: {_rank(decision, chosen)}, {money(plan.total)} in all"
        f"{_runner_up(decision)}{_left_behind(plan)}."
    )


def _rank(decision: Decision, chosen: Parcel) -> str:
    holders = [one for one in decision.considered if one.solo and one.solo.complete]
    what = "everything"
    if not holders:
        what = "as much of it"
        holders = [one for one in decision.considered if _sends(one, chosen)]
    if len(holders) == 1:
        return f"the only point that holds {what}"
    placed = next(one for one in decision.considered if one.key == chosen.candidate)
    if placed.place is not None:
        return f"first in the order of the rule of {len(holders)} points that hold {what}"
    known = [one.km for one in holders if one.km is not None]
    nearest = len(known) == len(holders) and chosen.km == min(known)
    return f"{'nearest' if nearest else 'best'} of {len(holders)} points that hold {what}"


def _sends(one: Considered, chosen: Parcel) -> bool:
    can = dict(one.solo.lines) if one.solo else {}
    return one.key == chosen.candidate or all(can.get(key, 0) >= some for key, some in chosen.lines)


def _runner_up(decision: Decision) -> str:
    rest = [one for one in decision.considered if one.status == "possible" and one.gap is not None]
    following = [one for one in decision.considered if one.status == "possible" and one.place]
    if following:
        return f"; {_in_order(min(following, key=lambda one: one.place or 0))}"
    if not rest:
        return ""
    second = min(rest, key=lambda one: (one.gap, one.key))
    if second.gap == 0:
        return f"; {second.name} would have cost the same"
    return f"; {second.name} would have cost {_up(second.gap or CENT)} more"


def _why_split(decision: Decision) -> str:
    single = decision.single_best
    if single is None or not single.complete:
        return "no point holds everything"
    saved = single.total - decision.plan.total
    if saved < 0:
        return "as the rule has it"
    return f"{money(saved)} cheaper than {single.name} alone"


def _left_behind(plan: Plan) -> str:
    if not plan.unfilled:
        return ""
    units = sum(one.units for one in plan.unfilled)
    reasons = _and(list(dict.fromkeys(UNFILLED[one.why] for one in plan.unfilled)))
    return f"; {_count(units, 'unit')} not sent, because {reasons}"


def _nothing_sent(decision: Decision) -> str:
    if not decision.plan.unfilled:
        return "There is nothing to send."
    causes = Counter(
        words
        for one in decision.considered
        for words in dict.fromkeys(out.words for out in one.eliminations)
        if one.status == "eliminated"
    )
    reasons = _and(list(dict.fromkeys(UNFILLED[one.why] for one in decision.plan.unfilled)))
    said = f"Nothing can be sent: {reasons}"
    if causes:
        said += (
            " (" + ", ".join(f"{words}: {times}" for words, times in causes.most_common(3)) + ")"
        )
    return said + "."


def _and(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
