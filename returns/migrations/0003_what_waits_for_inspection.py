"""Units that wait for inspection are in quality control, no longer just unavailable."""

from django.db import migrations

FORWARD = """
WITH waiting AS (
    SELECT l.product_id, u.location_id, sum(u.quantity) AS units
      FROM returns_returnedunits u
      JOIN returns_returnline r ON r.id = u.line_id
      JOIN orders_orderline l ON l.id = r.order_line_id
     WHERE u.grade = '' GROUP BY 1, 2
)
UPDATE inventory_stock s
   SET quality_control = s.quality_control + least(s.quarantine, w.units),
       quarantine = s.quarantine - least(s.quarantine, w.units)
  FROM waiting w WHERE w.product_id = s.product_id AND w.location_id = s.location_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("returns", "0002_units_by_place_and_grade"),
        ("inventory", "0004_the_database_keeps_watch"),
    ]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
