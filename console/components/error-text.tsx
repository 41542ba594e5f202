"use client";

import { ApiError } from "undercroft-client";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { ConnectionError } from "@/lib/api";
import { requestIdOf, retryAfter } from "@/lib/errors";
import { useTranslations } from "@/lib/i18n";
import { PasskeyError } from "@/lib/passkeys";

/** Returns the message of an error in the user's language. */
export function useErrorMessage(): (error: unknown) => string {
  const t = useTranslations("errors");
  return (error) => {
    if (error instanceof ConnectionError) return t(error.timedOut ? "timedOut" : "connectionLost");
    if (error instanceof PasskeyError) return t(`passkeys.${error.problem}`);
    if (!(error instanceof ApiError)) return t("unexpected");
    const key = `codes.${error.code}`;
    const seconds = retryAfter(error);
    const message = t.has(key as never) ? t(key as never) : error.message;
    return seconds === undefined ? message : `${message} ${t("retryAfter", { seconds })}`;
  };
}

/** An error with the ID of its request. */
export function ErrorText({ error }: { error: unknown }) {
  const t = useTranslations("errors");
  const describe = useErrorMessage();
  const requestId = requestIdOf(error);
  return (
    <>
      <span>{describe(error)}</span>
      {requestId !== undefined && (
        <span className="mt-1 block text-xs text-quiet">
          {t("requestId")} <code className="select-all">{requestId}</code>
        </span>
      )}
    </>
  );
}

interface PanelProps {
  error: unknown;
  onRetry?: () => void;
}

/** Takes the place of content that could not be loaded. */
export function ErrorPanel({ error, onRetry }: PanelProps) {
  const t = useTranslations("common");
  const wait = useCountdown(error);
  return (
    <div role="alert" className="rounded-xl border border-line bg-bad-ground p-5 text-sm break-words text-bad">
      <ErrorText error={error} />
      {onRetry !== undefined && (
        <div className="mt-4">
          <Button variant="secondary" size="small" onClick={onRetry} disabled={wait > 0}>
            {wait > 0 ? t("tryAgainIn", { seconds: wait }) : t("tryAgain")}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Counts down the seconds until the request may be sent again. */
export function useCountdown(error: unknown): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const end = Date.now() + (retryAfter(error) ?? 0) * 1000;
    const update = () => setLeft(Math.max(0, Math.ceil((end - Date.now()) / 1000)));
    update();
    const timer = setInterval(update, 500);
    return () => clearInterval(timer);
  }, [error]);
  return left;
}
