"""Counting what is on the shelves, while the shop goes on selling.

A count has lines (products) and sections (places that one person counts at a time). What is found
is compared with what the books said at the moment it was counted, less what pickers had in hand
then; the difference is posted as a change, so what was sold or received since stays as it is.
"""

from inventory.counts.asking import EVERYWHERE, cancel, request, start
from inventory.counts.books import forget
from inventory.counts.counting import (
    Found,
    Outcome,
    by_code,
    leave,
    record,
    submit,
    submit_section,
    take,
)
from inventory.counts.posting import post
from inventory.counts.proposal import Proposal, proposal
from inventory.counts.review import (
    ALL,
    DIFFERING,
    LEFT_TO_DECIDE,
    Row,
    Step,
    Sum,
    decide,
    decide_up_to,
    hides_books,
    ladder,
    recount,
    rows,
    sums,
)
from inventory.counts.table import (
    MOVES,
    FullCountOpen,
    Impossible,
    InOtherHands,
    NothingCounted,
    SectionClosed,
    SectionsOpen,
    Uncounted,
)

__all__ = [
    "ALL",
    "DIFFERING",
    "EVERYWHERE",
    "LEFT_TO_DECIDE",
    "MOVES",
    "Found",
    "FullCountOpen",
    "Impossible",
    "InOtherHands",
    "NothingCounted",
    "Outcome",
    "Proposal",
    "Row",
    "SectionClosed",
    "SectionsOpen",
    "Step",
    "Sum",
    "Uncounted",
    "by_code",
    "cancel",
    "decide",
    "decide_up_to",
    "forget",
    "hides_books",
    "ladder",
    "leave",
    "post",
    "proposal",
    "record",
    "recount",
    "request",
    "rows",
    "start",
    "submit",
    "submit_section",
    "sums",
    "take",
]
