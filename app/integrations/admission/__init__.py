"""Admission control for calls to upstreams, shared by all processes.

Each process has one `UpstreamAdmission` per upstream: a circuit breaker, a call budget and a limit on background work.
The breakers share their state through Postgres (`board.py`); without it each works alone.
"""
