import { cookies, createApi, createTransport, type ApiOptions } from "undercroft-client";

/** Longest time for a response, in milliseconds. */
const TIMEOUT = 30_000;

/** Longest `Retry-After`, in seconds, that is waited for without asking the user. */
const MAX_SILENT_WAIT = 5;

/** No complete response arrived: the request may have been executed. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";

  constructor(
    readonly timedOut: boolean,
    readonly requestId: string,
    options: ErrorOptions,
  ) {
    super(timedOut ? "The server did not respond in time." : "The connection was lost.", options);
  }
}

/** A `fetch` with a time limit, whose errors have the ID that the server logs for the request. */
async function send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const requestId = request.headers.get("X-Request-ID") ?? crypto.randomUUID();
  request.headers.set("X-Request-ID", requestId);
  const limit = AbortSignal.timeout(TIMEOUT);
  try {
    const response = await fetch(request, { signal: AbortSignal.any([request.signal, limit]) });
    const { status, statusText, headers } = response;
    const body = await response.arrayBuffer(); // here, so that a connection lost in the body is the same error
    return new Response(body.byteLength > 0 ? body : null, { status, statusText, headers });
  } catch (cause) {
    if (request.signal.aborted) throw cause;
    throw new ConnectionError(limit.aborted, requestId, { cause });
  }
}

const options: ApiOptions = { baseUrl: "", auth: cookies(), fetch: send, maxRetryAfter: MAX_SILENT_WAIT };

export const api = createApi(options);

/** The `fetch` of the API, for requests that are not operations of the typed client. */
export const transport = createTransport(options);
