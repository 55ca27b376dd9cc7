"""Comparable servers, with the same data and the same check of a session, so that they can be measured too.

Each reads a session by the SHA-256 of its token and then the account's invoices, both from Redis, where the benchmark
puts them: the cache-aside path on a hit, which is the best that such a server does.
"""
