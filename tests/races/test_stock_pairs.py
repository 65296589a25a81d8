"""Any two deeds that move the same stock, in chosen orders of their statements.

The suite plays one schedule of every pair, always the same one; `make storm` plays them all.
"""

import itertools
import os
import random

import pytest

from inventory.models import Stock
from reports.invariants import violations
from tests.races import deeds, explorer

EVERYTHING = os.environ.get("STORM") == "all"
MOST = 8  # statements before a turn changes; a deed that has fewer is through by then
PAIRS = list(itertools.combinations_with_replacement(sorted(deeds.EVERY), 2))


def faults(answers):
    """What a deed may not end with: anything but success or a refusal."""
    return [a for a in answers if isinstance(a, Exception) and not isinstance(a, deeds.REFUSALS)]


def chosen(company, pair):
    """The schedules of a pair that are played."""
    if EVERYTHING:
        return explorer.schedules(*play(company, pair, ()))
    dice = random.Random(str(pair))
    return [(dice.randint(1, MOST), dice.randint(1, MOST))]


def play(company, pair, turns):
    scene = deeds.Scene(company)
    one, other = (deeds.prepare(name, scene) for name in pair)
    *answers, lengths = explorer.play(one, other, turns)
    assert faults(answers) == [], (pair, turns, answers)
    return lengths


def impossible():
    """Stock rows that no order of deeds may leave behind, before any worker puts things right."""
    rows = Stock.objects.values_list("product__sku", "on_hand", "reserved", "unavailable")
    return [row for row in rows if min(row[1:]) < 0]


@pytest.mark.parametrize("first", sorted(deeds.EVERY))
@pytest.mark.django_db(transaction=True)
def test_two_deeds_at_once_leave_the_books_right(live_company, first):
    for pair in (p for p in PAIRS if p[0] == first):
        for turns in chosen(live_company, pair):
            play(live_company, pair, turns)
    assert impossible() == []
    deeds.settle()
    assert not {name: rows for name, rows in violations().items() if rows}
