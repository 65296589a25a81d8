"""What a parcel costs: eight terms in money, each a whole number of 1/10000, so sums are exact.

For a parcel from point k, in money before its weight:

| term      | weight     | money                                                                 |
| --------- | ---------- | --------------------------------------------------------------------- |
| shipping  | economic   | the tariff at its distance and its weight                             |
| handling  | logistical | `handling_order` + `handling_line` x lines in it                      |
| co2       | ecological | `co2_price_per_kg` x kg of `Emission`                                 |
| central   | logistical | `central_bonus` when k is not central                                 |
| overstock | retail     | -`overstock_relief` x price x units taken of those above k's target   |
| split     | logistical | `split_penalty`, for each parcel but the first                        |
| lateness  | logistical | `late_penalty_per_day` x days that k's lead time is over the promise  |
| refusal   | logistical | `refusal_cost` x k's refusal rate x lines in it                       |

Rounding is part of the definition: co2 is rounded for the parcel's fixed part and for each line,
shipping for the step and for the kilometers beyond the tariff, the others as a whole. The price
of an overstock unit is the lowest unit price among the order's lines of that product.
Numbers are kept in float64, which holds whole numbers exactly up to 2**53 (900 billion of money).
"""

from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from .lattice import Lattice
from .rules import Floats, Screening, per_product
from .tariff import MONEY, Tariff
from .types import BadInput, Candidate, Emission, Policy

Ints = NDArray[np.intp]

BLOCK = 64  # states at a time: what is laid beside the matrix stays small and is used again

_COSTS = attrgetter("handling_order", "handling_line", "is_central", "lead_days", "refusal_rate")


def to_units(amount: Decimal) -> float:
    """Money to 1/10000, to the nearest."""
    return float(round(amount * MONEY))


