"""Finding orders by what people know of them: number, channel's id, name, e-mail, phone or SKU.

Every kind is a small lookup through an index of its own, and all of them are one statement, so that
the answer comes as fast among a million orders as among ten.
"""

import re
from typing import Any

from django.db import connection

from orders.queries import parse_number

MOST = 500  # orders of one answer, the newest of what was found
ENOUGH = 2_000  # of one kind: a term this common is answered by the newest orders instead
NEWEST = 20_000  # orders that are looked through for a term that common
LEAST_LETTERS = 2
LEAST_DIGITS = 6
_BIGGEST = 2**63 - 1
_PHONE = re.compile(r"[\d\s()+./-]+", re.ASCII)
_NAME = "to_tsvector('simple'::regconfig, coalesce(name, '')) @@ to_tsquery('simple', %(name)s)"

# kind: its lookup. Without an order of their own: the indexes decide, never a walk over all orders.
_LOOKUPS = {
    "number": "SELECT id FROM orders_order WHERE id = %(number)s",
    "external_id": "SELECT id FROM orders_order WHERE external_id = %(external_id)s",
    "email": "SELECT order_id FROM orders_ordercontact WHERE email LIKE %(email)s",
    "phone": "SELECT order_id FROM orders_ordercontact"
             " WHERE phone_key LIKE %(phone)s AND phone_key <> ''",
    "name": f"SELECT order_id FROM orders_ordercontact WHERE {_NAME}",
    "sku": "SELECT order_id FROM orders_orderline WHERE sku = %(sku)s ORDER BY sku, order_id DESC",
}  # fmt: skip
_COMMON = {"email": "email LIKE %(email)s", "name": _NAME}


def orders(term: str) -> list[int]:
    """Ids of the orders that a term names, newest first, at most MOST. One statement."""
    kinds = _kinds(term.replace("\0", "").strip())
    if not kinds:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement(kinds), kinds)
        return [pk for (pk,) in cursor.fetchall()]


def statement(kinds: dict[str, Any]) -> str:
    """The lookups of these kinds, and the newest orders for a name or address that is common."""
    parts = [
        f"(SELECT h.* FROM ({lookup} LIMIT {ENOUGH}) AS h(order_id))"
        for kind, lookup in _LOOKUPS.items()
        if kind in kinds
    ]
    common = [test for kind, test in _COMMON.items() if kind in kinds]
    return f"""
WITH hit AS MATERIALIZED ({" UNION ALL ".join(parts)}), newest AS (
    SELECT order_id FROM (
        SELECT order_id, email, name FROM orders_ordercontact ORDER BY order_id DESC LIMIT {NEWEST}
    ) c
     WHERE (SELECT count(*) FROM hit) >= {ENOUGH} AND ({" OR ".join(common) or "false"})
)
SELECT order_id FROM hit UNION SELECT order_id FROM newest ORDER BY order_id DESC LIMIT {MOST}
"""


def _kinds(term: str) -> dict[str, Any]:
    """What the term can be, and what each lookup asks for."""
    if not term:
        return {}
    kinds: dict[str, Any] = {"external_id": term[:100], "sku": term[:64]}
    number = parse_number(term)
    if number is not None and 0 < number <= _BIGGEST:
        kinds["number"] = number
    digits = re.sub(r"\D", "", term, flags=re.ASCII).lstrip("0")
    if _PHONE.fullmatch(term):
        if len(digits) >= LEAST_DIGITS:
            kinds["phone"] = f"{digits[::-1]}%"
        return kinds
    if len(term) >= LEAST_LETTERS and not re.search(r"\s", term):
        kinds["email"] = re.sub(r"([\\%_])", r"\\\1", term.lower()) + "%"
    words = re.findall(r"\w+", term)
    if "@" not in term and any(len(word) >= LEAST_LETTERS for word in words):
        kinds["name"] = " & ".join(f"'{word}':*" for word in words)
    return kinds
