"""The product, one folder per capability; each is found by its file names, none is registered by hand."""
