"""When an error proves that a record does not exist: only WHMCS's own sentence for that very kind of record, in answer
to the question for that record. That its client or anything else was not found proves nothing about it.
"""

import re

from app.errors import UpstreamNotFound

PROOF = {
    "invoice": ("GetInvoice", re.compile(r"\binvoice (id )?not found\b", re.I)),
    "client": ("GetClientsDetails", re.compile(r"\bclient (id )?not found\b", re.I)),
    "service": ("GetClientsProducts", re.compile(r"^no service \d+$")),
}
"""Object → the action that is asked for it alone, and how the absence is said. Of a service it is an empty list, which
the client puts into these words."""

_NO_CLIENT = PROOF["client"][1]


def proven(error: UpstreamNotFound, object_name: str) -> bool:
    """Whether the error says that the record of this kind, which was asked for alone, does not exist."""
    if object_name not in PROOF:
        return False
    action, sentence = PROOF[object_name]
    return error.operation == action and bool(sentence.search(error.reason))


def of_client(error: UpstreamNotFound) -> bool:
    """Whether the error says that the client does not exist whose list was asked for."""
    return bool(_NO_CLIENT.search(error.reason))
