import { toApiError } from "undercroft-client";
import { transport } from "@/lib/api";
import { perform } from "@/lib/prompts";
import type { Query } from "./sdk";

interface Options {
  query?: Query;
  body?: unknown;
}

/** Sends a request of an extension's page. Throws as the operations of the typed client do. */
export function sendRequest<Body>(teamId: string, method: string, path: string, options: Options = {}): Promise<Body> {
  const url = new URL(`/api/v1${path}`, window.location.origin);
  for (const [name, value] of Object.entries(options.query ?? {}))
    if (value !== undefined) url.searchParams.set(name, String(value));
  const hasBody = options.body !== undefined;
  const headers = { "X-Team-ID": teamId, ...(hasBody && { "Content-Type": "application/json" }) };
  const body = hasBody ? JSON.stringify(options.body) : null;
  return perform(async () => {
    const response = await transport(url, { method, headers, body });
    const text = await response.text();
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json") ?? false;
    const content: unknown = isJson ? JSON.parse(text) : text || undefined;
    if (!response.ok) throw toApiError(content, response);
    return content as Body;
  });
}
