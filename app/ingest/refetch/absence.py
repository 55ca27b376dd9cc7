"""Proof of absence: WHMCS's own sentence for a kind of record, in answer to a request for that one record.

Any other error, such as a client that was not found, proves nothing about the record.
"""

import re

from app.errors import UpstreamNotFound

PROOF = {
    "invoice": ("GetInvoice", re.compile(r"\binvoice (id )?not found\b", re.I)),
    "client": ("GetClientsDetails", re.compile(r"\bclient (id )?not found\b", re.I)),
    "service": ("GetClientsProducts", re.compile(r"^no service \d+$")),
}
"""Object → the action that reads it alone, and the sentence for its absence. For a service WHMCS returns an empty list,
which the client turns into this sentence."""

_NO_CLIENT = PROOF["client"][1]


def proven(error: UpstreamNotFound, object_name: str) -> bool:
    """Return whether the error proves that the requested record of this kind does not exist."""
    if object_name not in PROOF:
        return False
    action, sentence = PROOF[object_name]
    return error.operation == action and bool(sentence.search(error.reason))


def of_client(error: UpstreamNotFound) -> bool:
    """Return whether the error proves that the client whose list was requested does not exist."""
    return bool(_NO_CLIENT.search(error.reason))
