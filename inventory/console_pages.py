"""Pages of stock in the console: every product across every place, and what does not move."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.contrib.admin.sites import site
from django.contrib.auth.decorators import permission_required
from django.db import connection
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from config.exports import csv_response
from inventory.admin.causes import cause_url
from inventory.admin.own import own_locations
from inventory.models import Location, Product

SHOWN = 50
MOST_PAGES = 10_000
SOLD_DAYS = 28
SLOW_WEEKS = (4, 8, 13, 26, 52)
VIEW = "inventory.view_stock"


def places(request: HttpRequest, **narrow: Any) -> list[Location]:
    """The stock points this person may see, by name."""
    rows = Location.objects.filter(archived=False, **narrow).order_by("kind", "name")
    own = own_locations(request)
    return list(rows if own is None else rows.filter(pk__in=own))


def _page(request: HttpRequest) -> int:
    given = request.GET.get("page", "1")
    number = int(given) if given.isascii() and given.isdigit() and len(given) <= 6 else 1
    return min(max(number, 1), MOST_PAGES)


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\0", "").strip()[:100]


def _url(request: HttpRequest, **changes: Any) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = str(value)
    return f"?{query.urlencode()}"


def _pages(request: HttpRequest, page: int, total: int) -> dict[str, Any]:
    """Where the reader is, and the way on and back."""
    last = max(-(-total // SHOWN), 1)
    return {
        "page": page, "last": last, "total": total,
        "first_row": min((page - 1) * SHOWN + 1, total), "last_row": min(page * SHOWN, total),
        "before": _url(request, page=min(page, last + 1) - 1) if page > 1 else "",
        "after": _url(request, page=page + 1) if page < last else "",
    }  # fmt: skip


# --- the matrix -----------------------------------------------------------------------------------

FIGURES = {
    # figure: (words, what it is made of)
    "free": ("Free to promise", "on hand − set aside − safety − reserved"),
    "on_hand": ("On hand", "units physically there"),
}
_FREE = "s.on_hand - s.unavailable - s.safety - s.reserved"
_PRODUCTS = """
SELECT id, sku, name, count(*) OVER () AS total FROM inventory_product
 WHERE active AND (%(q)s = '' OR sku ILIKE %(like)s OR name ILIKE %(like)s OR gtin = %(q)s
                   OR lower(category) = lower(%(q)s))
 ORDER BY sku
"""
_MATRIX = f"""
WITH page AS ({_PRODUCTS} LIMIT %(limit)s OFFSET %(offset)s)
SELECT p.id, p.sku, p.name, p.total, s.id, s.location_id, s.on_hand, {_FREE}
  FROM page p LEFT JOIN inventory_stock s
    ON s.product_id = p.id AND s.location_id = ANY(%(places)s)
 ORDER BY p.sku
"""


@dataclass
class Cell:
    """One product at one place; `stock` is None where it never was."""

    stock: int | None = None
    units: int | None = None


@dataclass
class Line:
    """One product across the places, in their order."""

    sku: str
    name: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Units at all of them."""
        return sum(cell.units or 0 for cell in self.cells)


def _lines(rows: Iterator[tuple], columns: Sequence[Location], figure: str) -> Iterator[Line]:
    at = {place.pk: i for i, place in enumerate(columns)}
    which = 6 if figure == "on_hand" else 7
    for (sku, name), found in groupby(rows, key=lambda row: (row[1], row[2])):
        line = Line(sku, name, [Cell() for _ in columns])
        for row in found:
            if row[4] is not None:
                line.cells[at[row[5]]] = Cell(row[4], row[which])
        yield line


def _like(text: str) -> str:
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return f"%{text}%"


def _asked(request: HttpRequest, columns: Sequence[Location]) -> dict[str, Any]:
    text = _text(request, "q")
    return {"q": text, "like": _like(text), "places": [place.pk for place in columns]}


def _kind(request: HttpRequest) -> dict[str, str]:
    kind = request.GET.get("kind", "")
    return {"kind": kind} if kind in Location.Kind.values else {}


