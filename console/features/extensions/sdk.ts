import type { ProfileRead, TeamRead } from "undercroft-client";

/** A value of a query parameter; those that are undefined are left out. */
export type Query = Record<string, string | number | boolean | undefined>;

/** What the console gives to a page of an extension. */
export interface ConsoleSdk {
  /** Language of the console, such as `en`. */
  readonly locale: string;
  readonly user: Pick<ProfileRead, "id" | "email" | "full_name" | "role">;
  /** The current team. The page is shown again when it changes. */
  readonly team: Pick<TeamRead, "id" | "name" | "slug" | "role">;
  /** Returns whether the user has a permission in the team. */
  can(permission: string): boolean;
  /**
   * Sends a request to the API for the current team, and returns the body of the response. It asks for a sign-in or
   * proof when needed. Rejects with an `ApiError`, or when no response arrived; pass either to `showError`.
   *
   * @param path Path below `/api/v1`, such as `/app/ext/hotel/rooms`.
   */
  request<Body = unknown>(method: string, path: string, options?: { query?: Query; body?: unknown }): Promise<Body>;
  /** Shows a message at the edge of the page. */
  showMessage(text: string): void;
  /** Shows an error with the ID of its request. */
  showError(error: unknown): void;
  /** Opens a page of the console, such as `/projects/`. */
  navigate(path: string): void;
}

/** The default export of an extension's ES module shows its page in an element, and may return what removes it. */
export type MountPage = (element: HTMLElement, sdk: ConsoleSdk) => MountResult | Promise<MountResult>;

export type MountResult = void | (() => void);
