"""query and queryAll, page by page."""

from sandbox.salesforce.rest.call import Call, Reply
from sandbox.salesforce.rest.errors import SalesforceError, malformed_query, not_found
from sandbox.salesforce.soql.run import Runner
from sandbox.salesforce.soql.syntax import parse

SMALLEST_BATCH = 200
LARGEST_BATCH = 2_000


def query(call: Call) -> Reply:
    """Answer a first page by `q`, or a further one by locator."""
    call.allow("GET")
    if len(call.parts) == 2:
        locator, dash, offset = call.parts[1].rpartition("-")
        if not dash or not offset.isdigit():
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return Reply(body=call.org.locators.page(locator, call.session, int(offset), call.batch_size, call.root))
    if len(call.parts) != 1:
        raise not_found()
    if not call.params.get("q"):
        raise malformed_query("SOQL statements cannot be empty or null")
    tree = parse(call.params["q"])
    total, records = Runner(call.org, call.version, everything=call.parts[0] == "queryAll").run(tree)
    if len(records) <= call.batch_size:
        return Reply(body={"totalSize": total, "done": True, "records": records})
    locator = call.org.locators.keep(records, call.session)
    return Reply(body=call.org.locators.page(locator, call.session, 0, call.batch_size, call.root))


def batch_size(header: str) -> int:
    """Return the page size of a `Sforce-Query-Options` header, within the vendor's bounds."""
    for option in header.split(","):
        key, _, value = option.partition("=")
        if key.strip().lower() == "batchsize" and value.strip().isdigit():
            return min(max(int(value), SMALLEST_BATCH), LARGEST_BATCH)
    return LARGEST_BATCH
