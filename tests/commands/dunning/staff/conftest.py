"""The same account as what is shown of its dunning."""

from tests.commands.dunning.shown.conftest import account, billed, feed, ours

__all__ = ["account", "billed", "feed", "ours"]
