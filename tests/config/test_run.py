"""The supervisor and the mail catcher, as real processes: kept running, ended in order, refused."""

import email
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from email.message import EmailMessage
from pathlib import Path

import psutil
import pytest

from config import embedded
from config.embedded.processes import MARK, free_port
from config.supervisor import keeping, start
from config.supervisor.keeping import Supervisor

ROOT = Path(__file__).resolve().parents[2]
MANAGE = str(ROOT / "manage.py")
SLEEP = ["-c", "import time; time.sleep(60)"]


@pytest.fixture
def var():
    path = Path(tempfile.mkdtemp(prefix="maestro-try-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def supervisor(var):
    said = []
    made = Supervisor(var=var, say=said.append)
    made.said = said
    made.env = dict(os.environ)
    yield made
    made.hurry = True
    made.stop()


def eventually(true, *, within=15.0):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if answer := true():
            return answer
        time.sleep(0.1)
    return true()


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_killed_program_is_started_again(supervisor):
    supervisor.keep("web", SLEEP, stop=1)
    supervisor.round()
    first = supervisor.kept[0].process.pid
    os.kill(first, signal.SIGKILL)

    def again():
        supervisor.round()
        process = supervisor.kept[0].process
        return process is not None and process.pid != first

    assert eventually(again)
    assert "web was ended by SIGKILL, starting it again in 0.5 s" in supervisor.said[0]


def test_a_program_that_keeps_failing_is_started_ever_more_slowly(supervisor):
    supervisor.keep("web", ["-c", "raise SystemExit(3)"], stop=1)
    web = supervisor.kept[0]
    now, pauses = 100.0, []
    for _ in range(9):
        web.look(now=now)
        assert eventually(lambda: web.look(now=now))  # noqa: B023
        pauses.append(web.due - now)
        now = web.due
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_program_that_may_end_is_left_alone(supervisor):
    supervisor.keep("play", ["-c", ""], stop=1, once=True)
    play = supervisor.kept[0]
    supervisor.round()
    assert eventually(lambda: supervisor.round() or play.process is None)
    supervisor.round()
    assert play.process is None
    assert supervisor.said == []


def test_what_a_killed_program_had_started_ends_too(supervisor, var):
    note = var / "grandchild"
    parent = (
        "import subprocess, sys, time; from pathlib import Path\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"Path({str(note)!r}).write_text(str(p.pid)); time.sleep(60)"
    )
    supervisor.keep("worker", ["-c", parent], stop=1)
    supervisor.round()
    grandchild = int(eventually(lambda: note.exists() and note.read_text()))
    os.kill(supervisor.kept[0].process.pid, signal.SIGKILL)
    eventually(lambda: supervisor.round() or supervisor.said)
    assert eventually(lambda: not alive(grandchild))


def test_programs_stop_in_the_order_of_their_groups(supervisor, var):
    note = var / "order"

    def dying(name):
        return [
            "-c",
            "import signal, sys, time; from pathlib import Path\n"
            f"def end(*_):\n  open({str(note)!r}, 'a').write('{name} '); sys.exit()\n"
            f"signal.signal(signal.SIGTERM, end); Path({str(var / name)!r}).touch()\n"
            "time.sleep(60)",
        ]

    for name, group in (("worker", 3), ("play", 1), ("web", 2)):
        supervisor.keep(name, dying(name), stop=group)
    supervisor.round()
    assert eventually(lambda: all((var / name).exists() for name in ("worker", "play", "web")))
    supervisor.stop()
    assert note.read_text() == "play web worker "


def test_what_does_not_stop_in_time_is_killed(supervisor, var, monkeypatch):
    monkeypatch.setattr(keeping, "GRACE_SECONDS", 0.5)
    ready = var / "ready"
    deaf = (
        "import signal, time; from pathlib import Path\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    supervisor.keep("web", ["-c", deaf], stop=1)
    supervisor.round()
    assert eventually(ready.exists)
    pid = supervisor.kept[0].process.pid
    supervisor.stop()
    assert not alive(pid)
    assert supervisor.said == ["web did not stop in time and was killed"]


def test_a_signal_that_comes_twice_at_once_is_one(supervisor):
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    supervisor.listen()
    try:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert supervisor.stopping
        assert not supervisor.hurry
        supervisor.told_at -= 5
        os.kill(os.getpid(), signal.SIGINT)  # the second Ctrl-C of somebody who will not wait
        assert supervisor.hurry
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_failed_step_of_the_preparation_says_which_and_why(supervisor):
    steps = {"prepare": ["-c", "raise ValueError('no such column')"], "static": SLEEP}
    with pytest.raises(start.CannotStart, match="prepare failed: ValueError: no such column"):
        supervisor.finish(steps)
    left = json.loads((supervisor.var / "run.json").read_text())["processes"]["static"]["pid"]
    assert not alive(left)


def test_what_a_killed_run_left_is_ended_and_nothing_else(var):
    (var / "run.json").write_text(json.dumps({"mark": "of this test"}))
    command = [sys.executable, *SLEEP]
    ours = subprocess.Popen(command, env={MARK: "of this test"}, start_new_session=True)
    other = subprocess.Popen(command, env={MARK: "of another"})
    try:
        assert eventually(lambda: start.end_leftovers(var) == 1)
        assert not alive(ours.pid)
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_the_stamp_of_static_files_changes_with_them_only(tmp_path):
    (tmp_path / "requirements.txt").write_text("a")
    styles = tmp_path / "templates" / "static" / "own.css"
    styles.parent.mkdir(parents=True)
    styles.write_text("a {}")
    before = start.static_stamp(tmp_path)
    (tmp_path / "views.py").write_text("pass")
    assert start.static_stamp(tmp_path) == before
    styles.write_text("a { color: red }")
    assert start.static_stamp(tmp_path) != before


def refusal(*, var, **variables):
    """What `manage.py run` says on stderr when it ends with exit code 1 at once."""
    env = os.environ | {"VAR_DIR": str(var), **variables}
    done = subprocess.run(
        [sys.executable, MANAGE, "run"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_taken_port_is_refused_in_one_sentence(var):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"Port {port} is in use by another program" in refusal(var=var, PORT=str(port))
    assert not (var / "postgres").exists()


def test_a_second_run_in_the_folder_is_refused_in_one_sentence(var):
    with embedded.hold(var):
        assert "already running in this folder" in refusal(var=var, PORT=str(free_port()))


def test_a_port_that_is_none_is_refused_in_one_sentence(var):
    assert "'web' is no port" in refusal(var=var, PORT="web")


def test_mail_is_caught_whole_and_names_sort_by_time(var):
    port = free_port()
    folder = var / "mail"
    catcher = subprocess.Popen(
        [sys.executable, MANAGE, "catch_mail", f"--port={port}", f"--folder={folder}"]
    )
    try:
        for subject in ("first", "sécond"):
            message = EmailMessage()
            message["Subject"], message["From"], message["To"] = (
                subject,
                "a@x.example",
                "b@x.example",
            )
            message["Bcc"] = "quiet@x.example"
            message.set_content(".a line with a dot\nünd more")
            send(message, port=port)
        caught = [
            email.message_from_bytes(p.read_bytes(), policy=email.policy.default)
            for p in sorted(folder.iterdir())
        ]
        assert [message["Subject"] for message in caught] == ["first", "sécond"]
        assert caught[0]["X-Caught-For"] == "b@x.example, quiet@x.example"
        assert caught[0].get_content().splitlines() == [".a line with a dot", "ünd more"]
    finally:
        catcher.terminate()
    assert catcher.wait(10) == 0


def send(message, *, port):
    def connection():
        try:
            return smtplib.SMTP("127.0.0.1", port, timeout=5)
        except ConnectionRefusedError:
            return None

    with eventually(connection, within=30) as server:
        server.send_message(message)


@pytest.mark.storm
def test_everything_starts_survives_kills_and_stops_without_a_trace(var):
    (var / "static").mkdir()  # compressing them takes half a minute and is not the point here
    (var / "static.stamp").write_text(start.static_stamp())
    port = free_port()
    env = {k: v for k, v in os.environ.items() if k not in (*embedded.NAMES, "EMAIL_URL")}
    env |= {"VAR_DIR": str(var), "PORT": str(port)}
    log = var / "said"
    with log.open("w") as said:
        run = subprocess.Popen([sys.executable, MANAGE, "run"], env=env, stdout=said, stderr=said)
    try:
        assert eventually(lambda: "Up after" in log.read_text(), within=180), log.read_text()
        mark = json.loads((var / "run.json").read_text())["mark"]
        for victim in (victims := servers_of(run.pid)):
            victim.kill()
        assert eventually(lambda: is_ready(port), within=60), log.read_text()
        assert not any(victim.is_running() for victim in victims)
        assert "postgres was ended by SIGKILL" in log.read_text()
        children = psutil.Process(run.pid).children(recursive=True)
        run.terminate()
        assert run.wait(60) == 0
    finally:
        run.kill()
    assert not [child for child in children if alive(child.pid)]
    assert start.end_marked(mark) == 0
    assert not (var / "run.env").exists()


def servers_of(pid):
    children = psutil.Process(pid).children()
    return [c for c in children if Path(c.exe()).name in ("postgres", "valkey-server")]


def is_ready(port):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return json.loads(answer.read())["checks"]["broker"] == "ok"
    except OSError:
        return False
