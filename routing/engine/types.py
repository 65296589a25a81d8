"""What goes into the engine and what comes out of it: plain data, no behavior to speak of.

Money is Decimal at this edge. Weights of the policy are floats; 1.0 leaves money as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple, Protocol

NOTHING = Decimal("0.0000")
SMALLEST = Decimal("0.0001")

Status = Literal["chosen", "possible", "eliminated"]


class BadInput(ValueError):
    """Something that can't be routed at all; `what` names it, `value` is what was given."""

    def __init__(self, what: str, value: object) -> None:
        super().__init__(f"{what}: {value!r}")
        self.what = what
        self.value = value


@dataclass(frozen=True, slots=True)
class Line:
    """What is still to be sent of an order line. Quantity 0: nothing of it, it is left out."""

    key: int
    product: int
    quantity: int
    weight_g: int  # of one unit
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stock point as it stands now.

    `free` is what it may promise of each product. `capacity_left` counts parcels, None is no
    limit. `overstock` is the number of units above target. `excluded` holds the lines it has
    refused before. `refusal_rate` is the probability that it refuses a line. Without
    coordinates it counts as far away as the farthest point.
    """

    key: int
    code: str
    name: str
    kind: str
    is_central: bool
    lat: float | None
    lng: float | None
    free: Mapping[int, int]
    handling_order: Decimal = NOTHING
    handling_line: Decimal = NOTHING
    capacity_left: int | None = None
    open: bool = True
    can_ship: bool = True
    online: bool = True
    lead_days: int = 0
    overstock: Mapping[int, int] = field(default_factory=dict)
    excluded: frozenset[int] = frozenset()
    refusal_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the order goes. Without coordinates every distance counts as 0."""

    lat: float | None
    lng: float | None
    country: str = ""


@dataclass(frozen=True, slots=True)
class Emission:
    """CO2e of a parcel: a fixed part, and tonnes x km x factor in two legs.

        kg = fixed + grams / 1e6 x detour x (van x first km + truck x the other km)

    Factors: UK Government (DESNZ/DEFRA) conversion factors 2025, freighting goods plus their
    well-to-tank part, kg CO2e per tonne-kilometer: vans, average up to 3.5 t, unknown fuel
    0.63823 + 0.15335; all articulated trucks, average laden 0.07800 + 0.01823. The first 30 km
    count as the van's. The fixed part (sorting, packaging, the stop at the door) and the detour
    factor over the great circle are estimates: the sum is of the size of published figures of
    0.4 to 1 kg for a parcel.
    """

    kg_fixed_per_parcel: float = 0.27
    kg_per_tkm_last_mile: float = 0.79158
    kg_per_tkm_linehaul: float = 0.09623
    last_mile_km: float = 30.0
    detour_factor: float = 1.25
    source: str = "UK Government (DESNZ/DEFRA) conversion factors, with well-to-tank"
    year: int = 2025


