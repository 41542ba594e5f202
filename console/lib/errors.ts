import { ApiError } from "undercroft-client";
import { ConnectionError } from "./api";

/** The user closed a dialog that the operation needed. It is not shown as an error. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

/** The ID of the failed request, for support. */
export function requestIdOf(error: unknown): string | undefined {
  if (error instanceof ApiError) return error.requestId ?? undefined;
  return error instanceof ConnectionError ? error.requestId : undefined;
}

/** Seconds after which the server accepts the request again. */
export function retryAfter(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const seconds = Number.parseInt(error.response.headers.get("Retry-After") ?? "", 10);
  return Number.isNaN(seconds) ? undefined : seconds;
}

/** Whether the server may have executed the request although it failed. */
export function isOutcomeUnknown(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500 || error.is("IDEMPOTENCY_IN_PROGRESS");
  return error instanceof ConnectionError;
}

/** Whether the same request can succeed a little later, so that a list loads itself again. */
export function isTransient(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ApiError && [502, 503, 504].includes(error.status));
}
