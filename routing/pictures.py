"""Pictures of decisions and runs: maps, and cost against CO2e. Each comes with its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.utils.safestring import SafeString

from routing import engine, plots, replay
from routing.cards import Card, PointCard
from routing.models import Decision, Run
from routing.replay import Inputs

WORDS: dict[str, plots.Role] = {"chosen": "chosen", "possible": "possible", "eliminated": "out"}
MOST_LEGS = 40
MOST_FLOWS = 250
MOST_BARS = 12


@dataclass(frozen=True)
class Choice:
    """A plan of the trade-off, for the table beside the curve."""

    cost: Decimal
    kg_co2: Decimal
    parcels: int
    words: str
    price: Decimal  # per kg of CO2e, from which on it is the best
    is_chosen: bool


@dataclass(frozen=True)
class DecisionPictures:
    """Where everybody is, and what less CO2e would cost."""

    map: SafeString
    out_of_sight: int
    curve: SafeString
    choices: tuple[Choice, ...]


def of_decision(card: Card) -> DecisionPictures:
    """The pictures of a decision; empty ones for what the engine was not asked about."""
    inputs = _inputs(card.decision)
    if inputs is None:
        return DecisionPictures(SafeString(""), 0, SafeString(""), ())
    choices = _choices(card, inputs)
    places, legs = _map(card, inputs)
    drawn = plots.draw(
        f"map-{card.decision.pk}", places=places, legs=legs, title="Map of the decision",
        desc=f"{card.decision.sentence} {_counts(card.points)}",
    )  # fmt: skip
    return DecisionPictures(drawn, plots.out_of_sight(places), _curve(card, choices), choices)


def _inputs(decision: Decision) -> Inputs | None:
    asked = replay.whole(decision)
    return Inputs.from_json(asked) if "candidates" in asked else None


# --- the map of a decision -----------------------------------------------------------------------


def _map(card: Card, inputs: Inputs) -> tuple[list[plots.Place], list[plots.Leg]]:
    at = {one.code: one for one in inputs.candidates}
    goal = inputs.destination
    places: list[plots.Place] = []
    legs: list[plots.Leg] = []
    known = goal.lat is not None and goal.lng is not None
    if known:
        places.append(
            plots.Place("destination", float(goal.lat or 0), float(goal.lng or 0), "goal")
        )
    for point in [*card.in_race, *card.out]:
        candidate = at.get(point.code)
        if candidate is None or candidate.lat is None or candidate.lng is None:
            continue
        role = WORDS[point.status]
        words = point.words.removeprefix(point.name).strip(" .")
        places.append(plots.Place(point.name, candidate.lat, candidate.lng, role, words))
        if known and role != "out" and len(legs) < MOST_LEGS:
            legs.append(plots.Leg(len(places) - 1, 0, role == "chosen", point.words))
    return places, legs


def _counts(points: Sequence[PointCard]) -> str:
    count = {status: sum(point.status == status for point in points) for status in WORDS}
    return (
        f"{count['chosen']} stock points were chosen, {count['possible']} could have sent"
        f" something, {count['eliminated']} could not. The table of stock points has them all."
    )


# --- the trade-off of a decision -----------------------------------------------------------------


def _choices(card: Card, inputs: Inputs) -> tuple[Choice, ...]:
    """The plans that are best at some price of CO2e, the cheapest first; and the one taken."""
    try:
        curve = inputs.trade_off()
    except (engine.BadInput, engine.BadTariff):
        return ()
    plan = card.decision.result["plan"]
    if not plan["parcels"]:
        return ()
    cost = Decimal(plan["total"]) - Decimal(plan["terms"]["co2"])
    kg = Decimal(plan["kg_co2"])
    found = [
        Choice(one.cost, one.kg_co2, one.parcels, one.words, one.price,
               (one.cost, one.kg_co2) == (cost, kg))
        for one in curve
    ]  # fmt: skip
    if not any(one.is_chosen for one in found):
        found.append(Choice(cost, kg, len(plan["parcels"]), plan["words"], Decimal(0), True))
    return tuple(sorted(found, key=lambda one: (one.cost, one.kg_co2)))


def _curve(card: Card, choices: Sequence[Choice]) -> SafeString:
    if len(choices) < 2:
        return SafeString("")
    marks = [
        plots.Mark(float(one.cost), float(one.kg_co2),
                   f"{one.words}: {one.cost:.2f} {card.currency}, {one.kg_co2:.2f} kg",
                   "chosen" if one.is_chosen else "")
        for one in choices
    ]  # fmt: skip
    first, last = choices[0], min(choices, key=lambda one: one.kg_co2)
    return plots.trade_off(
        f"curve-{card.decision.pk}", marks=marks, title="Cost against CO₂e",
        desc=f"{len(choices)} plans, from {first.cost:.2f} {card.currency} with {first.kg_co2:.2f}"
        f" kg CO₂e to {last.cost:.2f} with {last.kg_co2:.2f} kg. The table beside has them all.",
        x_words=f"cost without CO₂e, {card.currency}", y_words="kg CO₂e",
    )  # fmt: skip


# --- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """Orders or parcels of one kind in a run; `percent` of the longest bar."""

    words: str
    count: int
    units: int
    kg_co2: float
    percent: int


@dataclass(frozen=True)
class RunPictures:
    """What a run decided, seen at once."""

    map: SafeString
    scatter: SafeString
    outcomes: tuple[Share, ...]
    places: tuple[Share, ...]
    more_places: int
    orders: int
    cost: Decimal
    kg_co2: float


_OUTCOMES = """
SELECT outcome, cost::float, kg_co2 FROM routing_decision WHERE run_id = %(run)s ORDER BY id
"""
_PLACES = """
SELECT l.name, l.lat, l.lng, count(*), sum(f.units), coalesce(sum(f.kg_co2), 0)
  FROM routing_decision d
  JOIN routing_offer f ON f.decision_id = d.id
  JOIN inventory_location l ON l.id = f.location_id
 WHERE d.run_id = %(run)s
 GROUP BY l.id ORDER BY 4 DESC, l.name
