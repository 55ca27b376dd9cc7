"""What commands on a running service share: whose it is, who provides it, which plans it can have, and the journal of
changes of plan, followed until the provider has them."""
