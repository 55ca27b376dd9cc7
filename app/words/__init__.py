"""The sentences that customers read, in every language, and the choice among the languages."""
