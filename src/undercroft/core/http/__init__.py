"""HTTP: one application, one stack of middleware, one shape of errors, limits, pages and documentation."""
