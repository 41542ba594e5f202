// Packs the build into the Python package: every file compressed, and a manifest with media types and script hashes.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".txt": "text/x-component; charset=utf-8", // Next reads pages in this format
};
const INLINE_SCRIPT = /<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g;

const root = path.join(import.meta.dirname, "..");
const source = path.join(root, "out");
const target = path.resolve(process.argv[2]);

rmSync(target, { recursive: true, force: true });
const [, , , sources] = process.argv;
const files = {};
for (const name of listFiles(source)) {
  const type = TYPES[path.extname(name)];
  if (type === undefined) throw new Error(`console/scripts/pack.mjs has no media type for ${name}`);
  const content = readFileSync(path.join(source, name));
  files[name] = {
    type,
    digest: digest(content, "hex").slice(0, 16),
    ...(name.endsWith(".html") && { scripts: hashScripts(content) }),
  };
  const file = path.join(target, name);
  mkdirSync(path.dirname(file), { recursive: true });
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  writeFileSync(`${file}.br`, brotliCompressSync(content, { params }));
  writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
}
writeFileSync(path.join(target, "manifest.json"), `${JSON.stringify({ sources, files }, null, 1)}\n`);

function* listFiles(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }).sort(byPath))
    if (entry.isFile()) yield path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/");
}

function byPath(first, second) {
  const [a, b] = [first, second].map((entry) => `${entry.parentPath}/${entry.name}`);
  return a < b ? -1 : Number(a > b);
}

/** The hashes of the scripts in a page, for its Content-Security-Policy. */
function hashScripts(html) {
  const scripts = [...html.toString().matchAll(INLINE_SCRIPT)].map(
    ([, script]) => `sha256-${digest(script, "base64")}`,
  );
  return [...new Set(scripts)].sort();
}

function digest(content, encoding) {
  return createHash("sha256").update(content).digest(encoding);
}
