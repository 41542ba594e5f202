const container = document.getElementById("docs");
const configuration = JSON.parse(container.dataset.configuration);
// The page may send requests to its own origin only, which can differ from the server in the document.
Scalar.createApiReference(container, { ...configuration, servers: [{ url: location.origin }] });
