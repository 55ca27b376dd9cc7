"""What may be ordered: pure rules, shared by the account catalog, the check, the order and fulfilment.

`availability` depends on the account, `composition` and `hosting` on the basket alone. Their codes are those of
`docs/errors.md`, wherever a rule speaks.
"""
