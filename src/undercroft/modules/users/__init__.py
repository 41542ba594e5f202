"""The people: who they are, what they are on the platform, and whether they may come in."""