class CostModel:
    """The cost of any parcel from any live candidate of a screening.

    Rows are the live candidates of the screening, columns its lines.
    """

    def __init__(
        self, *, screening: Screening, policy: Policy, tariff: Tariff, emission: Emission
    ) -> None:
        self.screening = screening
        self.policy = policy
        self.points: list[Candidate] = [screening.candidates[at] for at in screening.live]
        lines = screening.lines
        self.quantity = _floats([line.quantity for line in lines])
        self.grams = _floats([line.weight_g for line in lines])
        self.price = _floats([to_units(line.unit_price) for line in lines])
        self.usable = screening.usable
        self.products = _groups([line.product for line in lines])
        self._set_distance(tariff, emission)
        self._set_per_parcel()
        self._set_overstock()

    # --- preparation -----------------------------------------------------------------------

    def _set_distance(self, tariff: Tariff, emission: Emission) -> None:
        known = self.screening.km[self.screening.live]
        farthest = np.nanmax(known) if known.size and not np.isnan(known).all() else 0.0
        km = np.where(np.isnan(known), farthest, known)
        self.grid = tariff.grid
        self.step = self.grid.row_of(km)
        self.far = np.rint(self.policy.economic * self.grid.far(km))
        van = np.minimum(km, emission.last_mile_km)
        tkm = van * emission.kg_per_tkm_last_mile + (km - van) * emission.kg_per_tkm_linehaul
        self.kg_fixed = emission.kg_fixed_per_parcel
        self.kg_per_gram = tkm * emission.detour_factor / 1e6
        self.co2_rate = self.policy.ecological * float(self.policy.co2_price_per_kg) * MONEY

    def _set_per_parcel(self) -> None:
        policy, weight = self.policy, self.policy.logistical
        columns = list(zip(*map(_COSTS, self.points), strict=True)) or [()] * 5
        per_order, per_line, central, lead_days, refusal_rate = map(_floats, columns)
        if not ((refusal_rate >= 0) & (refusal_rate <= 1)).all():
            raise BadInput("a refusal rate is not a probability", refusal_rate.tolist())
        late_days = np.zeros(len(lead_days))
        if policy.promise_days is not None:
            late_days = np.maximum(lead_days - policy.promise_days, 0.0)
        self.handling_order = np.rint(weight * MONEY * per_order)
        self.handling_line = np.rint(weight * MONEY * per_line)
        self.co2_fixed = float(np.rint(self.co2_rate * self.kg_fixed))
        bonus = float(policy.central_bonus) * MONEY
        self.central = np.rint(weight * bonus * (1.0 - central))
        self.split = float(np.rint(weight * float(policy.split_penalty) * MONEY))
        self.late = np.rint(weight * float(policy.late_penalty_per_day) * MONEY * late_days)
        self.refusal = np.rint(weight * float(policy.refusal_cost) * MONEY * refusal_rate)
        self.per_parcel = (
            self.far + self.handling_order + self.co2_fixed + self.central + self.split + self.late
        )
        self.per_line = self.handling_line + self.refusal

    def _set_overstock(self) -> None:
        """`over` (live, products) and `relief` (products,), or None when nothing is credited."""
        self.over: Floats | None = None
        share = self.policy.retail * float(self.policy.overstock_relief)
        counts = [point.overstock for point in self.points]
        if not share or not any(counts):
            return
        self.relief = np.array([share * self.price[columns].min() for columns in self.products])
        wanted = [self.screening.lines[columns[0]].product for columns in self.products]
        self.over = per_product(counts, wanted)
        product_of = np.repeat(np.arange(len(wanted)), [len(columns) for columns in self.products])
        alone = np.array([len(self.products[product]) == 1 for product in product_of])
        self.over_alone = self.over[:, product_of]
        self.relief_alone = np.where(alone, self.relief[product_of], 0.0)

    # --- one number per parcel --------------------------------------------------------------

    def matrix(self, *, lattice: Lattice, chunks: Floats) -> Floats:
        """(live, states) cost of sending each state from each candidate, inf where it can't.

        A digit of line l stands for chunks[l] units. Everything but the weight steps is a sum
        over lines, so the matrix is an outer sum of small tables; inside, candidates run fastest,
        which keeps the inner loops long. Each parcel carries the split penalty; who wants a
        plan's total takes one off.
        """
        table, at = self._line_tables(lattice.radices, chunks)
        cost = self.per_parcel[None, :]
        for product, columns in enumerate(self.products):
            block = table[at[columns[0]] : at[columns[0] + 1]]
            for column in columns[1:]:
                block = _outer_sum(block, table[at[column] : at[column + 1]])
            if len(columns) > 1:
                block = block + self._product_table(product, columns, lattice.radices, chunks)
            cost = _outer_sum(cost, block)
        steps = np.rint(self.policy.economic * self.grid.by_weight(self.weights(lattice, chunks)))
        for start in range(0, len(cost), BLOCK):
            cost[start : start + BLOCK] += steps.T[start : start + BLOCK].take(self.step, axis=1)
        cost[0] = np.inf
        return cost.T

    def _line_tables(self, radices: Sequence[int], chunks: Floats) -> tuple[Floats, Ints]:
        """(digits, live) costs, the lines one after the other; and where each line begins."""
        at = np.concatenate([[0], np.cumsum(radices)])
        line = np.repeat(np.arange(len(radices)), radices)
        digit = np.arange(at[-1]) - at[line]
        units = (digit * chunks[line])[:, None]
        table = np.rint((self.kg_per_gram * self.co2_rate) * (units * self.grams[line, None]))
        table += self.per_line * (digit > 0)[:, None]
        if self.over is not None:
            credited = np.minimum(self.over_alone.T[line], units)
            table -= np.rint(self.relief_alone[line, None] * credited)
        table[self.usable.T[line] < units] = np.inf
        return table, at

    def _product_table(
        self, product: int, columns: list[int], radices: Sequence[int], chunks: Floats
    ) -> Floats:
        """What several lines of one product share: its free units and its overstock."""
        taken = np.zeros(1)
        for column in columns:
            taken = np.add.outer(taken, np.arange(radices[column]) * chunks[column]).ravel()
        relief = self._relief(product, slice(None), taken[None, :])
        return np.where(self.free_of(product)[:, None] < taken, np.inf, -relief).T

    def _relief(self, product: int, rows: Ints | slice, taken: Floats) -> Floats:
        if self.over is None:
            return np.zeros(taken.shape)
        units = np.minimum(self.over[rows, product][:, None], taken)
        return np.rint(self.relief[product] * units)

    def free_of(self, product: int) -> Floats:
        """(live,) units of a product that the candidate may send for any of its lines."""
        return self.usable[:, self.products[product]].max(axis=1, initial=0.0)

    def weights(self, lattice: Lattice, chunks: Floats) -> Floats:
        """(states,) grams."""
        return lattice.digits @ (self.grams * chunks)

    # --- the terms of given parcels ---------------------------------------------------------

    def terms(self, *, rows: Ints, units: Floats) -> Floats:
        """(n, 8) terms of n parcels: candidate rows[i] sends units[i], (n, lines).

        In the order of the fields of `Terms`; split is left at 0. Does not ask whether the
        candidate has the units.
        """
        terms = np.zeros((len(rows), 8))
        lines = (units > 0).sum(axis=1)
        weight = units @ self.grams
        ship = np.rint(self.policy.economic * self.grid.by_weight(weight))
        terms[:, 0] = ship[self.step[rows], np.arange(len(rows))] + self.far[rows]
        terms[:, 1] = self.handling_order[rows] + self.handling_line[rows] * lines
        per_gram = (self.kg_per_gram * self.co2_rate)[rows]
        terms[:, 2] = self.co2_fixed + np.rint(per_gram[:, None] * (units * self.grams)).sum(axis=1)
        terms[:, 3] = self.central[rows]
        terms[:, 4] = self._overstock(rows, units)
        terms[:, 6] = self.late[rows]
        terms[:, 7] = self.refusal[rows] * lines
        return terms

    def _overstock(self, rows: Ints, units: Floats) -> Floats | float:
        if self.over is None:
            return 0.0
        credited = np.minimum(self.over_alone[rows], units)
        relief = np.rint(self.relief_alone * credited).sum(axis=1)
        for product, columns in enumerate(self.products):
            if len(columns) > 1:
                taken = units[:, columns].sum(axis=1, keepdims=True)
                relief += self._relief(product, rows, taken)[:, 0]
        return -relief

    def totals(self, *, rows: Ints, units: Floats) -> Floats:
        """(n,) costs of n parcels, each with the split penalty, as `matrix` has them."""
        return self.terms(rows=rows, units=units).sum(axis=1) + self.split

    def kg_co2(self, row: int, grams: float) -> Decimal:
        """kg of a parcel, to 0.0001."""
        kg = self.kg_fixed + float(self.kg_per_gram[row]) * grams
        return Decimal(round(kg * MONEY)).scaleb(-4)

    def most(self, wanted: Floats) -> Floats:
        """(live, lines) what each candidate can send of `wanted`, the dearest lines first."""
        units = np.minimum(self.usable, wanted)
        for product, columns in enumerate(self.products):
            if len(columns) == 1:
                continue
            left = self.free_of(product)
            for column in sorted(columns, key=lambda column: (-self.price[column], column)):
                units[:, column] = np.minimum(units[:, column], left)
                left = left - units[:, column]
        return units


def _groups(products: Sequence[int]) -> list[list[int]]:
    """Columns of the lines of each product; equal products stand side by side."""
    groups: dict[int, list[int]] = {}
    for column, product in enumerate(products):
        groups.setdefault(product, []).append(column)
    return list(groups.values())


def _outer_sum(left: Floats, right: Floats) -> Floats:
    """(a, k) and (b, k) to (a * b, k), b running faster than a."""
    return (left[:, None, :] + right[None, :, :]).reshape(-1, left.shape[1])


def _floats(values: Sequence[object]) -> Floats:
    return np.array(values, dtype=np.float64)
