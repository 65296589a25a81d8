"""Processes that are never left behind: they end with their parent, and with their whole group."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from config.embedded.places import Account

MARK = "MAESTRO_RUN"  # environment variable by which the processes of one run are known again
PORTS = range(20_000, 32_000)  # below the ports that systems give to outgoing connections
LARGEST_LOG = 10_000_000  # bytes; a longer one is put aside at the next start
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    owner: Account | None = None,
    parting: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session, its output appended to `log`.

    On Linux the kernel sends it `parting` when our thread ends, however it ends: call this from
    the main thread.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".old.log"))
    account = {}
    if owner is not None:
        account = {"user": owner.uid, "group": owner.gid, "extra_groups": []}
    with log.open("ab") as output:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=end_with_parent(parting),  # noqa: PLW1509  (no thread of ours runs then)
            **account,
        )


def end_with_parent(parting: signal.Signals) -> Callable[[], None] | None:
    """What a new process calls so that the kernel ends it with us; None where no kernel does."""
    if LIBC is None:
        return None
    parent = os.getpid()

    def ask() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(parting))
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)

    return ask


def follow_parent(parting: signal.Signals) -> None:
    """Have the kernel send us `parting` when the process that started us ends."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(parting))


def over(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a process that has ended, the rest of its group being ended too, or None."""
    if process.returncode is not None:
        return process.returncode
    if not _has_ended(process):
        return None
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Look without reaping: the number stays taken, so that no other group can be hit."""
    if sys.platform != "linux":
        return process.poll() is not None
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def end(
    processes: Iterable[subprocess.Popen[bytes]],
    *,
    by: signal.Signals,
    grace: float,
    hurry: Callable[[], bool] = bool,
) -> list[subprocess.Popen[bytes]]:
    """End processes together: ask each, wait up to `grace` seconds, kill; returns the killed.

    The wait is cut short as soon as `hurry` says so.
    """
    left = [process for process in processes if over(process) is None]
    for process in left:
        with suppress(ProcessLookupError):
            process.send_signal(by)
    deadline = time.monotonic() + grace
    while left := [process for process in left if over(process) is None]:
        if time.monotonic() > deadline or hurry():
            break
        time.sleep(0.05)
    for process in left:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return left


def end_marked(mark: str) -> int:
    """Kill every process that carries the mark of an earlier run; returns how many there were.

    A mark is a random word in the environment, so a number that was used again is never hit.
    """
    found = [process for process in psutil.process_iter() if _carries(process, mark)]
    for process in found:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=5)
    return len(found)


def _carries(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error, OSError):
        return process.pid != os.getpid() and process.environ().get(MARK) == mark
    return False


def free_port(*, preferred: int | None = None) -> int:
    """A loopback port that nobody listens on: the preferred one if it is free."""
    candidates = random.sample(PORTS, 200)
    for port in [preferred, *candidates] if preferred else candidates:
        if is_free(port):
            return port
    raise OSError("No free port was found on the loopback address")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
