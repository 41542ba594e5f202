const container = document.getElementById("docs");
Scalar.createApiReference(container, JSON.parse(container.dataset.configuration));
