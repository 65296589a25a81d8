"""Keeps programs running, and ends them in order."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from config.embedded.places import CannotStart
from config.embedded.postgres import Postgres
from config.embedded.processes import MARK, end, over, spawn
from config.embedded.valkey import Valkey

BASE = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 10  # for each group of the stop
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a program is started again
STEADY_SECONDS = 30  # a program that ran this long starts again as if it had never failed
ROUND_SECONDS = 0.2
SECOND_SIGNAL_SECONDS = 1

Say = Callable[[str], None]


@dataclass(kw_only=True)
class Kept:
    """A program that is kept running: ever longer pauses while it keeps ending early."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    log: Path
    stop: int = 0
    once: bool = False
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started: float = 0.0
    due: float = field(default=0.0)

    def look(self, *, now: float) -> str | None:
        """Start it if it is due; returns one line when it has just ended."""
        if self.process is None:
            if now >= self.due:
                self.process = self.start()
                self.started = now
            return None
        code = over(self.process)
        if code is None:
            return None
        self.process = None
        if self.once:
            self.due = float("inf")
            return None if code == 0 else f"{self.name} {ending(code)}; see {self.log}"
        self.deaths = 1 if now - self.started > STEADY_SECONDS else self.deaths + 1
        pause = min(SHORTEST_PAUSE * 2 ** (self.deaths - 1), LONGEST_PAUSE)
        self.due = now + pause
        return f"{self.name} {ending(code)}, starting it again in {pause:g} s; see {self.log}"


def ending(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


class Supervisor:
    """Keeps programs running until it is told to stop; a second Ctrl-C stops at once."""

    def __init__(self, *, var: Path, say: Say) -> None:
        self.var = var
        self.say = say
        self.mark = secrets.token_hex(16)
        self.kept: list[Kept] = []
        self.env: dict[str, str] = {}
        self.told_at: float | None = None
        self.hurry = False

    def listen(self) -> None:
        """Take the signals that mean stop; one that was ignored from outside (nohup) stays so."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._told)

    def _told(self, number: int, _frame: object) -> None:
        """Note a signal. One sent to the whole group comes twice, as make passes it on as well."""
        if self.told_at is None:
            self.told_at = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self.told_at > SECOND_SIGNAL_SECONDS:
            self.hurry = True

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self.told_at is not None

    def launch(self, argv: Iterable[str], *, name: str) -> subprocess.Popen[bytes]:
        """Start a Python program of ours, its output in the log of its name."""
        env = self.env | {MARK: self.mark}
        log = self.log(name)
        process = spawn([sys.executable, *argv], log=log, env=env, cwd=BASE)
        self.note(process, name=name)
        return process

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.var / "log" / f"{name}.log"

    def keep(self, name: str, argv: Iterable[str], *, stop: int, once: bool = False) -> None:
        """Start a Python program in the next round and whenever it ends; `stop` is its group."""
        self.kept.append(
            Kept(
                name=name,
                start=lambda: self.launch(argv, name=name),
                log=self.log(name),
                stop=stop,
                once=once,
            )
        )

    def keep_server(self, server: Postgres | Valkey) -> None:
        """Start a server again whenever it ends; its owner stops it, after everything else."""
        started = time.monotonic()
        self.kept.append(
            Kept(
                name=server.name,
                start=server.spawn,
                log=server.log,
                process=server.process,
                started=started,
            )
        )

    def note(self, process: subprocess.Popen[bytes] | None = None, *, name: str = "run") -> None:
        """Write down what runs, for people and for the start after a crash."""
        path = self.var / "run.json"
        facts = json.loads(path.read_text()) if process and path.exists() else {}
        number = process.pid if process else os.getpid()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        facts.setdefault("mark", self.mark)
        facts.setdefault("processes", {})[name] = {"pid": number, "started": now}
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(facts, indent=1))
        fresh.replace(path)

    def round(self) -> None:
        """Look at every program once, then rest for a moment."""
        for kept in self.kept:
            if news := kept.look(now=time.monotonic()):
                self.say(news)
        time.sleep(ROUND_SECONDS)

    def watch(self) -> None:
        """Keep everything running until told to stop."""
        while not self.stopping:
            self.round()

    def finish(self, steps: Mapping[str, Iterable[str]]) -> bool:
        """Run steps side by side to their end; False when told to stop meanwhile.

        Raises:
            CannotStart: one failed; the others are ended.
        """
        running = {name: self.launch(argv, name=name) for name, argv in steps.items()}
        try:
            while running and not self.stopping:
                for name in [name for name, step in running.items() if over(step) is not None]:
                    if over(running.pop(name)):
                        log = self.log(name)
                        raise CannotStart(f"The step {name} failed: {last_line(log)} ({log}).")
                time.sleep(0.05)
        finally:
            end(running.values(), by=signal.SIGTERM, grace=GRACE_SECONDS)
        return not self.stopping

    def stop(self) -> None:
        """Stop what runs, group by group; what does not end in time is killed."""
        for group in sorted({kept.stop for kept in self.kept if kept.stop}):
            members = [kept for kept in self.kept if kept.stop == group and kept.process]
            running = {id(kept.process): kept.name for kept in members}
            killed = end(
                [kept.process for kept in members if kept.process],
                by=signal.SIGTERM,
                grace=GRACE_SECONDS,
                hurry=lambda: self.hurry,
            )
            for process in killed:
                self.say(f"{running[id(process)]} did not stop in time and was killed")
        (self.var / "run.json").unlink(missing_ok=True)


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    with suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"
    return "it said nothing"
