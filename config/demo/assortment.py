"""What the demo company sells: kinds of article, their sizes, colors, materials and names.

Invented lines; no brand of anybody. catalog.py makes products of these; the
kinds are in articles.csv.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Size -> (weight factor, share of demand). Middle sizes sell most.
SIZES: dict[str, dict[str, tuple[float, float]]] = {
    "alpha": {
        "XS": (0.90, 0.6), "S": (0.95, 1.2), "M": (1.0, 1.6), "L": (1.05, 1.5), "XL": (1.1, 0.9),
        "XXL": (1.16, 0.4),
    },
    "jeans": {
        "W28": (0.92, 0.5), "W30": (0.96, 1.0), "W32": (1.0, 1.5), "W34": (1.04, 1.4),
        "W36": (1.08, 0.8), "W38": (1.12, 0.4),
    },
    "shoe": {
        "36": (0.84, 0.4), "37": (0.87, 0.7), "38": (0.90, 1.0), "39": (0.93, 1.2),
        "40": (0.96, 1.2), "41": (1.0, 1.3), "42": (1.03, 1.4), "43": (1.06, 1.2),
        "44": (1.1, 0.8), "45": (1.14, 0.5),
    },
    "belt": {"85": (0.93, 0.8), "95": (1.0, 1.4), "105": (1.07, 0.8)},
    "glove": {"S": (0.94, 0.8), "M": (1.0, 1.3), "L": (1.06, 0.9)},
    "bed": {"140x200": (0.8, 1.3), "155x220": (1.0, 1.0), "200x200": (1.3, 0.7)},
    "one": {"": (1.0, 1.0)},
}  # fmt: skip

COLORS: dict[str, str] = {
    "BLK": "Black", "WHT": "White", "NVY": "Navy", "GRY": "Gray", "RED": "Red", "GRN": "Green",
    "BLU": "Blue", "BEI": "Beige", "TAN": "Tan", "BRN": "Brown", "OLV": "Olive", "BUR": "Burgundy",
    "ROS": "Rose", "MUS": "Mustard", "SAG": "Sage", "TER": "Terracotta", "SKY": "Sky Blue",
    "CRM": "Cream", "CHA": "Charcoal", "LAV": "Lavender", "PET": "Petrol", "ORG": "Orange",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of article.

    `price` is a range in EUR; `weight_g` and `box_mm` (length, width, height) are of the middle
    size in its packing; `colors` is how many colors a style comes in, at most; `share` is how
    often the kind occurs among styles.
    """

    code: str
    noun: str
    category: str
    materials: tuple[str, ...]
    sizes: str
    colors: int
    price: tuple[int, int]
    weight_g: int
    box_mm: tuple[int, int, int]
    seasonal: bool
    share: int


def _read() -> Iterator[Kind]:
    path = Path(__file__).with_name("articles.csv")
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Kind(
                code=row["code"], noun=row["noun"], category=row["category"],
                materials=tuple(row["materials"].split("|")), sizes=row["sizes"],
                colors=int(row["colors"]), price=(int(row["price_from"]), int(row["price_to"])),
                weight_g=int(row["weight_g"]),
                box_mm=(int(row["length_mm"]), int(row["width_mm"]), int(row["height_mm"])),
                seasonal=bool(row["seasonal"]), share=int(row["share"]),
            )  # fmt: skip


KINDS: tuple[Kind, ...] = tuple(_read())

# A style's own name; with material and noun it is unique.
LINES: tuple[str, ...] = (
    "Alba", "Alder", "Ankum", "Arno", "Aspen", "Aurel", "Bastia", "Belle-Île", "Birk", "Bruma",
    "Calma", "Casal", "Cedro", "Clyde", "Corvo", "Dalia", "Dorn", "Duna", "Ebro", "Elba", "Elm",
    "Etna", "Fjord", "Flint", "Fjella", "Garda", "Glen", "Gracia", "Harz", "Hazel", "Heide",
    "Iris", "Isar", "Jura", "Kalix", "Kiel", "Kioto", "Lagun", "Larch", "Lido", "Loire", "Luna",
    "Maris", "Maya", "Mistral", "Móra", "Nazaré", "Nevis", "Norden", "Oder", "Olmo", "Orla",
    "Palma", "Pilar", "Pont", "Quarz", "Rhône", "Rialto", "Rowan", "Saar", "Salina", "Sete",
    "Sierra", "Skåne", "Solano", "Tajo", "Tarn", "Tilia", "Tiber", "Torne", "Ulm", "Valmar",
    "Vega", "Vento", "Visby", "Wald", "Weser", "Yara", "Zefir", "Zola",
)  # fmt: skip
