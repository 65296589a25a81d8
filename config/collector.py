"""The memory of long-lived processes."""

import gc
import typing

# Python's own figures (700, 10, 10) walk everything that lives after 70,000 new objects: one answer
# of some thousand rows. Measured on such answers, the slowest of 20 took 40 ms with them, 17 with
# these; memory under load stayed as it was.
THRESHOLDS = (10_000, 20, 50)


def settle() -> None:
    """What is loaded stays loaded, so it is not walked again; what is new is walked less often.

    Overloads are kept by Python for type checkers at run time, of which there are none: the client
    of Redis alone has 10 MB of them.
    """
    typing.clear_overloads()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
