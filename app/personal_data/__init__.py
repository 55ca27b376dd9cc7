"""A customer's personal data: all of it in one archive, or gone. For operators; both are audited."""
