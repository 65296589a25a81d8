"""Both private servers as one thing."""

import shutil
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

from config.embedded.postgres import Postgres
from config.embedded.valkey import Valkey


class Pair:
    """The servers that are wanted: `names` are the environment variables nobody has set.

    With `throwaway` the folder is removed at the stop and nothing is synced to disk.
    """

    def __init__(self, folder: Path, *, names: Collection[str], throwaway: bool = False) -> None:
        self.folder = folder
        self.throwaway = throwaway
        self.urls: dict[str, str] = {}
        self.servers: dict[str, Postgres | Valkey] = {}
        self.elsewhere: Path | None = None
        logs = folder / "log"
        if "BROKER_URL" in names:
            self.servers["BROKER_URL"] = Valkey(folder=folder, log=logs / "valkey.log")
        if "DATABASE_URL" in names:
            log = folder / "postgres.log"
            postgres = Postgres(folder=folder, log=log, throwaway=throwaway)
            self.servers["DATABASE_URL"] = postgres
            if postgres.home != folder.resolve():
                self.elsewhere = postgres.home

    def start(self) -> dict[str, str]:
        """Start them all; returns the environment variables that lead to them.

        Raises:
            places.CannotStart: one did not start; the others are stopped again.
        """
        try:
            for name, server in self.servers.items():
                self.urls[name] = server.start()
        except BaseException:  # a Ctrl-C too leaves nothing behind
            self.stop()
            raise
        return self.urls

    def stop(self) -> None:
        """Stop them all, the broker first."""
        for server in self.servers.values():
            server.stop()
            server.forget()
        if self.throwaway:
            shutil.rmtree(self.folder, ignore_errors=True)
            if self.elsewhere is not None:
                shutil.rmtree(self.elsewhere, ignore_errors=True)

    def __enter__(self) -> dict[str, str]:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