@site.admin_view
@permission_required(VIEW, raise_exception=True)
def matrix(request: HttpRequest) -> HttpResponse:
    """Products by stock points; two statements, whatever there is."""
    figure = request.GET.get("figure", "free")
    figure = figure if figure in FIGURES else "free"
    page, columns = _page(request), places(request, **_kind(request))
    params = _asked(request, columns) | {"limit": SHOWN, "offset": (page - 1) * SHOWN}
    with connection.cursor() as cursor:
        cursor.execute(_MATRIX, params)
        rows = cursor.fetchall()
    lines = list(_lines(iter(rows), columns, figure))
    totals = [sum(line.cells[i].units or 0 for line in lines) for i in range(len(columns))]
    context = {
        **site.each_context(request), "title": "Stock by product and place", "columns": columns,
        "lines": lines, "totals": totals, "total": sum(totals), "figure": figure,
        "figures": [(name, words, _url(request, figure=name)) for name, (words, _) in
                    FIGURES.items()],
        "formula": FIGURES[figure][1], "q": params["q"], "kinds": Location.Kind.choices,
        "kind": request.GET.get("kind", ""), "csv": _url(request),
        "pages": _pages(request, page, rows[0][3] if rows else 0),
    }  # fmt: skip
    return TemplateResponse(request, "admin/inventory/matrix.html", context)


@site.admin_view
@permission_required(VIEW, raise_exception=True)
def matrix_csv(request: HttpRequest) -> HttpResponseBase:
    """The whole matrix of the search as a file, written while it is read."""
    figure = "on_hand" if request.GET.get("figure") == "on_hand" else "free"
    columns = places(request, **_kind(request))
    header = ["sku", "name", *(place.code for place in columns), "total"]
    rows = _stream(_asked(request, columns) | {"limit": None, "offset": 0})
    return csv_response(
        f"stock-{figure}.csv", header,
        ([line.sku, line.name, *(cell.units for cell in line.cells), line.total]
         for line in _lines(rows, columns, figure)),
    )  # fmt: skip


def _stream(params: Mapping[str, Any]) -> Iterator[tuple]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(_MATRIX, params)
        while rows := cursor.fetchmany(2000):
            yield from rows


# --- what does not move ---------------------------------------------------------------------------

# The rows in the order of their value; of each, two short walks on the index of the ledger.
_COVER = f"""
SELECT s.id, s.sku, s.name, s.place, s.on_hand, s.target, s.value, m.sold, m.weeks,
       CASE WHEN m.sold > 0 THEN s.on_hand * m.weeks / m.sold END AS cover
  FROM (SELECT s.id, s.product_id, s.location_id, p.sku, p.name, l.name AS place, s.on_hand,
               s.target, s.on_hand * p.price AS value
          FROM inventory_stock s
          JOIN inventory_product p ON p.id = s.product_id
          JOIN inventory_location l ON l.id = s.location_id
         WHERE s.on_hand > 0 AND s.location_id = ANY(%(places)s)
           AND (%(category)s = '' OR p.category = %(category)s)
         ORDER BY value DESC, s.id) s
 CROSS JOIN LATERAL (
    SELECT coalesce(-sum(m.on_hand) FILTER (WHERE m.kind IN ('sale', 'till_sale')), 0) AS sold,
           greatest(least(extract(epoch FROM now() - f.first) / 604800.0, {SOLD_DAYS} / 7.0),
                    1 / 7.0) AS weeks
      FROM (SELECT coalesce(min(o.created_at), now()) AS first FROM (
                SELECT created_at FROM inventory_stockmovement o
                 WHERE o.product_id = s.product_id AND o.location_id = s.location_id
                 ORDER BY o.product_id, o.location_id, o.created_at LIMIT 1) o) f
      LEFT JOIN inventory_stockmovement m
        ON m.product_id = s.product_id AND m.location_id = s.location_id
       AND m.created_at >= now() - make_interval(days => {SOLD_DAYS})
     GROUP BY f.first) m
 WHERE %(slow)s::int IS NULL OR m.sold = 0 OR s.on_hand * m.weeks / m.sold >= %(slow)s
 ORDER BY s.value DESC, s.id
 LIMIT %(limit)s OFFSET %(offset)s
"""
_TIED_UP = """
SELECT coalesce(sum(s.on_hand * p.price), 0), coalesce(sum(s.on_hand), 0),
       coalesce(sum(greatest(s.on_hand - s.target, 0) * p.price), 0)
  FROM inventory_stock s JOIN inventory_product p ON p.id = s.product_id
 WHERE s.on_hand > 0 AND s.location_id = ANY(%(places)s)
   AND (%(category)s = '' OR p.category = %(category)s)
"""
FORMULA = (
    f"units sold a week = units handed over or sold at a till in the last {SOLD_DAYS} days ÷ weeks"
    " the product was at the place in them (at most 4); weeks of cover = on hand ÷ units sold a"
    " week; value = on hand × price; over target = on hand − target"
)


