"""Account versions, and the notices of what each version changed."""
