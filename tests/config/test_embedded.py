"""The private servers, as real processes: killed, started again, refused, hidden and found."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from config import embedded
from config.embedded.pair import Pair
from config.embedded.places import CannotStart, closed

ROOT = Path(__file__).resolve().parents[2]
BOTH = embedded.NAMES


@pytest.fixture
def folder():
    """A folder that other accounts may enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="maestro-try-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def pids_of(pair):
    return [server.process.pid for server in pair.servers.values()]


def reap(pair):
    for server in pair.servers.values():
        server.process.wait()


def is_gone(pid, *, within=10.0):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_data_survives_the_kill_of_every_server(folder):
    pair = Pair(folder, names=BOTH)
    with psycopg.connect(pair.start()["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 41 AS number")
        connection.execute("UPDATE kept SET number = 42")
        for pid in pids_of(pair):
            os.kill(pid, signal.SIGKILL)
    reap(pair)
    assert (folder / "postgres" / "postmaster.pid").exists()
    with Pair(folder, names=BOTH) as urls, psycopg.connect(urls["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (42,)


def test_a_pid_file_that_names_somebody_else_is_ignored(folder):
    with Pair(folder, names=["DATABASE_URL"]) as _:
        pass
    stale = folder / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{folder / 'postgres'}\n")
    stale.chmod(0o644)
    with Pair(folder, names=["DATABASE_URL"]) as urls, psycopg.connect(urls["DATABASE_URL"]) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_a_server_left_running_is_replaced(folder):
    first = Pair(folder, names=["DATABASE_URL"])
    first.start()
    with Pair(folder, names=["DATABASE_URL"]) as urls:
        assert is_gone(pids_of(first)[0])
        reap(first)
        psycopg.connect(urls["DATABASE_URL"]).close()


def test_committed_work_reaches_the_disk(folder):
    with Pair(folder, names=["DATABASE_URL"]) as urls, psycopg.connect(urls["DATABASE_URL"]) as c:
        shown = {
            name: c.execute(f"SHOW {name}").fetchone()[0]
            for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        }
        assert set(shown.values()) == {"on"}
        assert c.execute("SELECT current_setting('is_superuser')").fetchone() == ("off",)
        assert c.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
        collation = "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'maestro'"
        assert c.execute(collation).fetchone() == ("b", "C.UTF-8")


def test_without_the_password_nobody_gets_in(folder):
    with Pair(folder, names=BOTH, throwaway=True) as urls:
        wrong = urls["DATABASE_URL"].replace("maestro:", "maestro:x", 1)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong)
        port = int(urls["BROKER_URL"].rsplit(":", 1)[1].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"PING\r\n")
            assert line.recv(100).startswith(b"-NOAUTH")


def test_any_path_will_do(folder):
    odd = folder / 'it\'s "here", in a folder' / ("x" * 120)
    odd.mkdir(parents=True)
    with Pair(odd, names=BOTH) as urls:
        short = (odd / "socket").resolve()
        psycopg.connect(urls["DATABASE_URL"]).close()
    assert not short.exists()


def test_a_throw_away_pair_leaves_nothing(folder):
    pair = Pair(folder / "gone", names=BOTH, throwaway=True)
    pair.start()
    pids = pids_of(pair)
    pair.stop()
    assert all(is_gone(pid) for pid in pids)
    assert not (folder / "gone").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
def test_a_closed_folder_is_not_opened_for_the_servers_account(tmp_path):
    shut = tmp_path / "home"
    shut.mkdir(mode=0o700)
    pair = Pair(shut / "var", names=["DATABASE_URL"], throwaway=True)
    with pair as urls:
        psycopg.connect(urls["DATABASE_URL"]).close()
        assert pair.elsewhere is not None
        assert not pair.elsewhere.is_relative_to(tmp_path)
    assert shut.stat().st_mode & 0o777 == 0o700
    assert not pair.elsewhere.exists()


def test_the_closed_folder_is_named(tmp_path):
    (tmp_path / "open").mkdir()
    tmp_path.chmod(0o700)
    assert closed(tmp_path / "open").stat().st_mode & 0o001 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell children")
def test_servers_end_with_the_process_that_was_killed(folder):
    script = (
        "import sys, time; from pathlib import Path; from config.embedded.pair import Pair\n"
        f"pair = Pair(Path({str(folder)!r}), names={BOTH!r}); pair.start()\n"
        "print(*[s.process.pid for s in pair.servers.values()], flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        owner.kill()
        assert all(is_gone(pid) for pid in pids)


def test_a_folder_has_one_run_at_a_time(folder):
    with embedded.hold(folder), pytest.raises(CannotStart, match="already running"):
        embedded.hold(folder).__enter__()
    with embedded.hold(folder):
        pass


def test_a_second_terminal_finds_the_run_only_while_it_is_up(folder):
    def answer():
        command = [
            sys.executable,
            "-c",
            "from config import embedded as e; print(e.running_urls())",
        ]
        env = os.environ | {"VAR_DIR": str(folder)}
        return subprocess.check_output(command, cwd=ROOT, env=env, text=True).strip()

    assert answer() == "None"
    with embedded.hold(folder):
        embedded.publish({"DATABASE_URL": "postgres://somewhere?a=b"}, var=folder)
        assert answer() == "{'DATABASE_URL': 'postgres://somewhere?a=b'}"
        assert (folder / "run.env").stat().st_mode & 0o777 == 0o600
    assert answer() == "None"


def test_nothing_starts_when_every_url_is_given(folder, monkeypatch):
    for name in BOTH:
        monkeypatch.setenv(name, "given")
    with embedded.servers(folder) as urls:
        assert urls == {}
    assert list(folder.iterdir()) == []


def test_servers_are_in_the_environment_while_they_run(folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "given")
    monkeypatch.delenv("BROKER_URL", raising=False)
    with embedded.servers(folder) as urls:
        assert list(urls) == ["BROKER_URL"]
        assert os.environ["BROKER_URL"] == urls["BROKER_URL"]
    assert "BROKER_URL" not in os.environ
