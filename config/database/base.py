"""Django's PostgreSQL backend, but for how it sees that a kept connection was closed."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Looks at the socket of a kept connection instead of asking the server each time.

    Django's own health check is a statement more for every request. A server that stops, or ends
    the connection, closes the socket, which shows without asking. A connection that is only lost
    on the way is found by either with the first statement.
    """

    def is_usable(self) -> bool:
        """Whether statements can be sent. After an error, or when something was told, it asks."""
        if self.connection is None:
            return False
        if self.errors_occurred or self._is_readable():
            return bool(super().is_usable())
        return True

    def _is_readable(self) -> bool:
        """Whether the server has sent something that nobody has asked for, or closed."""
        if self.connection.closed:
            return True
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
