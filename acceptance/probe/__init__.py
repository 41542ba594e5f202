"""A module for acceptance runs alone: jobs that leave a trace. It is copied into the clone, as any new module would be."""
