"""A module for acceptance runs alone, copied into the clone as any new module would be: jobs that leave a trace."""
