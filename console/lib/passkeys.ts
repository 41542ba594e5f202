import type { Assertion, Attestation } from "undercroft-client";

/** Whether this browser can use passkeys with JSON (WebAuthn 3). */
export const supportsPasskeys = (): boolean =>
  typeof PublicKeyCredential !== "undefined" && "parseRequestOptionsFromJSON" in PublicKeyCredential;

/** Asks the user for a passkey. Throws what `navigator.credentials.get` throws. */
export async function askPasskey(options: unknown): Promise<Assertion> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON);
  return toJson<Assertion>(await navigator.credentials.get({ publicKey }));
}

/** Lets the user create a passkey. Throws what `navigator.credentials.create` throws. */
export async function createPasskey(options: unknown): Promise<Attestation> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON);
  return toJson<Attestation>(await navigator.credentials.create({ publicKey }));
}

function toJson<Json>(credential: Credential | null): Json {
  if (!(credential instanceof PublicKeyCredential)) throw new TypeError("The browser returned no passkey.");
  return credential.toJSON() as Json;
}
