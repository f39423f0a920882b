"""The engine: the one function that owns a state change, and everything it is made of."""
