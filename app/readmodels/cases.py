"""Support cases in the customer's words: a mapping from staff's statuses and priorities."""

from typing import Annotated

from app.intake.words import one_of
from app.words.sentence import say

PORTAL_ORIGIN = "Portal Website"
"""Salesforce's `Origin` of cases that the portal opened. Only those are visible to the customer."""

STATUSES = {
    "New": "open",
    "Working": "in_progress",
    "In Progress": "in_progress",
    "Escalated": "in_progress",
    "On Hold": "in_progress",
    "Waiting on Customer": "waiting_for_you",
    "Closed": "closed",
}
"""Salesforce's status → the customer's. An unlisted one is in progress until Salesforce calls the case closed."""

STATUS_TEXTS = {
    "open": say("support.open"),
    "in_progress": say("support.in_progress"),
    "waiting_for_you": say("support.waiting_for_you"),
    "closed": say("support.closed"),
}
StatusWord = Annotated[str, one_of(STATUS_TEXTS)]
PriorityWord = Annotated[str, one_of(["low", "medium", "high"])]
PRIORITIES = {"Low": "low", "Medium": "medium", "High": "high", "Urgent": "high", "Critical": "high"}


def status_of(upstream_status: str | None, *, closed: bool) -> str:
    """Map Salesforce's status to the customer's."""
    if closed:
        return "closed"
    word = STATUSES.get(upstream_status or "", "in_progress")
    return "in_progress" if word == "closed" else word


def priority_of(upstream_priority: str | None) -> str:
    """Map Salesforce's priority to low, medium or high."""
    return PRIORITIES.get(upstream_priority or "", "medium")
