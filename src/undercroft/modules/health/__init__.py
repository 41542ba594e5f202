"""Whether this installation lives and whether it can work, for load balancers and people on call."""
