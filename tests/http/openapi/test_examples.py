"""Every operation has an example of a request and an answer, and each is what the document says."""

import json
from pathlib import Path
from typing import Any

from app.cli.document import openapi_document
from app.http.openapi.parts import operations, resolved
from tests.fixtures.schema_check import differences

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples.json"
LEAST_RECORDED = 20


def content(part: Any) -> Any:
    """The JSON schema of a body, if it has one."""
    return part.get("content", {}).get("application/json", {}).get("schema")


def wrong(document: dict[str, Any], operation: dict[str, Any], example: dict[str, Any]) -> list[str]:
    """The differences between an example and its operation."""
    answer = operation["responses"].get(str(example["status"]))
    if answer is None:
        return [f"{example['status']} is not documented"]
    parts = (
        (operation.get("requestBody", {}), example["request"]),
        (resolved(document, answer), example["response"]),
    )
    found: list[str] = []
    for part, value in parts:
        schema = content(part)
        if schema is None:
            found += [] if value is None else ["a body that is not documented"]
        elif value is not None or part.get("required", True):
            found += differences(document, schema, value)
    return found


def test_every_operation_has_an_example_that_fits_the_document() -> None:
    document, examples = json.loads(openapi_document()), json.loads(EXAMPLES.read_text())
    named = {operation["operationId"]: operation for _, _, operation in operations(document)}
    assert set(examples) == set(named), "run `make examples`"
    assert {name: found for name, each in examples.items() if (found := wrong(document, named[name], each))} == {}


def test_the_journey_of_the_demo_is_recorded() -> None:
    examples = json.loads(EXAMPLES.read_text())
    recorded = {name for name, each in examples.items() if each["recorded"]}
    assert {"signUp", "completeSignUp", "placeOrder", "getOrder", "listInvoices"} <= recorded
    assert len(recorded) >= LEAST_RECORDED


def test_an_example_that_does_not_fit_is_found() -> None:
    document, examples = json.loads(openapi_document()), json.loads(EXAMPLES.read_text())
    named = {operation["operationId"]: operation for _, _, operation in operations(document)}
    broken = examples["placeOrder"]
    broken["request"]["items"] = "none"
    assert wrong(document, named["placeOrder"], broken) == ["items is str, not array"]