@dataclass(frozen=True)
class Cover:
    """One stock row: what it holds, how fast it goes, what it ties up."""

    stock: int
    sku: str
    name: str
    place: str
    on_hand: int
    target: int | None
    value: Decimal
    sold: int
    weeks: Decimal
    cover: Decimal | None

    @property
    def over(self) -> int:
        """Units above target."""
        return 0 if self.target is None else max(self.on_hand - self.target, 0)

    @property
    def a_week(self) -> Decimal:
        """Units sold a week."""
        return self.sold / self.weeks

    @property
    def level(self) -> str:
        """How it looks: danger when nothing is sold or it lasts a season, warning for weeks."""
        if self.cover is None or self.cover >= SLOW_WEEKS[2]:
            return "danger"
        return "warning" if self.cover >= SLOW_WEEKS[1] else "success"


@site.admin_view
@permission_required(VIEW, raise_exception=True)
def cover(request: HttpRequest) -> HttpResponse:
    """Slow movers and weeks of cover, what ties up most first."""
    page, all_places = _page(request), places(request)
    chosen = next((p for p in all_places if p.code == request.GET.get("location")), None)
    weeks, category = request.GET.get("slow", ""), _text(request, "category")
    slow = int(weeks) if weeks in {str(n) for n in SLOW_WEEKS} else None
    params = {
        "places": [chosen.pk] if chosen else [place.pk for place in all_places],
        "category": category, "slow": slow, "limit": SHOWN + 1, "offset": (page - 1) * SHOWN,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_COVER, params)
        rows = [Cover(*row) for row in cursor.fetchall()]
        cursor.execute(_TIED_UP, params)
        value, units, over = cursor.fetchone()
    context = {
        **site.each_context(request), "title": "Slow movers and weeks of cover",
        "rows": rows[:SHOWN], "value": value, "units": units, "over": over, "formula": FORMULA,
        "places": all_places, "chosen": chosen, "category": category, "slow": slow,
        "categories": _categories(), "weeks": SLOW_WEEKS, "days": SOLD_DAYS,
        "before": _url(request, page=page - 1) if page > 1 else "",
        "after": _url(request, page=page + 1) if len(rows) > SHOWN else "", "page": page,
    }  # fmt: skip
    return TemplateResponse(request, "admin/inventory/cover.html", context)


def _categories() -> list[str]:
    rows = Product.objects.filter(~Q(category="")).order_by("category")
    return list(rows.values_list("category", flat=True).distinct())


# --- causes ---------------------------------------------------------------------------------------


@site.admin_view
@permission_required("inventory.view_stockmovement", raise_exception=True)
def cause(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """From a line of the ledger, or a claim, to the document it belongs to."""
    url = cause_url(kind, pk) if pk < 2**63 else None
    if url is None:
        raise Http404("There is no such document any more.")
    return HttpResponseRedirect(url)
