"""A kept connection: that it was closed is seen before it is used, and nobody asks for that."""

import select

import psycopg
from django.db import close_old_connections, connection
from django.db.backends.postgresql import base

from config.models import JobRun


def fresh() -> int:
    """The server's process behind a connection that is not too old to be kept."""
    connection.close()
    return backend()


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def end(pid: int) -> None:
    its = connection.settings_dict
    with psycopg.connect(
        host=its["HOST"], port=its["PORT"], user=its["USER"], password=its["PASSWORD"],
        dbname=its["NAME"], autocommit=True,
    ) as admin:  # fmt: skip
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
    poll = select.poll()
    poll.register(connection.connection.fileno(), select.POLLIN)
    assert poll.poll(2000)


def test_a_connection_that_the_server_ended_is_made_again_before_the_next_request(
    transactional_db,
):
    pid = fresh()
    close_old_connections()  # as every request begins
    assert backend() == pid
    end(pid)
    close_old_connections()
    assert JobRun.objects.count() == 0
    assert backend() != pid


def test_a_connection_that_stands_is_used_without_a_statement_to_see_it(
    transactional_db, monkeypatch
):
    pid = fresh()
    asked = []
    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", lambda self: asked.append(self) or True)
    close_old_connections()
    assert backend() == pid
    assert not asked
    connection.errors_occurred = True
    close_old_connections()
    assert asked
    connection.errors_occurred = False
