"""The OpenAPI 3.1 document: error responses, readable operation IDs, security schemes, descriptions and examples."""

from undercroft.core.http.openapi.document import SecuritySchemes, build_openapi
from undercroft.core.http.openapi.operation_ids import operation_id

__all__ = ["SecuritySchemes", "build_openapi", "operation_id"]
