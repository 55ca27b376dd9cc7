"""Access tokens: minting, checking, ending. A session lives for two hours after its last use."""

import secrets

from sandbox.salesforce.org.org import ORG_ID, Org, Session

IDLE_MS = 2 * 3600 * 1000


def open_session(org: Org, user_id: str, now_ms: int) -> str:
    """Open a session with a new access token, in the vendor's shape `<15-character org id>!<opaque>`."""
    token = f"{ORG_ID[:15]}!{secrets.token_urlsafe(64)}"
    org.sessions = {key: each for key, each in org.sessions.items() if each.expires_ms > now_ms}
    org.sessions[token] = Session(user_id, now_ms + IDLE_MS)
    org.revision += 1
    return token


def session_of(org: Org, token: str, now_ms: int) -> Session | None:
    """Return the live session of a token, prolonged by this use."""
    session = org.sessions.get(token)
    if session is None or session.expires_ms <= now_ms:
        return None
    session.expires_ms = now_ms + IDLE_MS
    return session


def close_session(org: Org, token: str) -> bool:
    """Revoke a token. Return whether it was known."""
    org.revision += 1
    return org.sessions.pop(token, None) is not None
