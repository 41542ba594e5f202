import { ApiError } from "undercroft-client";
import { Cancelled } from "./errors";

/** What the user has to do before an operation can continue. */
export type Kind = "sign-in" | "sign-in-again" | "step-up";

interface Prompt {
  kind: Kind;
  done: Promise<void>;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

const STEP_UPS = 2; // a second one only if the first has expired meanwhile

let current: Prompt | undefined;
const listeners = new Set<() => void>();

/** Runs an operation. If the session has ended or proof is needed, asks the user and runs it again. */
export async function perform<Result>(operation: () => Promise<Result>): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      const kind = kindFor(error);
      if (kind === undefined || attempt === STEP_UPS) throw error;
      await ask(kind);
    }
  }
}

function kindFor(error: unknown): Kind | undefined {
  if (!(error instanceof ApiError)) return undefined;
  if (error.is("STEP_UP_REQUIRED")) return canProve(error) ? "step-up" : "sign-in-again";
  return error.status === 401 ? "sign-in" : undefined;
}

/** Whether the user has a factor or a password; others can only sign in again at their identity provider. */
function canProve(error: ApiError): boolean {
  const methods = error.details?.["methods"];
  return !Array.isArray(methods) || methods.some((method) => method !== "sign_in");
}

/** Asks for the second factor or the password. Rejects with `Cancelled` if the user closes the dialog. */
export const stepUp = (): Promise<void> => ask("step-up");

/** Shows a dialog; all operations that wait for the same one share it. */
async function ask(kind: Kind): Promise<void> {
  while (current !== undefined && current.kind !== kind) await current.done.catch(() => undefined);
  if (current === undefined) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    current = { kind, done: promise, resolve, reject };
    notify();
  }
  return current.done;
}

/** Closes the dialog: the operations continue, or fail with `Cancelled`. */
export function settle(kind: Kind, succeeded: boolean): void {
  if (current?.kind !== kind) return;
  const closed = current;
  current = undefined;
  notify();
  if (succeeded) closed.resolve();
  else closed.reject(new Cancelled());
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const currentKind = (): Kind | undefined => current?.kind;

function notify(): void {
  listeners.forEach((listener) => listener());
}
