"""CPU seconds and memory of the server's processes, application and PostgreSQL apart."""

import contextlib
import os

import psutil
from django.db import connection


def backends() -> list[psutil.Process]:
    """PostgreSQL's processes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        mine = psutil.Process(cursor.fetchone()[0])
    parent = mine.parent()
    assert parent is not None
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """User and system time of these processes so far."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def memory_mb(processes: list[psutil.Process]) -> float:
    """The largest resident size among these processes."""
    return max(process.memory_info().rss for process in processes) / 1e6


def dsn() -> str:
    """The database for a client of its own."""
    return os.environ["DATABASE_URL"]
