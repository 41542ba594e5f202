import type { Assertion, Attestation } from "undercroft-client";

/** Why the browser returned no passkey. */
export type PasskeyProblem = "notUsed" | "exists" | "wrongAddress";

const PROBLEMS: Record<string, PasskeyProblem> = {
  AbortError: "notUsed",
  NotAllowedError: "notUsed", // also if it took too long: browsers do not tell which
  InvalidStateError: "exists",
  SecurityError: "wrongAddress",
};

export class PasskeyError extends Error {
  override readonly name = "PasskeyError";

  constructor(
    readonly problem: PasskeyProblem,
    options: ErrorOptions,
  ) {
    super(`The browser returned no passkey: ${problem}`, options);
  }
}

/** Whether this browser can use passkeys with JSON (WebAuthn 3). */
export const supportsPasskeys = (): boolean =>
  typeof PublicKeyCredential !== "undefined" && "parseRequestOptionsFromJSON" in PublicKeyCredential;

/** Asks the user for a passkey. Throws `PasskeyError`. */
export async function askPasskey(options: unknown): Promise<Assertion> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON);
  return toJson<Assertion>(navigator.credentials.get({ publicKey }));
}

/** Lets the user create a passkey. Throws `PasskeyError`. */
export async function createPasskey(options: unknown): Promise<Attestation> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON);
  return toJson<Attestation>(navigator.credentials.create({ publicKey }));
}

async function toJson<Json>(pending: Promise<Credential | null>): Promise<Json> {
  try {
    const credential = await pending;
    if (credential instanceof PublicKeyCredential) return credential.toJSON() as Json;
  } catch (cause) {
    const problem = cause instanceof DOMException ? PROBLEMS[cause.name] : undefined;
    if (problem === undefined) throw cause;
    throw new PasskeyError(problem, { cause });
  }
  throw new PasskeyError("notUsed", {});
}
