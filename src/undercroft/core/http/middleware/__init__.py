"""The layers around every request, one small pure ASGI class each; `core.http.stack` puts them in order."""
