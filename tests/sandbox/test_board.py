"""The page with buttons: every request that it makes is one that the control surface answers."""

import re

import httpx

BODIES = {
    "PUT /clock": [{"advance_seconds": 86400}, {"offset_seconds": 0}],
    "POST /faults": [{"upstream": "whm", "operation": "*", "kind": "down"}],
}


def requests_of(page: str, ids: dict[str, str]) -> set[str]:
    """The requests of the page's buttons and tables, with real ids in them."""
    found = set(re.findall(r"\b((?:POST|PUT|PATCH|DELETE) /[^\"'`]*)[\"'`]", page))
    found |= {f"GET {path}" for path in re.findall(r'"(/[a-zA-Z/]+)"', page)}
    return {re.sub(r"\$\{each\.(\w+)\}", lambda place: ids[place[1]], each) for each in found}


def test_every_button_of_the_page_works(control: httpx.Client) -> None:
    page = control.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.findall(r"(?:src|href)=", page.text), "nothing is loaded from elsewhere"
    orders = control.get("/salesforce/Order").json()["records"]
    invoices = control.get("/whmcs/invoices").json()["records"]
    unpaid = next(each for each in invoices if each["status"] == "Unpaid")
    found = requests_of(page.text, {"Id": orders[0]["Id"], "id": unpaid["id"]})
    assert len(found) >= 12
    for request in sorted(found):
        method, path = request.split(" ")
        for body in BODIES.get(request, [{"Status": "Cancelled"} if method == "PATCH" else {}]):
            answer = control.request(method, path, json=body if method in ("POST", "PUT", "PATCH") else None)
            assert answer.status_code < 300, (request, answer.text)
