"""Export and erasure of a customer's personal data. For operators; both are audited."""
