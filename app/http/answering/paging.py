"""The page of a list that a caller requests, and the cursors that lead to the next one."""

from typing import Annotated

from litestar.params import Parameter, QueryParameter

from app.http.answering.signed_tokens import seal, unseal
from app.http.policies.policy import Policy
from app.keyring import Keyring
from app.queries.reading.page import Cursor, Page

LimitParameter = Annotated[int, Parameter(ge=1, le=100, description="Items a page.")]
CountParameter = Annotated[
    bool, Parameter(description="Also count the items of the whole list, as `count`; counting stops at 10,000.")
]
SearchParameter = Annotated[
    str | None,
    QueryParameter(
        name="q",
        max_length=100,
        description="Only items that contain this text in a number or a name, whatever its case and width.",
    ),
]
CursorParameter = Annotated[str | None, Parameter(max_length=300, description="`next_cursor` of the page before.")]


class Paging:
    """A requested page. Cursors are bound to the scope that the route's policy names, for one account, so that none
    works in another list.

    Attributes:
        held: the validators that the caller holds.
    """

    def __init__(
        self,
        policy: Policy,
        keyring: Keyring,
        account_id: object,
        limit: int,
        cursor: str | None,
        held: frozenset[str],
        *,
        counted: bool = False,
    ) -> None:
        self._policy, self._keyring, self._account_id = policy, keyring, account_id
        self._limit, self._cursor, self._held, self._counted = limit, cursor, held, counted

    def of(self, variant: str = "") -> tuple[Page, Cursor]:
        """Return the page and the function that makes its cursors. `variant` tells apart lists that one route answers,
        such as the orders in which it sorts.

        Raises:
            InvalidRequest: the cursor is not one of this list.
        """
        purpose, keyring = f"cursor:{self._policy.cursor_scope(self._account_id, variant)}", self._keyring
        after = unseal(keyring, purpose, self._cursor, "cursor") if self._cursor else None
        return Page(self._limit, after, self._held, self._counted), lambda key: seal(keyring, purpose, key)
