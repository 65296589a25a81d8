"""Private PostgreSQL and Valkey for demos, tests and development, when no URL names others.

Production installs none of it: this module imports nothing but the standard library, and the
modules that start servers are imported when one is to be started.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from config.embedded.places import CannotStart

VAR = Path(os.environ.get("VAR_DIR") or Path(__file__).parents[2] / "var").resolve()
NAMES = ("DATABASE_URL", "BROKER_URL")
TEST_FOLDER = "maestro-test-"
LOCK_PATIENCE_SECONDS = 2  # somebody may be asking whether the lock is held
STALE_SECONDS = 60

# What running_urls() has told this process: these values are not a person's wish.
told: dict[str, str] = {}


def running_urls(var: Path = VAR) -> dict[str, str] | None:
    """The environment variables of the run that is up in this folder, None if there is none."""
    if not _is_held(var):
        return None
    try:
        lines = (var / "run.env").read_text().splitlines()
    except OSError:
        return None
    for name, _, value in (line.partition("=") for line in lines):
        told[name] = value
    return dict(told)


def publish(variables: Mapping[str, str], *, var: Path = VAR) -> None:
    """Let commands in other terminals find this run; only our own user can read the passwords."""
    fresh = var / "run.env.new"
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    fresh.replace(var / "run.env")


@contextmanager
def hold(var: Path = VAR) -> Iterator[None]:
    """Be the only run in this folder; the lock ends with the process, however that ends.

    Raises:
        CannotStart: another process has it, or the folder cannot be written.
    """
    try:
        var.mkdir(parents=True, exist_ok=True)
        lock = (var / "run.lock").open("a")
    except OSError as error:
        raise CannotStart(
            f"{error.filename} cannot be written ({error.strerror}): start as the user who owns"
            " the project folder."
        ) from error
    with lock:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while not _take(lock.fileno()):
            if time.monotonic() > deadline:
                raise CannotStart(
                    "Maestro OMS is already running in this folder: use that one, or stop it first"
                    " (Ctrl-C in its terminal)."
                )
            time.sleep(0.1)
        (var / "run.env").unlink(missing_ok=True)
        try:
            yield
        finally:
            (var / "run.env").unlink(missing_ok=True)


@contextmanager
def servers(var: Path = VAR) -> Iterator[dict[str, str]]:
    """Private servers for each URL that the environment does not name, data kept in `var`.

    Yields the variables it has set in the environment; nothing starts when all are set.

    Raises:
        CannotStart: one sentence for a person.
    """
    with ExitStack() as stack:
        urls: dict[str, str] = {}
        if names := missing():
            from config.embedded.pair import Pair  # noqa: PLC0415

            stack.enter_context(hold(var))
            urls = stack.enter_context(Pair(var, names=names))
            publish(urls, var=var)
            os.environ.update(urls)
            stack.callback(_unset, urls)
        yield urls


def start_for_tests() -> Callable[[], None]:
    """Throw-away servers for each URL that the environment does not name; sets the environment.

    Call it from the main thread before the settings are imported. Returns the function that stops
    them and removes their files; it also runs at exit, and on Linux the servers end with us.
    """
    _sweep()
    stack = ExitStack()
    atexit.register(stack.close)
    if names := missing():
        from config.embedded.pair import Pair  # noqa: PLC0415

        folder = Path(tempfile.mkdtemp(prefix=TEST_FOLDER))
        stack.enter_context(hold(folder))
        os.environ.update(stack.enter_context(Pair(folder, names=names, throwaway=True)))
    return stack.close


def missing() -> list[str]:
    """The names of servers that the environment does not give."""
    return [name for name in NAMES if not os.environ.get(name)]


def forget_told() -> None:
    """Take out of the environment what came from another run, which may have ended since."""
    for name, value in told.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def _unset(variables: Mapping[str, str]) -> None:
    for name in variables:
        os.environ.pop(name, None)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(var: Path) -> bool:
    """Whether a running process holds the folder's lock."""
    try:
        with (var / "run.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _sweep() -> None:
    """Remove what test runs left that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{TEST_FOLDER}*"):
        try:
            is_old = time.time() - folder.stat().st_mtime > STALE_SECONDS
        except OSError:
            continue
        if is_old and not _is_held(folder):
            shutil.rmtree(folder, ignore_errors=True)
