"""The users of clients: a client has one owner and any number of further users."""

from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Client, User


def clients_of(install: Install, user_id: int) -> list[tuple[Client, bool]]:
    """Return the clients of a user by id, and whether the user owns them."""
    invited = install.memberships.get(user_id, set())
    return [
        (client, client.owner_user_id == user_id)
        for client in install.clients.values()
        if client.owner_user_id == user_id or client.id in invited
    ]


def users_of(install: Install, client: Client) -> list[tuple[User, bool]]:
    """Return the users of a client, its owner first, and whether they own it."""
    invited = [user_id for user_id, clients in install.memberships.items() if client.id in clients]
    ids = dict.fromkeys([client.owner_user_id, *invited])
    return [(install.users[each], each == client.owner_user_id) for each in ids if each in install.users]


def leave(install: Install, client: Client) -> None:
    """Remove a deleted client from its users. A login that has no other client is removed too."""
    for clients in install.memberships.values():
        clients.discard(client.id)
    if not clients_of(install, client.owner_user_id):
        install.users.pop(client.owner_user_id, None)
