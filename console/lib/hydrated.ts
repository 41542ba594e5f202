"use client";

import { useSyncExternalStore } from "react";

const never = () => () => undefined;

/** Whether the page runs in a browser. It is false in the built page and in the first rendering, which must equal it. */
export const useHydrated = (): boolean =>
  useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
