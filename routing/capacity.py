"""How much of a stock point's day is given out already.

What a day can take is said by the SQL function inventory_capacity_of: parcels and pick-ups each
have their own limit, or share the one of a row for any delivery.
"""

_GIVEN = """
SELECT count(*) AS orders, coalesce(sum(f.units), 0) AS units FROM routing_offer f
 WHERE f.location_id = c.location_id AND f.day = c.day
   AND (c.shared OR f.delivery = c.delivery)
"""
# A slice of the offer is there still, and was not given there once more since: called back and
# given to the same stock point it is one parcel. OFFSET 0: looked up per slice in the few offers of
# its order, never by a scan of them all.
_STANDS = """
EXISTS (SELECT 1 FROM orders_allocation a
         WHERE a.id = ANY(f.slices) AND a.location_id = f.location_id
           AND a.state NOT IN ('queued', 'canceled') {given_anew}
           AND NOT EXISTS (SELECT 1 FROM routing_offer n
                            WHERE n.order_id = f.order_id AND n.location_id = f.location_id
                              AND n.id > f.id AND a.id = ANY(n.slices) OFFSET 0))
"""


def load(*, given_anew: str = "") -> str:
    """Orders and units given out on the day of `c`, as SQL of a row beside it.

    `c` is (location_id, day, delivery, orders, units, shared, more_orders, more). Which of them
    were given back is only looked at where `more_orders` parcels or `more` units seem too many.
    given_anew: SQL that lets slices `a` of an offer `f` count, for who gives them there once more.
    """
    return f"""
LATERAL (
    SELECT * FROM (
        SELECT * FROM ({_GIVEN}) AS g
         WHERE (c.orders IS NULL OR g.orders + c.more_orders <= c.orders)
           AND (c.units IS NULL OR g.units + c.more <= c.units)
         UNION ALL {_GIVEN} AND {_STANDS.format(given_anew=given_anew)}) AS either
     LIMIT 1)
"""


LOAD = load()
