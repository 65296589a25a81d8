"""The programs of a small run, each killable at any time, and a seeded hand that kills them."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Program:
    """One process group that is started again when it is gone."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    log: Path
    process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it in a group of its own."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.argv], cwd=ROOT, env=self.env, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9 of the whole group."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end, then make it."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


def _wait(alive: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not alive():
        assert time.monotonic() < deadline, f"the house did not come up again in {seconds} s"
        time.sleep(0.1)


@dataclass
class Nemesis:
    """Kills one thing after another, in the order its seed says, and starts it again."""

    seed: int
    programs: list[Program]
    valkey: object
    database: str
    killed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def rage(self, *, kills: int, alive: Callable[[], bool]) -> None:
        """So many deaths, a moment apart; after each the house may come up before the next."""
        targets = [*(p.name for p in self.programs), "valkey", "backend"]
        first = self.rng.sample(targets, len(targets))  # each dies at least once
        for name in [*first, *self.rng.choices(targets, k=kills - len(first))]:
            time.sleep(self.rng.uniform(0.5, 1.5))
            started = time.monotonic()
            self._kill(name)
            self.killed.append(name)
            _wait(alive, seconds=40)
            sys.stdout.write(f"killed {name}, up again in {time.monotonic() - started:.1f} s\n")

    def _kill(self, name: str) -> None:
        if name == "valkey":
            self.valkey.process.kill()  # type: ignore[attr-defined]
            self.valkey.process.wait()  # type: ignore[attr-defined]
            self.valkey.spawn()  # type: ignore[attr-defined]
        elif name == "backend":
            self._kill_backend()
        else:
            program = next(p for p in self.programs if p.name == name)
            program.kill()
            program.start()

    def _kill_backend(self) -> None:
        """kill -9 of one PostgreSQL backend: the server recovers and all clients reconnect."""
        with contextlib.suppress(psycopg.Error, psutil.NoSuchProcess):
            with psycopg.connect(self.database, connect_timeout=3, autocommit=True) as db:
                rows = db.execute(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                    " AND pid <> pg_backend_pid() ORDER BY pid"
                ).fetchall()
            if rows:
                psutil.Process(self.rng.choice(rows)[0]).kill()
