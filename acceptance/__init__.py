"""What takes time or load to prove: a real `make dev` in a clone of its own, tried the hard way."""
