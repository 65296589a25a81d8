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
, moved AS (
    UPDATE inventory_stock s
       SET quality_control = s.quality_control + least(s.quarantine, w.units),
           quarantine = s.quarantine - least(s.quarantine, w.units)
      FROM waiting w WHERE w.product_id = s.product_id AND w.location_id = s.location_id
    RETURNING s.*, s.quality_control AS units  -- no unit was in quality control before
)
INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved, unavailable,
    bucket, on_hand_after, reserved_after, unavailable_after, reason, cause_type, actor, created_at)
SELECT m.product_id, m.location_id, e.kind, 0, 0, e.sign * m.units, e.bucket, m.on_hand, m.reserved,
       m.unavailable, 'to inspect', '', 'upgrade', clock_timestamp()
  FROM moved m, (VALUES ('unblock', -1, 'quarantine'), ('block', 1, 'quality_control'))
                AS e(kind, sign, bucket)
 WHERE m.units > 0
"""


class Migration(migrations.Migration):
    dependencies = [
        ("returns", "0002_units_by_place_and_grade"),
        ("inventory", "0004_the_database_keeps_watch"),
    ]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
