"""FastAPI with redis-py: session and list from Redis, the list parsed and written again, as its handlers usually do."""

import hashlib
import json
import os
from typing import Any

from fastapi import FastAPI, Header, HTTPException
from redis.asyncio import Redis

app = FastAPI()
redis = Redis.from_url(os.environ["REDIS_URL"])


@app.get("/api/invoices")
async def invoices(authorization: str = Header("")) -> Any:
    """Return the account's invoices."""
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    session = await redis.get(f"peer:session:{digest}")
    if session is None:
        raise HTTPException(401)
    cached = await redis.get(f"peer:invoices:{json.loads(session)['account_id']}")
    if cached is None:
        raise HTTPException(503)
    return json.loads(cached)