"""
# Destinations to about 25 km: what is drawn is where parcels go, not where somebody lives.
_FLOWS = """
SELECT l.name, round(c.lat::numeric * 4) / 4, round(c.lng::numeric * 4) / 4, count(*)
  FROM routing_decision d
  JOIN routing_offer f ON f.decision_id = d.id AND f.delivery = 'ship'
  JOIN inventory_location l ON l.id = f.location_id
  JOIN orders_ordercontact c ON c.order_id = d.order_id
 WHERE d.run_id = %(run)s AND c.lat IS NOT NULL AND c.lng IS NOT NULL
 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT %(most)s
"""


def of_run(run: Run) -> RunPictures | None:
    """The pictures of a run, in three statements; None before it has decided anything."""
    decided = _read(_OUTCOMES, run)
    if not decided:
        return None
    sent = [(cost, kg) for _, cost, kg in decided if cost is not None and kg is not None and kg > 0]
    places = _read(_PLACES, run)
    names = dict(Decision.Outcome.choices)
    counts = {code: sum(outcome == code for outcome, _, _ in decided) for code in names}
    most_orders, most_parcels = max(counts.values()), max((row[3] for row in places), default=1)
    return RunPictures(
        map=_run_map(run, places),
        scatter=_run_scatter(run, sent),
        outcomes=tuple(
            Share(names[code], count, 0, 0.0, round(100 * count / most_orders))
            for code, count in counts.items()
        ),
        places=tuple(
            Share(name, parcels, units, kg, round(100 * parcels / most_parcels))
            for name, _, _, parcels, units, kg in places[:MOST_BARS]
        ),
        more_places=max(len(places) - MOST_BARS, 0),
        orders=len(decided),
        cost=Decimal(sum(cost for cost, _ in sent)).quantize(Decimal("0.01")),
        kg_co2=sum(kg for _, kg in sent),
    )


def _run_map(run: Run, rows: Sequence[tuple]) -> SafeString:
    located = [row for row in rows if row[1] is not None and row[2] is not None]
    if not located:
        return SafeString("")
    most = located[0][3]
    places = [
        plots.Place(name, lat, lng, "possible", f"{parcels} parcels, {units} units",
                    size=1 + (parcels / most) ** 0.5)
        for name, lat, lng, parcels, units, _ in located
    ]  # fmt: skip
    at = {place.name: number for number, place in enumerate(places)}
    legs = []
    flows = _read(_FLOWS, run, most=MOST_FLOWS)
    for name, lat, lng, parcels in flows:
        if name not in at:
            continue
        places.append(plots.Place(f"{parcels} parcels", float(lat), float(lng), "many"))
        legs.append(plots.Leg(at[name], len(places) - 1, weight=parcels / flows[0][3]))
    return plots.draw(
        f"run-map-{run.pk}", places=places, legs=legs, title="Map of the run",
        desc=f"{len(located)} stock points were given parcels, drawn by how many; lines lead to"
        " where they go. The table of stock points has the figures.",
    )  # fmt: skip


def _run_scatter(run: Run, sent: Sequence[tuple[float, float]]) -> SafeString:
    if len(sent) < 2:
        return SafeString("")
    return plots.scatter(
        f"run-orders-{run.pk}",
        marks=[plots.Mark(cost, kg, f"{cost:.2f}, {kg:.2f} kg CO₂e") for cost, kg in sent],
        title="Orders by cost and CO₂e",
        desc=f"{len(sent)} orders that something is sent of: from {min(sent)[0]:.2f} to"
        f" {max(sent)[0]:.2f} in cost, from {min(kg for _, kg in sent):.2f} to"
        f" {max(kg for _, kg in sent):.2f} kg CO₂e.",
        x_words="cost", y_words="kg CO₂e",
    )  # fmt: skip


def _read(sql: str, run: Run, **params: int) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"run": run.pk, **params})
        return cursor.fetchall()
