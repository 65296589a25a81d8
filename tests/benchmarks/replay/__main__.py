"""python -m tests.benchmarks.replay [--seeds 5 6 7] [--only ours]: a table and var/replay.json."""

import argparse
import json
import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.replay.policies import policies
from tests.benchmarks.replay.simulator import Account, Chances, Replay
from tests.benchmarks.replay.world import FOLDER, World, the_world

RESULT = Path(__file__).resolve().parents[3] / "var" / "replay.json"
SEEDS = (5, 6, 7)
HEADS = {
    "net": "net",
    "freight_and_pick": "freight + pick",
    "parcels": "parcels",
    "split_pct": "split %",
    "kg_co2": "kg CO2e",
    "late_pct": "late %",
    "refused_pct": "refused %",
    "canceled_pct": "canceled %",
    "markdown": "markdown",
    "lost_walkins": "lost walk-ins",
}


@dataclass(frozen=True)
class Seeded:
    """Figures of one policy: per order, or in percent of orders, lines tried, or lines."""

    world: World
    without: Account  # the same days without orders

    def row(self, done: Account) -> dict[str, float]:
        orders, lines = len(self.world.order_day), len(self.world.line_order)
        return {
            "net": (done.total - self.without.total) / orders,
            "freight_and_pick": (done.freight + done.pick) / orders,
            "parcels": done.parcels / orders,
            "split_pct": 100 * sum(len(some) > 1 for some in done.sent_from.values()) / orders,
            "kg_co2": done.kg_co2 / orders,
            "late_pct": 100 * len(done.late) / orders,
            "refused_pct": 100 * done.refused / max(done.tried, 1),
            "canceled_pct": 100 * done.canceled / lines,
            "markdown": done.markdown / orders,
            "lost_walkins": done.lost_walkins / orders,
        }


def figures(seeds: tuple[int, ...] = SEEDS, only: str = "") -> dict[str, float]:
    """Mean over the seeds, by "replay.<policy>.<figure>"; prints the table as it goes."""
    world = the_world()
    seeded = Seeded(world, Replay(world, None, None).run())
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        chances = Chances.drawn(world, seed)
        for name, router in policies(world).items():
            if only in name:
                rows.setdefault(name, []).append(seeded.row(Replay(world, router, chances).run()))
    means = {
        name: {key: statistics.fmean(row[key] for row in of_policy) for key in HEADS}
        for name, of_policy in rows.items()
    }
    sys.stdout.write(table(means))
    return {
        f"replay.{name}.{key}": value for name, row in means.items() for key, value in row.items()
    }


def table(means: dict[str, dict[str, float]]) -> str:
    """As Markdown, money and kg per order."""
    lines = [
        "| policy | " + " | ".join(HEADS.values()) + " |",
        "|---|" + "---:|" * len(HEADS),
        *(
            f"| {name} | " + " | ".join(f"{row[key]:.2f}" for key in HEADS) + " |"
            for name, row in means.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--only", default="", help="policies whose name holds this")
    given = parser.parse_args()
    found = figures(tuple(given.seeds), given.only)
    data = "folder" if os.environ.get(FOLDER) else "generated"
    RESULT.parent.mkdir(exist_ok=True)
    result = {"data": data, "seeds": given.seeds, "figures": found}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
