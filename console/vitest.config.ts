import path from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: {
      "@": import.meta.dirname,
      "undercroft-client": path.join(import.meta.dirname, ".client/index.js"),
    },
  },
});
