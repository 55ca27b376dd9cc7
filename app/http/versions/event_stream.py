"""The event stream of a former version: each event carried back, marks and comments as they are."""

import msgspec

from app.http.versions.adapter import Adapter

END = b"\n\n"


class EventLines:
    """Carries the blocks of one stream back. A block that is not complete yet is held."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter, self._held = adapter, b""

    def carried_back(self, sent: bytes) -> bytes:
        """Return what a client of the version receives for what is sent."""
        *blocks, self._held = (self._held + sent).split(END)
        return b"".join(self._block(each) + END for each in blocks)

    def _block(self, block: bytes) -> bytes:
        lines = block.split(b"\n")
        named = {line.partition(b": ")[0]: line.partition(b": ")[2] for line in lines}
        if b"event" not in named or b"data" not in named:
            return block
        others = [line for line in lines if not line.startswith((b"event: ", b"data: "))]
        found = self._adapter.event(named[b"event"].decode(), msgspec.json.decode(named[b"data"]))
        if found is None:  # its position counts all the same
            return b"\n".join(others) or b": nothing"
        return b"\n".join([*others, b"event: " + found[0].encode(), b"data: " + msgspec.json.encode(found[1])])
