"""Who people are elsewhere: signing in with Google and others, and accounts that another service keeps."""

REQUIRES = ("users", "teams", "auth")
