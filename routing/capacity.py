"""How much of a stock point's day is given out already.

What a day can take is said by the SQL function inventory_capacity_of: parcels and pick-ups each
have their own limit, or share the one of a row for any delivery.
"""

_GIVEN = """
SELECT count(*) AS orders, coalesce(sum(f.units), 0) AS units FROM routing_offer f
 WHERE f.location_id = c.location_id AND f.day = c.day
   AND (c.shared OR f.delivery = c.delivery)
"""

# Orders and units given out on the day of `c` (location_id, day, delivery, orders, units, shared),
# a row beside it. Which of them were given back is only looked at where `more_orders` parcels or
# `more` units seem too many.
LOAD = f"""
LATERAL (
    SELECT * FROM (
        SELECT * FROM ({_GIVEN}) AS g
         WHERE (c.orders IS NULL OR g.orders + c.more_orders <= c.orders)
           AND (c.units IS NULL OR g.units + c.more <= c.units)
         UNION ALL {_GIVEN}
           AND EXISTS (SELECT 1 FROM orders_allocation a
                        WHERE a.id = ANY(f.slices) AND a.location_id = f.location_id
                          AND a.state NOT IN ('queued', 'canceled'))) AS either
     LIMIT 1)
"""
