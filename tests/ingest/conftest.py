"""The linked account and the drained inbox, as the tests of projections have them."""

from tests.projections.conftest import account, feed

__all__ = ["account", "feed"]
