import path from "node:path";
import type { NextConfig } from "next";

/** The server that `undercroft console dev` serves the console in front of. */
const api = process.env["API_URL"];

const config: NextConfig = {
  basePath: "/app",
  trailingSlash: true,
  images: { unoptimized: true },
  turbopack: { root: path.join(import.meta.dirname, "..") },
  generateBuildId: () => "console", // the same sources give the same files
  ...(api === undefined
    ? { output: "export" }
    : {
        skipTrailingSlashRedirect: true,
        rewrites: async () => [{ source: "/:path((?!app/).*)", destination: `${api}/:path`, basePath: false }],
      }),
};

export default config;
