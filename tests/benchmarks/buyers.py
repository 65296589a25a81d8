"""Buyers in processes of their own; Django is set up inside, so that a spawned process may."""

import threading
import time


def buyers(threads: int, shelf: tuple[int, int], hot: bool, seconds: float, out: object) -> None:
    """Closed-loop buyers of one unit each through the real reservation function; puts how many."""
    import django

    django.setup()
    from django.db import connection

    from inventory import ledger

    claims = [ledger.Claim(0, *shelf, 1, 1, hot=hot)]
    ledger.reserve(claims, owner_type="bench", actor="bench")
    counts = [0] * threads
    stop = time.monotonic() + seconds

    def buy(i: int) -> None:
        while time.monotonic() < stop:
            assert ledger.reserve(claims, owner_type="bench", actor="bench")
            counts[i] += 1
        connection.close()

    crowd = [threading.Thread(target=buy, args=(i,)) for i in range(threads)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    out.put(sum(counts))  # type: ignore[attr-defined]
