"""The OpenAPI 3.1 document: error responses, readable operation IDs, security schemes, descriptions and examples."""
