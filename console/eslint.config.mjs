import { defineConfig, globalIgnores } from "eslint/config";
import next from "eslint-config-next/core-web-vitals";
import typescript from "eslint-config-next/typescript";

export default defineConfig([
  globalIgnores([".next/**", ".client/**", "out/**", "next-env.d.ts"]),
  ...next,
  ...typescript,
  {
    rules: {
      // Some pages of the site are not part of the console.
      "@next/next/no-html-link-for-pages": "off",
      "@next/next/no-location-assign-relative-destination": "off",
      "import/no-anonymous-default-export": "off",
    },
  },
]);
