"""The journey's part with support: a question, its answer, and the first screen."""

from typing import Any
from uuid import uuid4

from app.cli.demo.visitor import JourneyError, Visitor

QUESTION = {
    "subject": "Where is my eSIM code?",
    "description": "My line is active, and I cannot find the code to scan.",
    "priority": "high",
}
ANSWER = "We have sent it to your e-mail address."


async def ask_support(visitor: Visitor, report: Any) -> None:
    """Open a case, live in Salesforce, with a comment from each side.

    Raises:
        JourneyError: at the first step that failed.
    """
    case = await visitor.post("/api/cases", QUESTION, expect=201, key=str(uuid4()))
    report("customer", f"asks support: case {case['case_number']}", wrote="Salesforce Case")
    path = f"/api/cases/{case['case_id']}"
    comment = {"ParentId": case["case_id"], "CommentBody": ANSWER, "IsPublished": True}
    _, committed = await visitor.staff("/salesforce/CaseComment", comment)
    answered, seen = await visitor.visible(path, lambda answer: bool(answer["comments"]))
    said = answered["comments"][0]["body"]
    report("staff", f"answer: “{said}”", wrote="Salesforce CaseComment", lag_ms=(seen - committed) * 1000)
    await visitor.post(f"{path}/comments", {"body": "Found it, thank you."}, expect=201, key=str(uuid4()))
    await visitor.visible(
        "/api/account/timeline?area=cases",
        lambda answer: any(_opened(each, case["case_id"]) for each in answer["items"]),
    )


async def look_at_the_first_screen(visitor: Visitor, report: Any) -> None:
    """Read the summary in one call, and the history.

    Raises:
        JourneyError: the history lacks what the customer did.
    """
    screen = await visitor.get("/api/account/summary")
    services = ", ".join(f"{count} {state}" for state, count in screen["services"].items())
    report(
        "customer", f"looks at the first screen: services {services}; {screen['unread_notifications']} notifications"
    )
    happened = [each["kind"] for each in (await visitor.get("/api/account/timeline?limit=100"))["items"]]
    missing = {"order_in_review", "order_active", "invoice_issued", "invoice_paid", "case_opened"} - set(happened)
    if missing:
        raise JourneyError(f"the timeline should tell of {', '.join(sorted(missing))}")


def _opened(entry: Any, case_id: str) -> bool:
    return bool(entry["kind"] == "case_opened" and entry["case_id"] == case_id)
