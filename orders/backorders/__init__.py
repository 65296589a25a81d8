"""Units that wait for a supply: promised when the order comes in, kept true until they arrive.

promising.py   capture: claims on what is on its way
waiting.py     routing: what it cannot place, if the rule says so
settling.py    the work "supply": arrivals to the oldest orders, losses to the newest
dates.py       the promised day moves with the supply, and the customer is told once
"""

from orders.backorders.promising import Awaited, promise_from_supply, waits_for
from orders.backorders.settling import handle
from orders.backorders.waiting import wait_for_supply

__all__ = ["Awaited", "handle", "promise_from_supply", "wait_for_supply", "waits_for"]
