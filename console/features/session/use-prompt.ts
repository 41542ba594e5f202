"use client";

import { useSyncExternalStore } from "react";
import { currentKind, subscribe, type Kind } from "@/lib/prompts";

/** What the user is asked for now. */
export function usePrompt(): Kind | undefined {
  return useSyncExternalStore(subscribe, currentKind, () => undefined);
}
