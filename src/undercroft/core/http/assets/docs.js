const place = document.getElementById("docs");
Scalar.createApiReference(place, JSON.parse(place.dataset.configuration));
