"""How late and how short a sender has been, measured from the lines that closed last."""

from collections.abc import Collection

from django.db import connection

LINES = 200  # the last closed lines of a sender say how it is today
FORMULA = (
    f"Of the last {LINES} lines that closed: days late is the day of the last receipt less the"
    " first date, early counts as 0; four of five lines are not later than the second figure;"
    " short is the share of the units first ordered that never came."
)

# Units that arrived unsellable came; what never came counts as short, whoever agreed to it.
_MEASURE = """
INSERT INTO inventory_supplier (location_id, lines, days_late, days_late_p80, short, measured_at)
SELECT supplier_id, count(*), avg(late), percentile_disc(0.8) WITHIN GROUP (ORDER BY late),
       coalesce(sum(greatest(first_quantity - received, 0))::float
                / nullif(sum(first_quantity), 0), 0), now()
  FROM unnest(%(suppliers)s::bigint[]) AS w(supplier_id) CROSS JOIN LATERAL (
    SELECT s.first_quantity, s.received,
           greatest(coalesce((SELECT max(r.days_late) FROM inventory_supplyreceipt r
                               WHERE r.supply_id = s.id), 0), 0)::float AS late
      FROM inventory_supply s
     WHERE s.supplier_id = w.supplier_id AND s.state = 'received' AND s.kind <> 'return'
     ORDER BY s.closed_at DESC LIMIT %(lines)s) AS line
 GROUP BY supplier_id ORDER BY supplier_id
ON CONFLICT (location_id) DO UPDATE
   SET lines = excluded.lines, days_late = excluded.days_late,
       days_late_p80 = excluded.days_late_p80, short = excluded.short,
       measured_at = excluded.measured_at
"""


def measure(suppliers: Collection[int]) -> None:
    """Measure senders (stock point ids) anew, in one statement."""
    if suppliers:
        with connection.cursor() as cursor:
            cursor.execute(_MEASURE, {"suppliers": sorted(set(suppliers)), "lines": LINES})
