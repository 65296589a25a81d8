"""Two deeds at once, in orders that are chosen, not left to luck.

Each deed runs in a thread and stops before every SQL statement. A schedule says after how many
statements of the one the other has its turn; who has to wait for a lock (the database says so)
lets the other go on. Most races need one or two changes of turn (Musuvathi and Qadeer, "Iterative
context bounding", PLDI 2007), so schedules with two changes find nearly all there are to find.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

Deed = Callable[[], Any]
PATIENCE = 20.0


class _Actor:
    """A deed on its own connection that asks before each statement."""

    def __init__(self, deed: Deed) -> None:
        self.answer: Any = None
        self.ended = threading.Event()
        self.asked, self.pid = 0, 0
        self._deed, self._may, self._asks = deed, threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()
        self._asks.acquire(timeout=PATIENCE)  # it is connected and stands before its first one

    def _run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.pid = cursor.fetchone()[0]
            with connection.execute_wrapper(self._ask):
                self.answer = self._deed()
        except Exception as error:
            self.answer = error
        finally:
            connection.close()
            self.ended.set()
            self._asks.release()

    def _ask(self, execute: Callable, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.asked += 1
        self._asks.release()
        assert self._may.acquire(timeout=PATIENCE)
        return execute(sql, params, many, context)

    def step(self) -> bool:
        """One statement; False when it waits for somebody's lock, or has ended."""
        if self.ended.is_set():
            return False
        self._may.release()
        return self.rest()

    def rest(self) -> bool:
        """Wait until it asks again; False when it stands at a lock instead, or has ended."""
        deadline = time.monotonic() + PATIENCE
        while not self._asks.acquire(timeout=0.002):
            assert time.monotonic() < deadline, "a deed neither goes on nor waits for a lock"
            if self._waits():
                return False
        return not self.ended.is_set()

    def _waits(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", [self.pid])
            return cursor.fetchone() is not None


def play(one: Deed, other: Deed, turns: tuple[int, ...]) -> tuple[Any, Any, tuple[int, int]]:
    """Run both: `turns` are the statements that each has in turn, the first deed begins.

    After the turns each goes on to its end. Returns both answers (or the exceptions they ended
    with) and how many statements each sent.
    """
    actors = (_Actor(one), _Actor(other))
    waiting = [False, False]
    for i, count in enumerate(turns):
        _turn(actors, waiting, i % 2, count)
    for i in (len(turns) % 2, 1 - len(turns) % 2, len(turns) % 2):
        _turn(actors, waiting, i, 10_000)
    for actor in actors:
        assert actor.ended.wait(PATIENCE), "both wait for each other"
    return actors[0].answer, actors[1].answer, (actors[0].asked, actors[1].asked)


def _turn(actors: tuple[_Actor, _Actor], waiting: list[bool], i: int, count: int) -> None:
    if waiting[i]:  # its statement was sent before; perhaps it has its lock by now
        if not actors[i].rest():
            waiting[i] = not actors[i].ended.is_set()
            return
        waiting[i] = False
    for _ in range(count):
        if not actors[i].step():
            waiting[i] = not actors[i].ended.is_set()
            return


def schedules(one: int, other: int) -> Iterator[tuple[int, ...]]:
    """All turns with at most two changes, of deeds with so many statements."""
    for first in range(one + 1):
        for second in range(1, other + 1):
            yield (first, second)
