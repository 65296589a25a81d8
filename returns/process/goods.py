"""The goods arrive, at any stock point that takes returns, and are looked at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from config import status
from inventory import ledger
from inventory.models import Location, StockMovement
from returns import policy
from returns.models import Return, ReturnedUnits, ReturnLine
from returns.process import expected
from returns.process.table import (
    MOVES,
    BadQuantity,
    Refused,
    S,
    UnknownLine,
    check_may,
    locked,
    record,
)

WAITING = ReturnedUnits.Grade.WAITING
Kind = StockMovement.Kind
Disposition = ReturnedUnits.Disposition


class NoReturnsHere(Refused):
    """The stock point does not take returns."""

    code = "no_returns_here"

    def __init__(self, location: Location) -> None:
        self.location = location
        super().__init__(f"{location} does not take returns")


class OverReceived(Refused):
    """More units than can still arrive; `most` is how many can be received here in all."""

    code = "over_received"
    field = "received"

    def __init__(self, line: ReturnLine, most: int) -> None:
        self.line, self.line_id, self.most = line, line.pk, most
        super().__init__(f"at most {most} of {line.order_line.name} can have arrived here")


class CountedMore(Refused):
    """Fewer units than were counted before: what was received or graded is not taken back."""

    code = "counted_more"

    def __init__(self, line: ReturnLine, before: int, *, field: str) -> None:
        self.line, self.line_id, self.before = line, line.pk, before
        self.field = field
        super().__init__(
            f"{before} of {line.order_line.name} were counted here before; the number counts all"
            " so far and cannot fall"
        )


class OverGraded(Refused):
    """More units than wait for inspection at this stock point."""

    code = "over_graded"
    field = "grades"

    def __init__(self, line: ReturnLine, waiting: int) -> None:
        self.line, self.line_id, self.waiting = line, line.pk, waiting
        super().__init__(f"{waiting} of {line.order_line.name} wait for inspection here")


class NothingArrived(Refused):
    """There is nothing to inspect yet."""

    code = "nothing_arrived"

    def __init__(self, rma: Return) -> None:
        self.rma = rma
        super().__init__(f"nothing of {rma.number} has arrived yet")


class UnknownGrade(Refused):
    """A grade that is not in the table."""

    code = "unknown_grade"
    field = "grades"

    def __init__(self, line_id: int, grade: str) -> None:
        self.line_id, self.grade = line_id, grade
        super().__init__(f"{grade!r} is not one of {', '.join(policy.DISPOSITION)}")


@dataclass
class _Board:
    """The lines of one return and its units, by line and grade, at one stock point."""

    lines: dict[int, ReturnLine]
    here: dict[tuple[int, str], int]
    changed: set[tuple[int, str]] = field(default_factory=set)

    def at(self, line: int, grade: str) -> int:
        return self.here.get((line, grade), 0)

    def all_at(self, line: int) -> int:
        return sum(units for (pk, _), units in self.here.items() if pk == line)

    def add(self, line: int, grade: str, units: int) -> None:
        self.here[line, grade] = self.at(line, grade) + units
        self.changed.add((line, grade))

    def save(self, location: Location) -> None:
        ReturnedUnits.objects.bulk_create(
            [
                ReturnedUnits(
                    line_id=line, location=location, grade=grade, quantity=self.here[line, grade],
                    disposition=policy.DISPOSITION.get(grade, Disposition.WAITING),
                )
                for line, grade in sorted(self.changed)
            ],
            update_conflicts=True,
            unique_fields=["line", "location", "grade"],
            update_fields=["quantity"],
        )  # fmt: skip


def _board(rma: Return, location: Location, named: Iterable[int]) -> _Board:
    lines = {line.pk: line for line in rma.lines.select_related("order_line").order_by("id")}
    if set(named) - set(lines):
        raise UnknownLine(set(named) - set(lines))
    units = ReturnedUnits.objects.filter(line__rma=rma, location=location)
    return _Board(lines, {(u.line_id, u.grade): u.quantity for u in units})


def receive(
    *, return_id: int, location: Location, arrived: Mapping[int, int], actor: str
) -> Return:
    """Goods of a return arrived at a stock point: units here so far, by return line id.

    The figures count everything that arrived here, earlier parcels included, so a call sent twice
    receives once. Fewer than announced is normal; the rest may come later or elsewhere. What came
    is on hand at once but unavailable until it is inspected. Raises a Refused, IllegalMove when
    the return is not approved, or Return.DoesNotExist.
    """
    if not (location.active and location.can_receive_returns):
        raise NoReturnsHere(location)
    with transaction.atomic():
        rma = locked(return_id)
        board = _board(rma, location, arrived)
        new = {line: n for line, n in _arrivals(rma, board, arrived).items() if n}
        if not new:
            return rma
        to = S.REFUNDED if rma.state == S.REFUNDED else S.RECEIVED
        now = timezone.now()
        first = {} if rma.location_id else {"location": location, "received_at": now}
        status.move(rma, to, allowed=MOVES, **first)
        for line, units in new.items():
            board.add(line, WAITING, units)
            board.lines[line].received += units
        ReturnLine.objects.bulk_update([board.lines[line] for line in new], ["received"])
        board.save(location)
        ledger.post([_arrival(board.lines[line], location, n) for line, n in new.items()],
                    actor=actor)  # fmt: skip
        record(
            rma, "received", actor=actor,
            location=location.code, units=sum(new.values()),
            missing=sum(line.expected - line.received for line in board.lines.values()),
        )  # fmt: skip
        expected.follow(rma)
    return rma


def _arrivals(rma: Return, board: _Board, arrived: Mapping[int, int]) -> dict[int, int]:
    new = {}
    for pk, so_far in arrived.items():
        line, before = board.lines[pk], board.all_at(pk)
        # What was not settled with a refund needs a return of its own: it has money of its own.
        most = line.settled if rma.state == S.REFUNDED else line.expected
        if so_far < 0:
            raise BadQuantity(pk, so_far)
        if so_far < before:
            raise CountedMore(line, before, field="received")
        if so_far > before:
            check_may(rma, S.REFUNDED if rma.state == S.REFUNDED else S.RECEIVED)
        if so_far - before > most - line.received:
            raise OverReceived(line, most - line.received + before)
        new[pk] = so_far - before
    return new


def _arrival(line: ReturnLine, location: Location, units: int) -> ledger.Entry:
    return ledger.Entry(
        line.order_line.product_id, location.pk, Kind.RETURN, on_hand=units, unavailable=units,
        bucket="quality_control", reason="to inspect", cause_type="return_line", cause_id=line.pk,
        key=f"return:{line.pk}:{line.received}",
    )  # fmt: skip


def inspect(
    *,
    return_id: int,
    grades: Mapping[int, Mapping[str, int]],
    actor: str,
    location: Location | None = None,
) -> Return:
    """What the units turned out to be: units by grade so far, by return line id.

    Like arrivals the figures count all that was graded here (by default where the first units
    arrived), so a call sent twice grades once. policy.DISPOSITION says what becomes of a grade:
    A and B are back on sale, C stays on hand but unavailable, D leaves the stock. The return is
    inspected when no unit waits anywhere. Raises a Refused or Return.DoesNotExist.
    """
    with transaction.atomic():
        rma = locked(return_id)
        place = location or rma.location
        if place is None:
            raise NothingArrived(rma)
        board = _board(rma, place, grades)
        new = _graded(board, grades)
        if not new:
            return rma
        entries = [
            entry
            for (line, grade), units in new.items()
            for entry in _grade(board, place, line, grade, units)
        ]
        board.save(place)
        ReturnLine.objects.bulk_update(
            [board.lines[line] for line in {pk for pk, _ in new}], ["restocked"]
        )
        _inspected(rma)
        ledger.post(entries, actor=actor)
        record(rma, "inspected", actor=actor, location=place.code, grades=_sums(new))
    return rma


def _graded(board: _Board, grades: Mapping[int, Mapping[str, int]]) -> dict[tuple[int, str], int]:
    new: dict[tuple[int, str], int] = {}
    for pk, by_grade in grades.items():
        line, waiting = board.lines[pk], board.at(pk, WAITING)
        for grade, so_far in by_grade.items():
            if grade not in policy.DISPOSITION:
                raise UnknownGrade(pk, grade)
            if so_far < 0:
                raise BadQuantity(pk, so_far)
            before = board.at(pk, grade)
            if so_far < before:
                raise CountedMore(line, before, field="grades")
            if so_far > before:
                new[pk, grade] = so_far - before
        if sum(units for (line_id, _), units in new.items() if line_id == pk) > waiting:
            raise OverGraded(line, waiting)
    return new


def _grade(
    board: _Board, location: Location, pk: int, grade: str, units: int
) -> list[ledger.Entry]:
    """Move units of one line on the board from waiting to a grade; returns what stock does."""
    board.add(pk, WAITING, -units)
    board.add(pk, grade, units)
    line, disposition = board.lines[pk], policy.DISPOSITION[grade]
    if disposition == Disposition.QUARANTINE:
        return _set_aside(board, location, pk, grade, units)
    restocked = disposition == Disposition.RESTOCK
    line.restocked += units if restocked else 0
    return [
        ledger.Entry(
            line.order_line.product_id, location.pk,
            Kind.UNBLOCK if restocked else Kind.ADJUSTMENT,
            on_hand=0 if restocked else -units, unavailable=-units, bucket="quality_control",
            reason=f"{disposition}: grade {grade}", cause_type="return_line", cause_id=pk,
            key=f"{disposition}:{pk}:{location.pk}:{grade}:{board.at(pk, grade)}",
        )
    ]  # fmt: skip


def _set_aside(
    board: _Board, location: Location, pk: int, grade: str, units: int
) -> list[ledger.Entry]:
    """It stays on hand and unavailable, but is no longer to be inspected."""
    product, reason = board.lines[pk].order_line.product_id, f"quarantine: grade {grade}"
    key = f"quarantine:{pk}:{location.pk}:{grade}:{board.at(pk, grade)}"
    return [
        ledger.Entry(product, location.pk, Kind.UNBLOCK, unavailable=-units,
                     bucket="quality_control", reason=reason, cause_type="return_line",
                     cause_id=pk),
        ledger.Entry(product, location.pk, Kind.BLOCK, unavailable=units, bucket="quarantine",
                     reason=reason, cause_type="return_line", cause_id=pk, key=key),
    ]  # fmt: skip


def _inspected(rma: Return) -> None:
    waiting = ReturnedUnits.objects.filter(line__rma=rma, grade=WAITING, quantity__gt=0)
    if waiting.exists():
        return
    now = timezone.now()
    if rma.state == S.REFUNDED:
        status.move(rma, S.REFUNDED, allowed=MOVES, inspected_at=now)
    else:
        status.move(rma, S.INSPECTED, allowed=MOVES, inspected_at=now)


def _sums(new: Mapping[tuple[int, str], int]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for (_, grade), units in new.items():
        sums[grade] += units
    return dict(sums)
