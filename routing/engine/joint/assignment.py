"""One plan for each order, within what there is: made one by one, from a program, and improved."""

from collections.abc import Iterable, Mapping

from .columns import Column, Orders
from .problem import Floats


class Assignment:
    """`chosen`: the column of each order that has one; `left` (numbers + 1,): what remains."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.chosen: dict[int, Column] = {}
        self.left = orders.new_left()

    @property
    def total(self) -> float:
        return self.orders.fixed + sum(self.chosen[order].cost for order in sorted(self.chosen))

    def take(self, column: Column) -> None:
        self.chosen[column.order] = column
        for number, amount in column.uses:
            self.left[number] -= amount

    def give_back(self, order: int) -> Column:
        column = self.chosen.pop(order)
        for number, amount in column.uses:
            self.left[number] += amount
        return column

    def copy(self) -> "Assignment":
        other = Assignment(self.orders)
        other.chosen, other.left = dict(self.chosen), self.left.copy()
        return other

    def sweep(self) -> None:
        """Plan each order again with what the others leave, until none gets cheaper."""
        before = float("inf")
        while self.total < before:
            before = self.total
            for order in self.orders.movable:
                now = self.give_back(order)
                other = self.orders.best_with(order, self.left)
                self.take(other if other.cost < now.cost else now)

    def replace(self, columns: Iterable[Column]) -> None:
        """Other plans for their orders. They must fit when all the old ones are given back."""
        wanted = list(columns)
        for column in wanted:
            self.give_back(column.order)
        for column in wanted:
            self.take(column)


def one_by_one(orders: Orders) -> Assignment:
    """First come, first served: the best plan of each with what those before it left."""
    made = Assignment(orders)
    for order in orders.movable:
        made.take(orders.best_with(order, made.left))
    return made


def rounded(orders: Orders, shares: Mapping[int, float], prices: Floats) -> Assignment:
    """From shares of columns to whole plans: the surest first; who finds nothing left plans again
    at the prices, so that it keeps clear of what others need more.

    `shares`: index of a column -> its share of its order.
    """
    likely: dict[int, tuple[float, Column]] = {}
    for at, share in shares.items():
        column = orders.columns[at]
        if share > likely.get(column.order, (0.0, None))[0]:
            likely[column.order] = share, column
    made = Assignment(orders)
    for _, column in sorted(likely.values(), key=lambda one: (-round(one[0], 6), one[1].order)):
        if column.fits(made.left):
            made.take(column)
    for order in orders.movable:
        if order not in made.chosen:
            made.take(orders.best_with(order, made.left, prices))
    return made
