"""What a parcel costs: ten terms in money, each a whole number of 1/10000, so sums are exact.

For a parcel from point k by service s, in money before its weight:

| term      | weight     | money                                                                 |
| --------- | ---------- | --------------------------------------------------------------------- |
| shipping  | economic   | s's tariff at k's distance and the parcel's weight                    |
| handling  | logistical | `handling_order` + `handling_line` x lines in it                      |
| co2       | ecological | `co2_price_per_kg` x kg of s's `Emission`                             |
| central   | logistical | `central_bonus` when k is not central                                 |
| overstock | retail     | -`overstock_relief` x price x units taken of those above k's target   |
| last unit | retail     | `last_unit_cost` x price of each product of which k has none left     |
| split     | logistical | `split_penalty`, for each parcel but the first                        |
| lateness  | logistical | `late_penalty_per_day` x days that it arrives by s after the promise  |
| workload  | logistical | `workload_cost` x the share of k's day that is given away             |
| refusal   | logistical | `refusal_cost` x k's refusal rate x lines in it                       |

A parcel goes by the service that makes it cheapest; of equals by the first, by key. With
dangerous goods in it only services count that take them.

Rounding is part of the definition: each amount of a parcel, of a line in it or of a product in it
is rounded for itself; shipping for the step and for the kilometers beyond the tariff. The price
of an overstock or last unit is the lowest unit price among the order's lines of that product.
Numbers are kept in float64, which holds whole numbers exactly up to 2**53 (900 billion of money).
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from itertools import compress
from operator import mul
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .lattice import Lattice
from .rules import Bools, Floats, Screening
from .tariff import MONEY
from .types import TERM_NAMES, Candidate

Ints = NDArray[np.intp]

BLOCK = 64  # states at a time: what is laid beside the matrix stays small and is used again

SHIPPING, HANDLING, CO2, CENTRAL, OVERSTOCK, LAST_UNIT, SPLIT, LATENESS, WORKLOAD, REFUSAL = range(
    len(TERM_NAMES)
)


class Priced(NamedTuple):
    """Parcels with their terms, (n, terms) in the order of `Terms`, services and grams, (n,)."""

    terms: Floats
    service: Ints
    grams: Floats


def to_units(amount: Decimal) -> float:
    """Money to 1/10000, to the nearest."""
    return float(round(amount * MONEY))


class CostModel:
    """The cost of any parcel from any live candidate of a screening.

    Rows are the live candidates of the screening, columns its lines.
    """

    def __init__(self, screening: Screening) -> None:
        self.screening = screening
        self.policy = screening.policy
        self.carriage = screening.network.carriage
        self.live = screening.live
        lines = screening.lines
        columns = [(line.quantity, line.weight_g, to_units(line.unit_price)) for line in lines]
        self.quantity, self.grams, self.price = _floats(columns).reshape(-1, 3).T.copy()
        self.dangerous: Bools | None = None
        if any(line.dangerous for line in lines):
            self.dangerous = np.array([line.dangerous for line in lines], dtype=bool)
        self.usable = screening.usable
        self.products = _groups([line.product for line in lines])
        self._set_amounts()
        self._set_services()
        self._set_goods()

    @cached_property
    def points(self) -> list[Candidate]:
        """The live candidates."""
        return [self.screening.candidates[at] for at in self.live.tolist()]

    @cached_property
    def days(self) -> Floats:
        """(services, live) until the customer has a parcel, nan where a service does not go."""
        return self.screening.network.days.take(self.live, axis=1)

    # --- preparation -----------------------------------------------------------------------

    def _set_amounts(self) -> None:
        """What depends on the point alone."""
        policy, logistical = self.policy, self.policy.logistical * MONEY
        rates = (
            logistical,
            logistical,
            logistical * float(policy.central_bonus),
            logistical * float(policy.workload_cost),
            logistical * float(policy.refusal_cost),
        )
        self.amounts = amounts = self.screening.network.at_rates(rates).take(self.live, axis=1)
        handling, per_line, central, workload, refusal = amounts
        self.split = float(round(logistical * float(policy.split_penalty)))
        self.per_parcel = handling + central
        self.per_parcel += workload
        self.per_parcel += self.split
        self.per_line = per_line + refusal

    def _set_services(self) -> None:
        """What depends on the service and the point: (services, live)."""
        screening, policy, carriage = self.screening, self.policy, self.carriage
        km = screening.km.take(self.live)
        if not (screening.destination_known and screening.network.all_placed):
            km = _as_far_as_the_farthest(km)
        self.steps = carriage.steps(km)
        far = carriage.far(km)
        if policy.economic != 1.0:
            far *= policy.economic
        self.far = np.rint(far, out=far)
        self.kg_per_gram = carriage.kg_per_gram(km)
        self.co2_rate = policy.ecological * float(policy.co2_price_per_kg) * MONEY
        self.co2_per_gram = self.kg_per_gram * self.co2_rate
        self.co2_fixed = carriage.kg_fixed * self.co2_rate
        self.late: Floats | None = None
        self.per_service = self.far
        if policy.promise_days is not None and policy.late_penalty_per_day:
            rate = policy.logistical * MONEY * float(policy.late_penalty_per_day)
            self.late = screening.network.late(policy.promise_days, rate).take(self.live, axis=1)
            self.per_service = self.far + self.late
        if not screening.all_serve:
            serves = screening.serves.take(self.live, axis=1)
            self.per_service = np.where(serves, self.per_service, np.inf)

    def _set_goods(self) -> None:
        """What products add by how many of them are taken; None where nothing is.

        `free`, `over`, `shelf`: (lines, live) units that may be sent, above target, and free in
        all, of the line's product. `relief`, `last`: (lines, 1) money per unit above target, and
        for the last one. The `alone` ones are of lines that share their product with no other.
        """
        policy, network = self.policy, self.screening.network
        self.free = self.usable.T
        self.over: Floats | None = None
        self.shelf: Floats | None = None
        relieves = bool(policy.retail and policy.overstock_relief) and network.has_any("overstock")
        keeps = bool(policy.retail and policy.last_unit_cost)
        if not (relieves or keeps):
            return
        wanted = [line.product for line in self.screening.lines]
        price, alone = self.price, None
        if len(self.products) < len(wanted):
            price, alone = price.copy(), np.ones((len(wanted), 1))
            for columns in self.products:
                price[columns] = price[columns].min()
                alone[columns] = len(columns) == 1
        if relieves:
            self.over = network.counts("overstock", wanted).take(self.live, axis=1)
            self.relief = (policy.retail * float(policy.overstock_relief) * price)[:, None]
            self.relief_alone = self.relief if alone is None else self.relief * alone
        if keeps:
            shelf = self.screening.free
            if network.has_any("on_shelf"):
                shelf = np.maximum(shelf, network.counts("on_shelf", wanted))
            self.shelf = shelf.take(self.live, axis=1)
            self.last = np.rint(policy.retail * float(policy.last_unit_cost) * price)[:, None]
            self.last_alone = self.last if alone is None else self.last * alone

    # --- one number per parcel --------------------------------------------------------------

    def matrix(self, *, lattice: Lattice, chunks: Floats) -> Floats:
        """(live, states) cost of sending each state from each candidate, inf where it can't.

        A digit of line l stands for chunks[l] units. What the goods cost is a sum over lines, so
        it is an outer sum of small tables; inside, candidates run fastest, which keeps the inner
        loops long. Then each state goes by its cheapest service. Each parcel carries the split
        penalty; who wants a plan's total takes one off.
        """
        cost = self._goods(lattice, chunks)
        grams = self.weights(lattice, chunks)
        dangerous: Bools | None = None
        if self.dangerous is not None:
            dangerous = np.logical_or.reduce(lattice.digits[:, self.dangerous], axis=1)
        for start in range(0, len(cost), BLOCK):
            block = slice(start, start + BLOCK)
            by_service = self._carried(
                grams[block], None if dangerous is None else dangerous[block]
            )
            cost[block] += np.minimum.reduce(by_service, axis=1)
        cost[0] = np.inf
        return cost.T

    def _carried(self, grams: Floats, dangerous: Bools | None) -> Floats:
        """(weights, services, live) shipping, co2 and lateness; inf where a service can't."""
        cost = self._rounded_prices(grams).take(self.steps, axis=1)
        cost += self.per_service
        if self.co2_rate:
            co2 = np.multiply.outer(grams, self.co2_per_gram)
            co2 += self.co2_fixed
            cost += np.rint(co2, out=co2)
        if dangerous is not None:
            cost[np.logical_and.outer(dangerous, ~self.carriage.takes_dangerous)] = np.inf
        return cost

    def _goods(self, lattice: Lattice, chunks: Floats) -> Floats:
        """(states, live) all but what depends on the service: the last products fastest."""
        table = self._line_table(lattice, chunks)
        cost = np.empty((len(lattice.digits), len(self.live)))
        cost[0] = self.per_parcel
        done = 1
        for columns in reversed(self.products):
            block = table[lattice.at[columns[0]] : lattice.at[columns[0] + 1]]
            if len(columns) > 1:
                block = self._product_table(columns, lattice, chunks, table)
            ways = len(block) + 1
            more = cost[: done * ways].reshape(ways, done, -1)
            np.add(block[:, None, :], more[0], out=more[1:])
            done *= ways
        return cost

    def _line_table(self, lattice: Lattice, chunks: Floats) -> Floats:
        """(digits but 0, live) costs, of the first line, then of the next."""

        def each(rows: Floats) -> Floats:
            return rows if lattice.is_binary else rows.take(lattice.line, axis=0)

        units = lattice.digit[:, None] * each(chunks[:, None])
        table = np.where(each(self.free) < units, np.inf, self.per_line)
        if self.over is not None:
            credited = np.minimum(each(self.over), units)
            credited *= each(self.relief_alone)
            table -= np.rint(credited, out=credited)
        if self.shelf is not None:
            table += (each(self.shelf) <= units) * each(self.last_alone)
        return table

    def _product_table(
        self, columns: Sequence[int], lattice: Lattice, chunks: Floats, table: Floats
    ) -> Floats:
        """(states but 0, live) of lines of one product, which share its free units, its overstock
        and its last one."""
        taken, cost = np.zeros((1, 1)), np.zeros((1, len(self.live)))
        for column in columns:
            digits = np.arange(lattice.radices[column]) * chunks[column]
            taken = (taken + digits).reshape(-1, 1)
            own = table[lattice.at[column] : lattice.at[column + 1]]
            own = np.concatenate([np.zeros((1, len(self.live))), own])
            cost = (cost[:, None, :] + own).reshape(len(taken), -1)
        cost[self._free_of(columns) < taken] = np.inf
        if self.over is not None:
            cost -= self._relief(columns[0], slice(None), taken)
        if self.shelf is not None:
            cost += self._last(columns[0], slice(None), taken)
        return cost[1:]

    def _relief(self, column: int, rows: Ints | slice, taken: Floats) -> Floats:
        assert self.over is not None
        return np.rint(self.relief[column, 0] * np.minimum(self.over[column, rows], taken))

    def _last(self, column: int, rows: Ints | slice, taken: Floats) -> Floats:
        assert self.shelf is not None
        return self.last[column, 0] * ((taken > 0) & (taken >= self.shelf[column, rows]))

    def _free_of(self, columns: Sequence[int]) -> Floats:
        return np.maximum.reduce(self.usable[:, columns], axis=1, initial=0.0)

    def free_of(self, product: int) -> Floats:
        """(live,) units of a product that the candidate may send for any of its lines."""
        return self._free_of(self.products[product])

    def weights(self, lattice: Lattice, chunks: Floats) -> Floats:
        """(states,) grams."""
        return lattice.digits @ (self.grams * chunks)

    # --- the terms of given parcels ---------------------------------------------------------

    def priced(self, *, rows: Ints, units: Floats) -> Priced:
        """n parcels by their cheapest services: candidate rows[i] sends units[i], (n, lines).

        Split is left at 0. Does not ask whether the candidate has the units.
        """
        terms = np.zeros((len(TERM_NAMES), len(rows)))
        lines = np.add.reduce(units > 0, axis=1)
        handling, per_line, central, workload, refusal = self.amounts.take(rows, axis=1)
        terms[HANDLING] = handling + per_line * lines
        terms[CENTRAL] = central
        terms[WORKLOAD] = workload
        terms[REFUSAL] = refusal * lines
        if self.over is not None:
            terms[OVERSTOCK] = -self._all_relief(rows, units)
        if self.shelf is not None:
            terms[LAST_UNIT] = self._all_last(rows, units)
        grams = units @ self.grams
        service = self._add_carried(terms, rows, units, grams)
        return Priced(terms.T, service, grams)

    def _add_carried(self, terms: Floats, rows: Ints, units: Floats, grams: Floats) -> Ints:
        """Fill in shipping, co2 and lateness of the cheapest service, which is returned."""
        n = np.arange(len(rows))
        shipping = self._rounded_prices(grams)[n, self.steps.take(rows, axis=1)]  # (services, n)
        co2 = self.co2_per_gram.take(rows, axis=1)
        co2 *= grams
        co2 += self.co2_fixed
        np.rint(co2, out=co2)
        total = shipping + self.per_service.take(rows, axis=1)
        total += co2
        if self.dangerous is not None:
            has_some = units[:, self.dangerous].any(axis=1)
            total[np.logical_and.outer(~self.carriage.takes_dangerous, has_some)] = np.inf
        best = total.argmin(axis=0)
        own, here = best * len(rows) + n, best * len(self.live) + rows  # places in flat tables
        terms[SHIPPING] = shipping.take(own)
        terms[SHIPPING] += self.far.take(here)
        terms[CO2] = co2.take(own)
        if self.late is not None:
            terms[LATENESS] = self.late.take(here)
        return best

    def priced_alone(self, *, row: int, units: Sequence[float]) -> tuple[list[float], int, float]:
        """Terms, service and grams of one parcel, equal to `priced`.

        In plain numbers: a plan has one parcel or two, for which numpy takes twice as long.
        """
        count = sum(some > 0 for some in units)
        handling, per_line, central, workload, refusal = self.amounts[:, row].tolist()
        terms = [0.0] * len(TERM_NAMES)
        terms[HANDLING] = handling + per_line * count
        terms[CENTRAL] = central
        terms[WORKLOAD] = workload
        terms[REFUSAL] = refusal * count
        if self.over is not None or self.shelf is not None:
            self._add_goods(terms, row, units)
        grams = sum(map(mul, units, self.grams.tolist()))
        return terms, self._add_service(terms, row, units, grams), grams

    def _add_goods(self, terms: list[float], row: int, units: Sequence[float]) -> None:
        """Fill in overstock and last units: what lines of one product take counts together."""
        taken = [sum(units[column] for column in columns) for columns in self.products]
        first = [columns[0] for columns in self.products]
        if self.over is not None:
            over, relief = self.over[:, row].tolist(), self.relief[:, 0].tolist()
            terms[OVERSTOCK] = -sum(
                float(round(min(over[column], some) * relief[column]))
                for column, some in zip(first, taken, strict=True)
            )
        if self.shelf is not None:
            shelf, last = self.shelf[:, row].tolist(), self.last[:, 0].tolist()
            terms[LAST_UNIT] = sum(
                last[column]
                for column, some in zip(first, taken, strict=True)
                if 0 < some >= shelf[column]
            )

    def _add_service(
        self, terms: list[float], row: int, units: Sequence[float], grams: float
    ) -> int:
        """Fill in shipping, co2 and lateness of the cheapest service, which is returned."""
        price = self._rounded_prices(np.array([grams]))[0].take(self.steps[:, row]).tolist()
        co2 = [
            float(round(per_gram * grams + fixed))
            for per_gram, fixed in zip(
                self.co2_per_gram[:, row].tolist(), self.co2_fixed[:, 0].tolist(), strict=True
            )
        ]
        rest = self.per_service[:, row].tolist()
        total = [sum(parts) for parts in zip(price, rest, co2, strict=True)]
        if self.dangerous is not None and any(compress(units, self.dangerous.tolist())):
            total = list(np.where(self.carriage.takes_dangerous, total, np.inf))
        best = total.index(min(total))
        terms[SHIPPING] = price[best] + float(self.far[best, row])
        terms[CO2] = co2[best]
        if self.late is not None:
            terms[LATENESS] = float(self.late[best, row])
        return best

    def _rounded_prices(self, grams: Floats) -> Floats:
        """(len(grams), steps) weighted prices, to the nearest whole number."""
        prices = self.carriage.prices(grams)
        if self.policy.economic != 1.0:
            prices *= self.policy.economic
        return np.rint(prices, out=prices)

    def _all_relief(self, rows: Ints, units: Floats) -> Floats:
        assert self.over is not None
        credited = np.minimum(self.over.take(rows, axis=1), units.T)
        credited *= self.relief_alone
        relief: Floats = np.add.reduce(np.rint(credited, out=credited), axis=0)
        for columns in self.products:
            if len(columns) > 1:
                relief += self._relief(columns[0], rows, units[:, columns].sum(axis=1))
        return relief

    def _all_last(self, rows: Ints, units: Floats) -> Floats:
        assert self.shelf is not None
        is_last = self.shelf.take(rows, axis=1) <= units.T
        is_last &= units.T > 0
        last: Floats = np.add.reduce(is_last * self.last_alone, axis=0)
        for columns in self.products:
            if len(columns) > 1:
                last += self._last(columns[0], rows, units[:, columns].sum(axis=1))
        return last

    def totals(self, *, rows: Ints, units: Floats) -> Floats:
        """(n,) costs of n parcels, each with the split penalty, as `matrix` has them."""
        total: Floats = np.add.reduce(self.priced(rows=rows, units=units).terms, axis=1)
        return total + self.split

    def kg_co2(self, *, row: int, service: int, grams: float) -> Decimal:
        """kg of a parcel, to 0.0001."""
        kg = float(self.carriage.kg_fixed[service, 0])
        kg += float(self.kg_per_gram[service, row]) * grams
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


def _as_far_as_the_farthest(km: Floats) -> Floats:
    """Unknown distances count as the largest that is known, or as 0."""
    unknown = np.isnan(km)
    farthest = km[~unknown].max(initial=0.0)
    return np.where(unknown, farthest, km)


def _groups(products: Sequence[int]) -> list[list[int]]:
    """Columns of the lines of each product; equal products stand side by side."""
    groups: dict[int, list[int]] = {}
    for column, product in enumerate(products):
        groups.setdefault(product, []).append(column)
    return list(groups.values())


def _floats(values: Sequence[object]) -> Floats:
    return np.array(values, dtype=np.float64)
