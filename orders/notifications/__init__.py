"""Which event tells the customer what, in which words, once.

catalog.py   the table: event kind -> message, what it is about, what it says
facts.py     what a message says, read when it is sent; and when it has become pointless
words.py     dates, addresses and names as people read them; subject and bodies
sending.py   handle(): the "notify" work of the outbox, and the SMTP conversation
"""

from orders.notifications.sending import handle

__all__ = ["handle"]
