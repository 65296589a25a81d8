"""Lines of purchase orders, shipping notices and oversell limits come in, change and end."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from config import outbox
from inventory.models import Supply
from inventory.supplies.reliability import measure

Kind, State = Supply.Kind, Supply.State
TOPIC = "supply"
Key = tuple[str, str, int, int]  # reference, notice, product id, stock point id


class Ended(Exception):
    """The supply was received or canceled: nothing of it changes any more."""

    def __init__(self, supply: Supply) -> None:
        self.supply = supply
        super().__init__(f"{supply.reference} was {supply.get_state_display()} already")


@dataclass(frozen=True)
class Line:
    """A line as its system sends it; ids of rows, `eta` None for an oversell limit alone.

    `quantity` of a line without notice number is the whole line: what its notices announce is
    taken off here.
    """

    reference: str
    product: int
    location: int
    quantity: int
    eta: date | None
    supplier: int | None = None
    notice: str = ""
    kind: str = Kind.PURCHASE
    promisable: bool = True

    @property
    def key(self) -> Key:
        return self.reference, self.notice, self.product, self.location


_COLUMNS = ("reference", "notice", "product", "location", "quantity", "eta", "supplier", "kind",
            "promisable")  # fmt: skip
_GIVEN = """
given AS (
    SELECT g.reference, g.notice, g.product, g.location, g.eta, g.supplier, g.kind, g.promisable,
           g.n, greatest(g.quantity - CASE WHEN g.notice = '' THEN coalesce((
               SELECT sum(s.quantity) FROM inventory_supply s
                WHERE s.reference = g.reference AND s.notice <> '' AND s.product_id = g.product
                  AND s.location_id = g.location AND s.state <> 'canceled'), 0) ELSE 0 END,
               0)::int AS quantity
      FROM unnest(%(reference)s::text[], %(notice)s::text[], %(product)s::bigint[],
           %(location)s::bigint[], %(quantity)s::int[], %(eta)s::date[], %(supplier)s::bigint[],
           %(kind)s::text[], %(promisable)s::bool[])
      WITH ORDINALITY AS g(reference, notice, product, location, quantity, eta, supplier, kind,
                           promisable, n)
)"""
_NEW = f"""
WITH {_GIVEN}
INSERT INTO inventory_supply (kind, reference, notice, supplier_id, location_id, product_id,
    quantity, first_quantity, received, refused, claimed, eta, first_eta, promisable, state,
    created_at)
SELECT kind, reference, notice, supplier, location, product, quantity, quantity, 0, 0, 0, eta, eta,
       promisable, 'open', now() FROM given ORDER BY n
ON CONFLICT (reference, notice, product_id, location_id) DO NOTHING
RETURNING reference, notice, product_id, location_id, CASE WHEN quantity = 0 THEN id END
"""
# What is written is what differs; who is promised units of it is looked at afterwards.
_CHANGED = f"""
WITH {_GIVEN}, locked AS (
    SELECT s.* FROM inventory_supply s JOIN given g
        ON (s.reference, s.notice, s.product_id, s.location_id)
         = (g.reference, g.notice, g.product, g.location)
     ORDER BY s.id FOR NO KEY UPDATE OF s
), changed AS (
    UPDATE inventory_supply s
       SET quantity = greatest(g.quantity, s.received), eta = g.eta,
           supplier_id = coalesce(g.supplier, s.supplier_id), promisable = g.promisable
      FROM locked k JOIN given g
        ON (k.reference, k.notice, k.product_id, k.location_id)
         = (g.reference, g.notice, g.product, g.location)
     WHERE s.id = k.id AND s.state = 'open' AND (s.kind = 'return') = (g.kind = 'return')
       AND (s.quantity, s.eta, s.supplier_id, s.promisable) IS DISTINCT FROM
           (greatest(g.quantity, s.received), g.eta, coalesce(g.supplier, s.supplier_id),
            g.promisable)
    RETURNING s.id
)
SELECT k.reference, k.notice, k.product_id, k.location_id,
       CASE WHEN k.state <> 'open' OR (k.kind = 'return') <> (g.kind = 'return') THEN 'ended'
            WHEN c.id IS NULL THEN 'unchanged' ELSE 'changed' END, k.id
  FROM locked k LEFT JOIN changed c USING (id)
  JOIN given g ON (k.reference, k.notice, k.product_id, k.location_id)
                = (g.reference, g.notice, g.product, g.location)
