"""python -m tests.benchmarks [--only capture]: figures as a table and as var/bench.json."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
WITHOUT_SERVERS = ("joint", "replay")  # of these joint is in the whole bench, too
Figures = dict[str, float]


def main() -> None:
    """Start own servers, load the demo company, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="capture, availability, joint, replay ...")
    only = parser.parse_args().only
    if only in WITHOUT_SERVERS:
        report(without_servers(only))
        return
    for name in ("DATABASE_URL", "BROKER_URL"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ["VAR_DIR"] = folder
        from config import embedded

        with embedded.servers(Path(folder)):
            figures = measure(only)
    report(figures)


def measure(only: str) -> Figures:
    """Run the chosen parts; each figure is the median of its rounds."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("demo", company=True, verbosity=0)
    from tests.benchmarks import (
        availability,
        capture,
        feeds,
        hot_sku,
        joint,
        promising,
        publishing,
        routing,
        search,
    )

    parts: dict[str, Callable[[], Figures]] = {
        "availability": availability.figures,
        "promise": promising.figures,
        "publishing": publishing.figures,
        "hot_sku": hot_sku.figures,
        "feeds": feeds.figures,
        "routing": routing.figures,
        "joint": joint.figures,
        "capture": capture.figures,
        "history": capture.history_figures,
        "search": search.figures,  # after history: it needs the same million
    }
    figures: Figures = {}
    for name, part in parts.items():
        if only in ("", name):
            figures |= part()
    return figures


def without_servers(only: str) -> Figures:
    """The parts that need no database; the replay takes minutes and runs only by its name."""
    from tests.benchmarks import joint
    from tests.benchmarks.replay import __main__ as replay

    return joint.figures() if only == "joint" else replay.figures()


def report(figures: Figures) -> None:
    """Print the table and merge the figures into var/bench.json."""
    path = ROOT / "var" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text())["figures"] if path.exists() else {}
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    result = {"machine": machine, "commit": commit, "figures": {**known, **figures}}
    path.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in figures.items():
        sys.stdout.write(f"{name:<28} {value:>12.3f}\n")


if __name__ == "__main__":
    main()
