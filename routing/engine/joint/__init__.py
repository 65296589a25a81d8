"""Many orders that compete for scarce stock and capacity, decided together.

    found = solve(problems, stock, capacity, gap=0.005)
    found.plans     per problem: candidate -> units of each line
    found.gap       how far the total may be from the best there is, at most

Column generation. A linear program chooses among complete plans of the orders, so that units and
parcels suffice; its dual prices go into the engine's exact plan of each order (`pricing`), which
brings the plans that are still missing; when none pays any more, a whole plan is chosen for each
order (`whole`). The Lagrangian bound at the best prices says how good the answer is.

As the rest of the engine this reads and writes nothing and knows no clock: the same input gives
the same answer, unless a `deadline` cuts the search short. What a plan costs does not change with
what others take in the same run: overstock, last units and workload are those of the start.
"""

from .adapter import problem
from .problem import Problem
from .solve import Joint, solve

__all__ = ["Joint", "Problem", "problem", "solve"]
