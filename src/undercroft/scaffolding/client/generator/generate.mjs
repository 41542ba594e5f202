// Generates the operations of the client: node generate.mjs DOCUMENT FOLDER

import { createClient } from "@hey-api/openapi-ts";

const [input, path] = process.argv.slice(2);

await createClient({
  input,
  output: { path, module: { extension: ".js" } },
  logs: { level: "error" },
  plugins: [
    { name: "@hey-api/client-fetch", throwOnError: true },
    "@hey-api/typescript",
    {
      name: "@hey-api/sdk",
      operations: { strategy: "single", nesting: "operationId", containerName: "Operations" },
      paramsStructure: "flat",
      responseStyle: "data",
    },
  ],
});
