"use client";

import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { useToasts } from "@/components/ui/toast";
import { useTranslations } from "@/lib/i18n";

const SHOWN = 2_000;

/** Copies a text to the clipboard. */
export function CopyButton({ text }: { text: string }) {
  const t = useTranslations("copy");
  const toasts = useToasts();
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN);
    return () => clearTimeout(timer);
  }, [isCopied]);

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      toasts.show(t("failed")); // not allowed, or not a secure context
    }
  };

  const Icon = isCopied ? Check : Copy;
  return (
    <Button variant="secondary" size="small" onClick={copy}>
      <Icon className="size-4" aria-hidden />
      <span aria-live="polite">{isCopied ? t("copied") : t("copy")}</span>
    </Button>
  );
}

interface SecretProps {
  /** Names the secret for screen readers. */
  label: string;
  text: string;
}

/** A secret to copy, which a click selects. */
export function Secret({ label, text }: SecretProps) {
  return (
    <div className="flex flex-wrap items-center gap-2 rounded-lg border border-line bg-ground p-3">
      <span className="sr-only">{label}</span>
      <code className="min-w-0 flex-1 basis-48 text-sm break-all select-all">{text}</code>
      <CopyButton text={text} />
    </div>
  );
}
