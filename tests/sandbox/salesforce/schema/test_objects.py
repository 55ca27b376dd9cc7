"""The org has every field that the portal speaks of."""

import pytest

from app.integrations.salesforce.wire import FIELDS, MAY_LACK
from sandbox.salesforce.schema.objects import OBJECTS


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_the_portal_mirrors_exists(name):
    assert set(FIELDS[name]) - MAY_LACK <= set(OBJECTS[name].by_name)
