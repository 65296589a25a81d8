"""What goes into the engine and what comes out of it: plain data, no behavior to speak of.

Money is Decimal at this edge. Weights of the policy are floats; 1.0 leaves money as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Literal, NamedTuple, Protocol, get_args

from .tariff import Tariff

NOTHING = Decimal("0.0000")
SMALLEST = Decimal("0.0001")

Status = Literal["chosen", "possible", "eliminated"]
Split = Literal["cheapest", "if_needed", "never"]
Criterion = Literal[
    "nearest", "cheapest", "least_co2", "fastest", "central", "overstock", "most_stock",
    "least_busy", "fewest_refusals",
]  # fmt: skip


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
    dangerous: bool = False  # travels only by a service that takes dangerous goods
    category: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stock point as it stands now.

    `free` is what it may promise of each product; `on_shelf` is what it has free of those of
    which a full day lets it promise less. `capacity_left` counts parcels, None is no limit;
    `load` is the share of its day that is given away. `lead_days` are the days until the customer
    has its parcel, by each service in the order of the services; None: this service does not
    fetch there or does not go so far; empty: 0 days by any. `overstock` is the number of units
    above target. `allowed`: the rule lets it in. `excluded` holds the lines it has refused
    before. `refusal_rate` is the probability that it refuses a line. Without coordinates it
    counts as far away as the farthest point.
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
    lead_days: tuple[int | None, ...] = ()
    overstock: Mapping[int, int] = field(default_factory=dict)
    excluded: frozenset[int] = frozenset()
    refusal_rate: float = 0.0
    load: float = 0.0
    allowed: bool = True
    on_shelf: Mapping[int, int] = field(default_factory=dict)


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
class Service:
    """A delivery service: what it asks, what it emits, how far it goes.

    `transit` is (up to km, working days), ascending; beyond the last bound it does not go. A
    service with a bound goes nowhere when the distance is not known.
    """

    key: int
    code: str
    name: str
    tariff: Tariff
    emission: Emission
    transit: tuple[tuple[float, int], ...] = ((float("inf"), 0),)
    dangerous_goods: bool = True

    @property
    def reach_km(self) -> float:
        return self.transit[-1][0] if self.transit else 0.0

    def days(self, km: float) -> int | None:
        """Working days on the road; None: it does not go as far."""
        return next((days for up_to, days in self.transit if km <= up_to), None)


@dataclass(frozen=True, slots=True)
class Policy:
    """What matters how much. The four weights multiply money:

    economic: shipping. ecological: co2. logistical: handling, central, split, lateness, workload,
    refusal. retail: overstock, last unit. A weight of 0 takes its terms out.

    `central_bonus` is a price on each parcel from a point that is not central. `overstock_relief`
    is the share of the unit price credited for each unit above target that is taken,
    `last_unit_cost` the share asked when a product's last free unit leaves. `split_penalty` is
    asked for each parcel after the first. `workload_cost` is asked for a parcel times the
    candidate's load, `refusal_cost` for each line of a parcel times its refusal rate.
    `min_free_units`: a point with fewer free units of a product is left out for its lines (its
    count is not to be trusted). `min_part_value`: when what can be sent does not go in one
    parcel, each parcel must be worth at least this, and so must be what stays behind of it; else
    nothing is sent. `whole`: everything is sent, or nothing. `in_time`: what arrives more than
    `relax_days` after `promise_days` is not sent.

    `split`: "cheapest" as many parcels as are cheapest; "if_needed" one, when one can carry as
    much as several; "never" everything in one, or nothing. `sort`: not the cheapest plan, but the
    first point by these criteria, one after the other (see sort.py).
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
    last_unit_cost: Decimal = NOTHING
    workload_cost: Decimal = NOTHING
    in_time: bool = False
    relax_days: int = 0
    split: Split = "cheapest"
    sort: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        for name in ("economic", "ecological", "logistical", "retail"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise BadInput(f"weight {name}", getattr(self, name))
        if self.max_parcels is not None and self.max_parcels < 1:
            raise BadInput("max_parcels", self.max_parcels)
        if self.last_unit_cost < 0:
            raise BadInput("last_unit_cost", self.last_unit_cost)
        if self.split not in get_args(Split):
            raise BadInput("split", self.split)
        for criterion in self.sort:
            if criterion not in get_args(Criterion):
                raise BadInput("sort", criterion)


@dataclass(slots=True)
class Terms:
    """What makes up a cost, weighted, to 1/10000. The terms add up to `total` exactly."""

    shipping: Decimal = NOTHING
    handling: Decimal = NOTHING
    co2: Decimal = NOTHING
    central: Decimal = NOTHING
    overstock: Decimal = NOTHING
    last_unit: Decimal = NOTHING
    split: Decimal = NOTHING
    lateness: Decimal = NOTHING
    workload: Decimal = NOTHING
    refusal: Decimal = NOTHING

    def amounts(self) -> tuple[Decimal, ...]:
        """In the order of the fields."""
        found: tuple[Decimal, ...] = _AMOUNTS(self)
        return found

    def items(self) -> list[tuple[str, Decimal]]:
        return list(zip(TERM_NAMES, self.amounts(), strict=True))

    @property
    def total(self) -> Decimal:
        return sum(self.amounts(), NOTHING)


TERM_NAMES = tuple(term.name for term in fields(Terms))
_AMOUNTS = attrgetter(*TERM_NAMES)


@lru_cache(maxsize=4096)  # the same few amounts come back for every candidate
def decimal(units: float) -> Decimal:
    """1/10000 of money to a Decimal with four places."""
    return Decimal(int(units)) * SMALLEST


class Unfilled(NamedTuple):
    """Units that stay behind, and why: a code of `explain.UNFILLED`."""

    line: int
    units: int
    why: str


@dataclass(slots=True)
class Parcel:
    candidate: int
    lines: tuple[tuple[int, int], ...]  # (line key, units), by line key
    terms: Terms
    km: float | None  # None: a place is not known
    kg_co2: Decimal
    weight_g: int
    code: str = ""
    name: str = ""
    service: int = 0  # key of the delivery service
    service_code: str = ""
    service_name: str = ""
    days: int | None = None  # until the customer has it

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
    """What a candidate would send alone: everything it can, by its cheapest service."""

    lines: tuple[tuple[int, int], ...]
    terms: Terms
    total: Decimal
    complete: bool  # it is all that was asked for
    service: int
    service_name: str
    days: int | None
    kg_co2: Decimal


@dataclass(slots=True)
class Considered:
    """A candidate in the decision.

    `gap` is the best plan that is forced to use it minus the best plan: by how much its parcel
    would have to be cheaper to draw level. None when no plan that sends as much uses it, or the
    order was too large to know. `shipping_gap` is the same in money on its shipping (before the
    weight); None when shipping has no weight. `would_send` is its part in that forced plan.
    With a `Policy.sort` there are no gaps: `place` says which it is in the order, from 1, and
    `behind` by which criterion it differs from the first that was chosen, with both values.
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
    place: int | None = None
    behind: tuple[str, float, float] | None = None


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
    alone: Decimal | None = None  # planned together with others; the best for it alone costs this

    @cached_property
    def considered(self) -> tuple[Considered, ...]:
        """By candidate key. Worked out at the first look, from the inputs of the decision."""
        return self.evidence.considered()

    @cached_property
    def single_best(self) -> SingleBest | None:
        return self.evidence.single_best()
