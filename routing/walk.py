"""The rules of a rule set, walked by position until one of them serves the order.

A rule is asked when the order meets its IF. What it cannot send all of goes on to the next such
rule, or stays with this one and waits as its OTHERWISE says. Nothing here writes anything.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, NamedTuple

from orders.models import Allocation
from routing import engine
from routing.claims import Spot, Units
from routing.reading import Row
from routing.replay import Inputs, Json
from routing.rules import NO_RULE, NO_RULES
from routing.snapshot import Snapshot, Waiting

Outcome = Literal["fits", "no_fit", "skipped"]


@dataclass(frozen=True)
class Attempt:
    """A rule that was asked, and what came of it in words."""

    rule: str
    position: int
    outcome: Outcome
    words: str

    def to_json(self) -> Json:
        """As Decision.attempts keeps it."""
        return {"rule": self.rule, "position": self.position, "outcome": self.outcome,
                "words": self.words}  # fmt: skip


class Sent(NamedTuple):
    """What the plan says of a stock point's parcel."""

    service: str
    kg_co2: float


@dataclass(frozen=True)
class Verdict:
    """An answer: units per line and stock point, and why the rest waits.

    `then`: what the fallback stock point gets of the rest.
    """

    sentence: str
    result: Json = field(repr=False)
    plan: Units
    reasons: Mapping[int, str]  # line -> why units of it wait
    inputs: Inputs | None = field(default=None, repr=False)  # None: the engine was not asked
    asked: Sequence[tuple[int, int]] = ()  # (line, units)
    otherwise: str = ""  # the reason of lines that are not named
    rule: Row | None = None
    attempts: tuple[Attempt, ...] = ()
    sends: Mapping[int, Sent] = field(default_factory=dict)  # by location
    cost: Decimal | None = None
    kg_co2: float | None = None
    then: "Verdict | None" = None

    @property
    def places(self) -> set[int]:
        """The stock points of the plan."""
        mine = {place for places in self.plan.values() for place in places}
        return mine | self.then.places if self.then else mine

    @property
    def fits(self) -> bool:
        """Whether everything is sent."""
        return not self.reasons and not self.otherwise

    @property
    def rest(self) -> str:
        """What becomes of what is not sent: queue, backorder, cancel or fallback."""
        return "queue" if self.rule is None else str(self.rule["otherwise"])

    @property
    def last(self) -> "Verdict":
        """The one that says why units wait."""
        return self.then or self

    def why(self, piece: Allocation) -> str:
        """Why a slice waits, in words for its queue."""
        return self.last.reasons.get(piece.line_id, self.last.otherwise)

    def units(self) -> Units:
        """The whole plan, with what the fallback gets."""
        if self.then is None:
            return self.plan
        both: dict[int, dict[int, int]] = defaultdict(dict)
        for plan in (self.plan, self.then.plan):
            for line, places in plan.items():
                both[line].update(places)
        return both


def walk(
    shot: Snapshot, waiting: Sequence[Waiting], *, plan: Units | None = None
) -> Verdict:  # fmt: skip
    """Where these waiting slices should go, by the first rule that serves them all.

    When none does, by the last one asked: a rule that does not say "next" ends the walk. `plan`:
    the first rule's answer, planned together with other orders; it is asked itself when the plan
    is not possible any more.
    """
    if shot.rule_set is None:
        return not_asked(waiting, f"{NO_RULES} covers channel {shot.channel.code}")
    if not waiting:
        return not_asked(waiting, "offered as often as the rules allow: a person decides")
    if not shot.rules:
        name, version = shot.rule_set["name"], shot.rule_set["version"]
        return not_asked(waiting, f"{NO_RULE} of {name} v{version} is for this order")
    attempts: list[Attempt] = []
    for rule in shot.rules:
        verdict = _ask(shot, waiting, rule, plan=plan)
        plan = None
        attempts.append(_attempt(rule, verdict))
        if verdict.fits or rule["otherwise"] != "next":
            break
    verdict = replace(verdict, attempts=tuple(attempts))
    return verdict if verdict.fits else _fall_back(shot, waiting, verdict)


def not_asked(waiting: Sequence[Waiting], words: str, *, rule: Row | None = None) -> Verdict:
    """All of it waits, for a reason that needs no engine."""
    lines = [(one.piece.line_id, one.piece.quantity) for one in waiting]
    sentence = f"{words[0].upper()}{words[1:]}."
    unfilled = [
        {"line": line, "units": units, "why": "not_asked", "words": words} for line, units in lines
    ]
    return Verdict(
        sentence=sentence,
        result={"sentence": sentence, "considered": [],
                "plan": {"parcels": [], "unfilled": unfilled}},
        plan={}, reasons={}, asked=lines, otherwise=words, rule=rule,
    )  # fmt: skip


