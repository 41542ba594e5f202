"use client";

import { useMutation, useQueryClient, type QueryClient, type QueryKey } from "@tanstack/react-query";
import { useRef } from "react";
import { useToasts } from "@/components/ui/toast";
import { Cancelled, isOutcomeUnknown } from "./errors";
import { perform } from "./prompts";

/** Reverts an optimistic change. */
type Undo = () => void;

export interface ActionOptions<Input, Result> {
  /** Sends the request. Pass `key` as `Idempotency-Key`: a repeated POST is then executed once. */
  run: (input: Input, key: string) => Promise<Result>;
  /** Shows the expected result at once; what it returns reverts it after an error. */
  optimistic?: (client: QueryClient, input: Input) => Undo;
  /** Message after success. */
  success?: string | ((result: Result, input: Input) => string);
  /** Queries that are read again afterwards. */
  invalidates?: readonly QueryKey[];
  onSuccess?: (result: Result, input: Input) => void;
  /** Shows errors in another place than a message at the edge of the page. */
  showsErrors?: boolean;
}

/** A change of data. It asks for a sign-in or proof in place, and reports its result. */
export function useAction<Input = void, Result = unknown>(options: ActionOptions<Input, Result>) {
  const client = useQueryClient();
  const toasts = useToasts();
  const createKey = useIdempotencyKey();

  return useMutation<Result, Error, Input, Undo | undefined>({
    mutationFn: (input) => perform(() => options.run(input, createKey.keyFor(input))),
    onMutate: (input) => options.optimistic?.(client, input),
    onError: (error, _input, undo) => {
      undo?.();
      if (!isOutcomeUnknown(error)) createKey.renew();
      if (!(error instanceof Cancelled) && !options.showsErrors) toasts.showError(error);
    },
    onSuccess: (result, input) => {
      createKey.renew();
      const { success } = options;
      if (success !== undefined) toasts.show(typeof success === "string" ? success : success(result, input));
      options.onSuccess?.(result, input);
    },
    onSettled: () =>
      Promise.all((options.invalidates ?? []).map((queryKey) => client.invalidateQueries({ queryKey }))).then(),
  });
}

/** A key that stays the same while the same input is sent again because the outcome is unknown. */
function useIdempotencyKey() {
  const stored = useRef<{ input: string; key: string }>(undefined);
  return {
    keyFor(input: unknown): string {
      const text = JSON.stringify(input) ?? "";
      if (stored.current?.input !== text) stored.current = { input: text, key: crypto.randomUUID() };
      return stored.current.key;
    },
    renew(): void {
      stored.current = undefined;
    },
  };
}
