"""Every documented operation, called with what the document allows and what it forbids: no server
error, and no answer that the document does not describe."""

import itertools

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from orders.keys import COMPANY_SCOPES
from orders.models import ApiKey
from orders.webhooks import endpoints, replaying
from routing.models import OpenOffer
from routing.runs import control
from tests.fulfillment.stage import drain
from tests.routing import scenes

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance,
          response_schema_conformance]  # fmt: skip
EXAMPLES = {GenerationMode.POSITIVE: 5, GenerationMode.NEGATIVE: 3}
QUIET = settings(
    deadline=None, database=None, derandomize=True, phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture
def one_connection():
    """Requests use the connection of the test, as those of Django's own test client do."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def known(company, one_connection):
    """Keys of all kinds, and values of paths behind which there is something."""
    with connection.cursor() as cursor:  # requests are made up while the transaction waits
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    _, erp = ApiKey.objects.create_key(name="erp", scopes=COMPANY_SCOPES)
    order = company.place(("TEE", 2), external_id="A-1")
    scenes.queue_when_short(company)
    waiting = company.place(("SOLD", 1))
    scenes.prefer_central(offer_to=4)
    drain()
    endpoint = endpoints.create(channel=company.web, url="https://example.org/hooks")
    delivery = replaying.test(endpoint)
    return {
        "keys": [company.web_key, company.location_key("LYON"), erp],
        "orders": {"reference": ["A-1", order.number]},
        "webhooks": {"id": [endpoint.pk], "delivery": [delivery.pk]},
        "shopify": {"channel_code": ["web"]},
        "availability": {"sku": ["TEE"]},
        "runs": {"id": [control.start(cause="manual").pk]},
        "unfillable": {"id": [waiting.allocations.get().pk]},
        "open-offers": {"id": [OpenOffer.objects.get(location__code="LYON").pk]},
    }


def wrong_answers(operation, known, call):
    """What is wrong with the answers of one operation to a number of calls."""
    paths = known.get(operation.path.removeprefix("/api/v1/").split("/")[0], {})
    count, found = itertools.count(), []
    for mode, examples in EXAMPLES.items():

        @settings(QUIET, max_examples=examples)
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            turn = next(count)
            for name, values in paths.items():
                if turn % 3 and name in case.path_parameters:
                    case.path_parameters[name] = values[turn % len(values)]
            call(case, known["keys"][turn % len(known["keys"])])

        try:
            check()
        except FailureGroup as failures:
            found += [f"{operation.label}: {f.title}: {f.message}" for f in failures.exceptions]
        except schemathesis.errors.SchemathesisError as error:
            if "Cannot generate" not in str(error):
                raise
    return found


def test_no_operation_breaks_or_answers_what_it_does_not_document(known):
    def call(case, key):
        case.headers["Authorization"] = f"Bearer {key}"
        with transaction.atomic():
            response = case.call()
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)

    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    wrong = []
    for result in schema.get_all_operations():
        wrong += wrong_answers(result.ok(), known, call)
    assert not wrong, "\n\n".join(wrong)