def answer(inputs: Inputs, decision: engine.Decision, rule: Row) -> Verdict:
    """The engine's decision as a verdict."""
    result = engine.to_json(decision)
    codes = {service.key: service.code for service in inputs.services}
    return Verdict(
        sentence=result["sentence"],
        result=result,
        plan=_units(decision.plan),
        reasons={row["line"]: row["words"] for row in result["plan"]["unfilled"]},
        inputs=inputs,
        rule=rule,
        sends={
            one.candidate: Sent(codes[one.service], float(one.kg_co2))
            for one in decision.plan.parcels
        },
        cost=decision.plan.total,
        kg_co2=float(decision.plan.kg_co2),
    )


def _ask(
    shot: Snapshot, waiting: Sequence[Waiting], rule: Row, *, plan: Units | None = None
) -> Verdict:
    try:
        inputs = shot.inputs(waiting, rule)
        if plan is not None and (found := _follow(inputs, plan, shot.world.coming)) is not None:
            return answer(*found, rule)
        decision = inputs.route()
        if rule["in_time"] and rule["relax_days"] and decision.plan.unfilled:
            late = shot.inputs(waiting, rule, relaxed=True)
            relaxed = late.route()
            if _sent(relaxed.plan) > _sent(decision.plan):
                inputs, decision = late, relaxed
    except (engine.BadInput, engine.BadTariff) as error:
        return not_asked(waiting, f"the rules cannot be used: {error}", rule=rule)
    return answer(inputs, decision, rule)


def _sent(plan: engine.Plan) -> int:
    return sum(units for parcel in plan.parcels for _, units in parcel.lines)


def _follow(
    inputs: Inputs, plan: Units, coming: Mapping[Spot, int]
) -> tuple[Inputs, engine.Decision] | None:  # fmt: skip
    planned = replace(inputs, given=plan, candidates=_with_given(inputs, plan, coming))
    try:
        return planned, planned.route()
    except engine.BadInput:
        return None


def _with_given(
    inputs: Inputs, plan: Units, coming: Mapping[Spot, int]
) -> tuple[engine.Candidate, ...]:  # fmt: skip
    """The candidates with what the plan gives, as far as it is free or another order of the batch
    gives it up in the same transaction."""
    given: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for line in inputs.lines:
        for place, units in plan.get(line.key, {}).items():
            given[place][line.product] += units
    return tuple(
        replace(one, free=dict(one.free) | {
            product: max(free := one.free.get(product, 0),
                         min(units, free + coming.get((one.key, product), 0)))
            for product, units in given[one.key].items()
        })
        if one.key in given else one
        for one in inputs.candidates
    )  # fmt: skip


def _attempt(rule: Row, verdict: Verdict) -> Attempt:
    outcome: Outcome = "fits" if verdict.fits else "no_fit"
    if verdict.inputs is None:
        outcome = "skipped"
    return Attempt(rule["name"], rule["position"], outcome, verdict.sentence)


def _units(plan: engine.Plan) -> Units:
    places: dict[int, dict[int, int]] = defaultdict(dict)
    for parcel in plan.parcels:
        for line, units in parcel.lines:
            places[line][parcel.candidate] = units
    return places


# --- the fallback stock point --------------------------------------------------------------------

# It is asked whatever the rule's own limits are.
_ANYTHING_GOES: dict[str, object] = {
    "kinds": [], "never": [], "max_km": None, "min_free_units": 0, "in_time": False,
    "split": "cheapest", "max_parcels": None, "min_part_value": None,
}  # fmt: skip


def _fall_back(shot: Snapshot, waiting: Sequence[Waiting], verdict: Verdict) -> Verdict:
    """The rest of a rule that names a fallback, as far as that has it free."""
    rule = verdict.rule
    if rule is None or rule["otherwise"] != "fallback" or rule["fallback_id"] in verdict.places:
        return verdict
    then = _ask(shot, _rest(waiting, verdict.plan),
                {**rule, **_ANYTHING_GOES, "only": [rule["fallback_id"]]})  # fmt: skip
    tried = Attempt(f"{rule['name']}: fallback", rule["position"],
                    "fits" if then.fits else "no_fit", then.sentence)  # fmt: skip
    attempts = (*verdict.attempts, tried)
    if not then.plan:
        return replace(verdict, attempts=attempts)
    return replace(verdict, attempts=attempts,
                   then=replace(then, rule=rule, attempts=attempts))  # fmt: skip


def _rest(waiting: Sequence[Waiting], plan: Units) -> list[Waiting]:
    """What the plan leaves of the slices; their claims stay whole."""
    sent = {line: sum(places.values()) for line, places in plan.items()}
    rest = []
    for one in waiting:
        taken = min(sent.get(one.piece.line_id, 0), one.piece.quantity)
        if taken:
            sent[one.piece.line_id] -= taken
        if one.piece.quantity > taken:
            rest.append(one.short(taken))
    return rest
