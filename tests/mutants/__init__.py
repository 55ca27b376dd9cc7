"""Mutation testing of the pure cores: change one thing in a module, and see its tests notice."""
