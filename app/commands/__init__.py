"""What customers and operators want done: one module a command, each a plain function."""
