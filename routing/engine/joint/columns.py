"""The plans found so far: the columns of the linear program."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import BadInput
from .pricing import Group, cheapest_plan
from .problem import Floats, Parcels, Problem, Supplies


@dataclass(frozen=True, slots=True)
class Column:
    """A complete plan of one problem, what it costs and which supplies it uses."""

    order: int  # index of the problem
    parcels: Parcels
    cost: float
    uses: tuple[tuple[int, float], ...]  # (number, amount), without the number `none`

    def fits(self, left: Floats) -> bool:
        return all(left[number] >= amount for number, amount in self.uses)


class Orders:
    """The problems of a run with their place in the groups, and the columns made for them."""

    def __init__(
        self, problems: Sequence[Problem], shared: Supplies, groups: Sequence[Group]
    ) -> None:
        self.problems = problems
        self.shared = shared
        self.groups = groups
        self.columns: list[Column] = []
        self._known: dict[tuple[int, Parcels], Column] = {}
        self._place = {
            order: (group, member) for group in groups for member, order in enumerate(group.members)
        }
        self.movable = sorted(self._place)  # those that somebody can send something of
        self.fixed = sum(
            float(problem.end[0]) for problem in problems if not problem.candidates
        )  # the others stay behind whatever is done

    def column(self, order: int, parcels: Parcels) -> Column:
        """The column of a plan, made once."""
        found = self._known.get((order, parcels))
        if found is None:
            group, member = self._place[order]
            uses = group.uses(member, parcels)
            uses.pop(self.shared.none, None)
            cost = self.problems[order].cost_of(parcels)
            if not cost.is_integer():
                raise BadInput("costs must be whole numbers", (self.problems[order].key, cost))
            found = Column(order, parcels, cost, tuple(sorted(uses.items())))
            self._known[order, parcels] = found
            self.columns.append(found)
        return found

    def best_with(self, order: int, left: Floats, prices: Floats | None = None) -> Column:
        """The cheapest plan that `left` (numbers + 1,) has room for, at the prices if given."""
        group, member = self._place[order]
        costs = group.possible(member, left)
        if prices is not None:
            costs += group.charges(prices, group.rows(member))
        _, parcels = cheapest_plan(group, member, costs)
        return self.column(order, parcels)

    def new_left(self) -> Floats:
        """(numbers + 1,) what there is; the last never ends."""
        return np.append(self.shared.left, np.inf)
