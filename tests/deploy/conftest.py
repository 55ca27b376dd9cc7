"""What is installed elsewhere, tried against the stand-ins."""

from tests.integrations.conftest import salesforce

__all__ = ["salesforce"]
