"""Account versions: raised by every commit that changes what the account sees, and the lock that orders such commits.

They only ever grow: they depend on no read model, so no rebuild, rollback or loss of Redis sets one back.

Writes: read_model.account_versions.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from app.db import Db


async def hold(connection: Db, accounts: Collection[UUID], raised: Collection[UUID] = ()) -> Mapping[UUID, int]:
    """Lock these accounts against other projections until the transaction ends; return their versions.

    Those in `raised` get the next version. Rows are always locked in one order, so that transactions cannot deadlock;
    a second call in a transaction may only name accounts that the first one named, unless that named none.
    """
    ordered = sorted(accounts)
    found = await connection.fetch(
        "INSERT INTO read_model.account_versions AS v (account_id, version) "
        "SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS a (account_id, step) ORDER BY account_id "
        "ON CONFLICT (account_id) DO UPDATE SET version = v.version + excluded.version, changed_at = "
        "CASE WHEN excluded.version = 0 THEN v.changed_at ELSE now() END RETURNING account_id, version",
        ordered,
        [int(account in raised) for account in ordered],
    )
    return {row["account_id"]: row["version"] for row in found}
