"""Admission: whether a call to an upstream may be made now, decided by all processes together.

Each upstream has one `Gate` a process: a circuit breaker, a budget of calls and a bound on background work. The
breakers agree through Postgres (`board.py`); without it each works alone.
"""
