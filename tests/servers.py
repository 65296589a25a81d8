"""Early pytest plugin (-p tests.servers): servers must be there before Django reads settings.

With several workers (-n) each has servers of its own, and the process that only hands out tests
has none: storms may kill theirs without anybody else noticing.
"""

import os
import sys
from collections.abc import Callable

from config import embedded


def _only_hands_out() -> bool:
    many = any(arg.startswith("-n") for arg in sys.argv[1:])
    return many and "PYTEST_XDIST_WORKER" not in os.environ


# All tests call from one address: together they are refused more often than a stranger may be.
os.environ.setdefault("API_STRANGERS_PER_MINUTE", "1000000")
_stop: Callable[[], None] = (lambda: None) if _only_hands_out() else embedded.start_for_tests()


def pytest_unconfigure() -> None:
    """Stop the throw-away servers."""
    _stop()
