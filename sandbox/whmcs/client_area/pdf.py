"""`/dl.php?type=i&id=N`: an invoice as a PDF, the smallest that a viewer opens."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.clock import Clock
from sandbox.whmcs.actions.client_reads import shown
from sandbox.whmcs.billing import totals
from sandbox.whmcs.client_area import pages
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Client


def download(install: Install, clock: Clock, client: Client, request: Request, form: dict[str, str]) -> Response:
    """Download the client's own invoice once it is issued."""
    text = request.query_params.get("id", "")
    found = install.invoices.get(int(text)) if text.isdecimal() else None
    wanted = request.query_params.get("type") == "i"
    if not wanted or found is None or found.userid != client.id or found.status == "Draft":
        return HTMLResponse(pages.page("Not found", pages.note("There is no such download.")), 404)
    line = f"Invoice #{found.id}   {found.status}   total {shown(totals(install, found).total)}"
    headers = {"Content-Disposition": f'attachment; filename="Invoice-{found.id}.pdf"'}
    return Response(document(line), media_type="application/pdf", headers=headers)


def document(line: str) -> bytes:
    """One page with one line of Latin text."""
    safe = line.encode("latin-1", "replace").replace(b"\\", b"").replace(b"(", b"").replace(b")", b"")
    stream = b"BT /F1 18 Tf 72 760 Td (" + safe + b") Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    )
    body, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (size, table, end)