"""


def upsert(lines: Sequence[Line], *, actor: str) -> list[str]:
    """Take lines as they are now; says of each: created, changed, unchanged or ended.

    A line stands once in a call. The number of statements does not depend on theirs.
    """
    if not lines:
        return []
    params: dict[str, Any] = {name: [getattr(x, name) for x in lines] for name in _COLUMNS}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NEW, params)
        made = cursor.fetchall()
        found: dict[Key, str] = {(row[0], row[1], row[2], row[3]): "created" for row in made}
        follow_up(row[4] for row in made if row[4])
        known = [line for line in lines if line.key not in found]
        if known:
            params = {name: [getattr(x, name) for x in known] for name in _COLUMNS}
            cursor.execute(_CHANGED, params)
            rows = cursor.fetchall()
            found |= {(row[0], row[1], row[2], row[3]): row[4] for row in rows}
            follow_up(row[5] for row in rows if row[4] == "changed")
    return [found[line.key] for line in lines]


def follow_up(supplies: Iterable[int]) -> None:
    """After a change of supplies: end what is complete, and write work for what is promised."""
    ids = sorted(set(supplies))
    if not ids:
        return
    close_complete(ids)
    promised = Supply.objects.filter(pk__in=ids, claimed__gt=0).values_list("pk", flat=True)
    ring(promised, event="changed")


def ring(supplies: Iterable[int], *, event: str) -> None:
    """Write the work "supply": see to it that the promises fit the supply again."""
    ids = list(supplies)
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        cause = f"{event}:{cursor.fetchone()[0]}"
    outbox.put_many((TOPIC, pk, cause, {"event": event}) for pk in ids)


_CLOSE = """
UPDATE inventory_supply s
   SET state = CASE WHEN received > 0 THEN 'received' ELSE 'canceled' END, closed_at = now()
 WHERE id = ANY(%s) AND state = 'open' AND received >= quantity AND claimed = 0
   AND NOT EXISTS (SELECT 1 FROM inventory_reservation r
                    WHERE r.owner_type = 'supply' AND r.owner_id = s.id)
   AND kind <> 'oversell'
RETURNING CASE WHEN received > 0 THEN supplier_id END
"""


def close_complete(supplies: Sequence[int]) -> None:
    """End supplies of which nothing is to come and nothing promised; measure their senders."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [list(supplies)])
        measure({row[0] for row in cursor.fetchall() if row[0] is not None})


def change(
    supply_id: int, *, quantity: int | None = None, eta: date | None = None, actor: str
) -> Supply:
    """Change what one supply brings, or when. Raises Ended.

    Fewer units than are promised take them from the newest promises, by the work "supply".
    """
    with transaction.atomic():
        row = _locked(supply_id)
        if quantity is not None:
            row.quantity = max(quantity, row.received)
        if eta is not None:
            row.eta = eta
        row.save(update_fields=["quantity", "eta"])
        follow_up([row.pk])
    row.refresh_from_db()
    return row


def cancel(supply_id: int, *, actor: str) -> Supply:
    """Nothing more of it comes. What came stays: then it ends as received, and short.

    An oversell limit becomes 0 and can be raised again. Raises Ended.
    """
    return change(supply_id, quantity=0, actor=actor)


def _locked(supply_id: int) -> Supply:
    row = Supply.objects.select_for_update(no_key=True).get(pk=supply_id)
    if row.state != State.OPEN:
        raise Ended(row)
    return row


# --- shipping notices ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """Units of a purchase order line that a sender says are on the road."""

    reference: str
    notice: str
    product: int
    location: int
    quantity: int
    eta: date


def notices(said: Sequence[Notice], *, actor: str) -> list[str]:
    """Cut notices' units off their purchase order lines into rows of their own, or change them.

    Says of each: created, changed, ended, or no_line. The oldest promises of a line go to whichever
    arrives first; until they have (the work "supply"), nothing new is promised from the notice.
    More units than the line has are believed. A notice stands once in a call.
    """
    with transaction.atomic():
        references = {one.reference for one in said}
        lines = {row.key: row for row in _rows(references, notice="")}
        known = {row.key: row for row in _rows(references).exclude(notice="")}
        written = [_noticed(one, lines, known) for one in said]
        _write(lines, [row for row, _ in written if row is not None])
    return [outcome for _, outcome in written]


def _rows(references: Collection[str], **conditions: Any) -> QuerySet[Supply]:
    rows = Supply.objects.select_for_update(no_key=True).order_by("pk")
    return rows.filter(reference__in=references, **conditions)


def _noticed(
    said: Notice, lines: Mapping[Key, Supply], known: Mapping[Key, Supply]
) -> tuple[Supply | None, str]:
    line = lines.get((said.reference, "", said.product, said.location))
    row = known.get((said.reference, said.notice, said.product, said.location))
    if line is None:
        return None, "no_line"
    if State.CANCELED in {line.state, row.state if row else None} or (
        row and row.state != State.OPEN
    ):
        return None, "ended"
    outcome = "changed" if row else "created"
    row = row or Supply(
        kind=Kind.NOTICE, reference=said.reference, notice=said.notice, product_id=said.product,
        location_id=said.location, supplier_id=line.supplier_id, owner_id=line.owner_id,
        quantity=0, first_quantity=said.quantity, first_eta=line.first_eta,
    )  # fmt: skip
    left = max(line.quantity - line.received, 0) if line.state == State.OPEN else 0
    cut = min(said.quantity - row.quantity, left)
    line.quantity -= cut
    line.first_quantity = max(line.first_quantity - cut, 0)
    row.quantity, row.eta = max(said.quantity, row.received), said.eta
    row.promisable = line.promisable and line.claimed <= max(line.quantity - line.received, 0)
    return row, outcome


def _write(lines: Mapping[Key, Supply], rows: Sequence[Supply]) -> None:
    Supply.objects.bulk_create([row for row in rows if row.pk is None])
    Supply.objects.bulk_update([row for row in rows if row.pk], ["quantity", "eta", "promisable"])
    keys = {(row.reference, "", row.product_id, row.location_id) for row in rows}
    cut = [lines[key] for key in sorted(keys)]
    Supply.objects.bulk_update(cut, ["quantity", "first_quantity"])
    follow_up(row.pk for row in [*cut, *rows])
