"""The intake boundary: bytes, text, numbers and dates from outside, made safe to trust.

Everything an upstream answers or sends passes through here once, inside the integrations. Code behind it may assume
that text can be stored, that money and dates are in one form, and that an unreadable optional value is absent and was
counted.
"""
