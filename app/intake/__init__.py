"""The intake boundary: bytes, text, numbers and dates of the outside world, made safe to trust.

Everything an upstream answers or announces passes through here once, inside the integrations. What lies behind may
assume that text can be stored, that money and dates are in one form, and that an unreadable optional value is absent
and was counted.
"""
