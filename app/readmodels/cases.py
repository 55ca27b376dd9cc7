"""Support cases in the customer's words: what staff's statuses and priorities mean to whoever asked."""

PORTAL_ORIGIN = "Portal Website"
"""Salesforce's word for cases that the portal opened. Only those are the customer's to see."""

STATUSES = {
    "New": "open",
    "Working": "in_progress",
    "In Progress": "in_progress",
    "Escalated": "in_progress",
    "On Hold": "in_progress",
    "Waiting on Customer": "waiting_for_you",
    "Closed": "closed",
}
"""Salesforce's words. Any other is in progress until Salesforce calls the case closed."""

STATUS_TEXTS = {
    "open": "We received your request and will look at it soon.",
    "in_progress": "We are working on your request.",
    "waiting_for_you": "We need something from you. Please read our last comment and answer it.",
    "closed": "This request is closed.",
}
PRIORITIES = {"Low": "low", "Medium": "medium", "High": "high", "Urgent": "high", "Critical": "high"}


def status_of(upstream_status: str | None, *, closed: bool) -> str:
    """The customer's word."""
    if closed:
        return "closed"
    word = STATUSES.get(upstream_status or "", "in_progress")
    return "in_progress" if word == "closed" else word


def priority_of(upstream_priority: str | None) -> str:
    """low, medium or high."""
    return PRIORITIES.get(upstream_priority or "", "medium")
