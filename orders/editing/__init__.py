"""Changes of orders after they were placed: versioned sets of actions, previewed before.

actions.py      what an edit may do, as JSON
changing.py     preview() and apply(): all actions or none, in one transaction
drafts.py       changes that are stored first and applied later
sheet.py        the order as an edit reads it
goods.py        units: more, fewer, others
prices.py       amounts: lines, shipping, gestures, the order's sums
destination.py  where it goes and how
promising.py    the promise afterwards
preview.py      what an edit does, told
versions.py     every version of an order, and what differs between two
diff.py         the actions that lead from an order to a payload
"""

from orders.editing.actions import validated
from orders.editing.changing import apply, preview
from orders.editing.diff import between
from orders.editing.drafts import apply_draft, discard, draft
from orders.editing.errors import CannotDiff, EditRefused, NotNow, NotOpen, Stale, TooFew
from orders.editing.preview import Effect, Preview, Sums

__all__ = [
    "CannotDiff",
    "EditRefused",
    "Effect",
    "NotNow",
    "NotOpen",
    "Preview",
    "Stale",
    "Sums",
    "TooFew",
    "apply",
    "apply_draft",
    "between",
    "discard",
    "draft",
    "preview",
    "validated",
]
