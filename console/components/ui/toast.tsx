"use client";

import { CircleAlert, CircleCheck, X } from "lucide-react";
import { Toast as Primitive } from "radix-ui";
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";
import { ErrorText } from "@/components/error-text";
import { useHydrated } from "@/lib/hydrated";
import { useTranslations } from "@/lib/i18n";

const DURATION = 6_000;
const ERROR_DURATION = 20_000;

interface Action {
  label: string;
  run: () => void;
}

interface Entry {
  id: number;
  text: ReactNode;
  isError: boolean;
  action?: Action;
}

interface Toasts {
  show: (text: ReactNode, action?: Action) => void;
  showError: (error: unknown) => void;
}

const ToastContext = createContext<Toasts | undefined>(undefined);

/** Messages at the edge of the page, read by screen readers; F8 moves the focus to them. */
export function useToasts(): Toasts {
  const toasts = useContext(ToastContext);
  if (toasts === undefined) throw new Error("useToasts needs a ToastProvider");
  return toasts;
}

let lastId = 0;

export function ToastProvider({ children }: { children: ReactNode }) {
  const t = useTranslations("common");
  const [entries, setEntries] = useState<readonly Entry[]>([]);

  const isHydrated = useHydrated();

  const add = useCallback((entry: Omit<Entry, "id">) => {
    setEntries((before) => [...before.slice(-2), { ...entry, id: ++lastId }]);
  }, []);
  const toasts = useMemo<Toasts>(
    () => ({
      show: (text, action) => add({ text, isError: false, action }),
      showError: (error) => add({ text: <ErrorText error={error} />, isError: true }),
    }),
    [add],
  );

  return (
    <ToastContext value={toasts}>
      <Primitive.Provider label={t("message")} swipeDirection="right">
        {children}
        {entries.map(({ id, text, isError, action }) => (
          <Primitive.Root
            key={id}
            type={isError ? "foreground" : "background"}
            duration={isError ? ERROR_DURATION : DURATION}
            onOpenChange={(isOpen) => {
              if (!isOpen) setEntries((before) => before.filter((entry) => entry.id !== id));
            }}
            className="flex items-start gap-3 rounded-xl border border-line bg-card p-4 shadow-lg"
          >
            {isError ? (
              <CircleAlert className="mt-0.5 size-5 shrink-0 text-bad" aria-hidden />
            ) : (
              <CircleCheck className="mt-0.5 size-5 shrink-0 text-good" aria-hidden />
            )}
            <Primitive.Description asChild>
              <div className="min-w-0 flex-1 text-sm break-words">{text}</div>
            </Primitive.Description>
            {action && (
              <Primitive.Action
                altText={action.label}
                onClick={action.run}
                className="cursor-pointer text-sm font-medium text-accent underline"
              >
                {action.label}
              </Primitive.Action>
            )}
            <Primitive.Close aria-label={t("close")} className="cursor-pointer text-quiet hover:text-ink">
              <X className="size-4" aria-hidden />
            </Primitive.Close>
          </Primitive.Root>
        ))}
        {/* Not in the built page: its style attribute is refused by the Content-Security-Policy. */}
        {isHydrated && (
          <Primitive.Viewport className="fixed right-0 bottom-0 z-50 flex w-full flex-col gap-2 p-4 sm:max-w-md" />
        )}
      </Primitive.Provider>
    </ToastContext>
  );
}