@dataclass(frozen=True, slots=True)
class Policy:
    """What matters how much. The four weights multiply money:

    economic: shipping. ecological: co2. logistical: handling, central, split, lateness, refusal.
    retail: overstock. A weight of 0 takes its terms out.

    `central_bonus` is a price on each parcel from a point that is not central. `overstock_relief`
    is the share of the unit price credited for each unit above target that is taken.
    `split_penalty` is asked for each parcel after the first. `refusal_cost` is asked per line of a
    parcel, times the candidate's refusal rate. `min_free_units`: a point with fewer free units of
    a product is left out for its lines (its count is not to be trusted). `min_part_value`: when
    what can be sent does not go in one parcel, each parcel must be worth at least this, and so
    must be what stays behind of it; else nothing is sent. `whole`: everything is sent, or
    nothing.
    """

    economic: float = 1.0
    ecological: float = 1.0
    logistical: float = 1.0
    retail: float = 1.0
    co2_price_per_kg: Decimal = NOTHING
    central_bonus: Decimal = NOTHING
    overstock_relief: Decimal = NOTHING
    split_penalty: Decimal = NOTHING
    max_parcels: int | None = None
    max_km: float | None = None
    late_penalty_per_day: Decimal = NOTHING
    promise_days: int | None = None
    refusal_cost: Decimal = NOTHING
    min_part_value: Decimal | None = None
    min_free_units: int = 0
    whole: bool = False

    def __post_init__(self) -> None:
        for name in ("economic", "ecological", "logistical", "retail"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise BadInput(f"weight {name}", getattr(self, name))
        if self.max_parcels is not None and self.max_parcels < 1:
            raise BadInput("max_parcels", self.max_parcels)


@dataclass(slots=True)
class Terms:
    """What makes up a cost, weighted, to 1/10000. The terms add up to `total` exactly."""

    shipping: Decimal = NOTHING
    handling: Decimal = NOTHING
    co2: Decimal = NOTHING
    central: Decimal = NOTHING
    overstock: Decimal = NOTHING
    split: Decimal = NOTHING
    lateness: Decimal = NOTHING
    refusal: Decimal = NOTHING

    def items(self) -> list[tuple[str, Decimal]]:
        return [(name, getattr(self, name)) for name in TERM_NAMES]

    @property
    def total(self) -> Decimal:
        return sum((amount for _, amount in self.items()), NOTHING)


TERM_NAMES = tuple(term.name for term in fields(Terms))


@lru_cache(maxsize=4096)  # the same few amounts come back for every candidate
def decimal(units: float) -> Decimal:
    """1/10000 of money to a Decimal with four places."""
    return Decimal(int(units)) * SMALLEST


class Unfilled(NamedTuple):
    """Units that stay behind, and why: a code of `explain.UNFILLED`."""

    line: int
    units: int
    why: str


@dataclass(frozen=True, slots=True)
class Parcel:
    candidate: int
    lines: tuple[tuple[int, int], ...]  # (line key, units), by line key
    terms: Terms
    km: float | None  # None: a place is not known
    kg_co2: Decimal
    weight_g: int
    code: str = ""
    name: str = ""

    @property
    def total(self) -> Decimal:
        return self.terms.total


@dataclass(frozen=True, slots=True)
class Plan:
    """Parcels by candidate key; `exact` means that no cheaper plan sends as much."""

    parcels: tuple[Parcel, ...]
    unfilled: tuple[Unfilled, ...]
    total: Decimal
    terms: Terms
    exact: bool
    words: str

    @property
    def kg_co2(self) -> Decimal:
        return sum((parcel.kg_co2 for parcel in self.parcels), NOTHING)


@dataclass(slots=True)
class Elimination:
    """A hard rule that took a candidate out, for one line or (line None) altogether."""

    candidate: int
    rule: str  # a code of rules.py
    value: float | int | None
    limit: float | int | None
    line: int | None
    words: str


@dataclass(slots=True)
class Solo:
    """What a candidate would send alone: everything it can."""

    lines: tuple[tuple[int, int], ...]
    terms: Terms
    total: Decimal
    complete: bool  # it is all that was asked for


@dataclass(slots=True)
class Considered:
    """A candidate in the decision.

    `gap` is the best plan that is forced to use it minus the best plan: by how much its parcel
    would have to be cheaper to draw level. None when no plan that sends as much uses it, or the
    order was too large to know. `shipping_gap` is the same in money on its shipping (before the
    weight); None when shipping has no weight. `would_send` is its part in that forced plan.
    """

    key: int
    code: str
    name: str
    kind: str
    km: float | None
    status: Status
    eliminations: tuple[Elimination, ...]
    solo: Solo | None
    gap: Decimal | None
    shipping_gap: Decimal | None
    would_send: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SingleBest:
    """The best plan with one parcel: most value first, then lowest cost."""

    key: int
    code: str
    name: str
    total: Decimal
    complete: bool


class Evidence(Protocol):
    """What a decision was made from, kept to explain it when somebody asks."""

    def considered(self) -> tuple[Considered, ...]: ...

    def single_best(self) -> SingleBest | None: ...


@dataclass(frozen=True)
class Decision:
    """The plan, and on demand every candidate with why it lost and by how much."""

    plan: Plan
    version: str
    evidence: Evidence = field(repr=False, compare=False)

    @cached_property
    def considered(self) -> tuple[Considered, ...]:
        """By candidate key. Worked out at the first look, from the inputs of the decision."""
        return self.evidence.considered()

    @cached_property
    def single_best(self) -> SingleBest | None:
        return self.evidence.single_best()
