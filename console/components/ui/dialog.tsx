"use client";

import { X } from "lucide-react";
import { Dialog as Primitive } from "radix-ui";
import { Suspense, useRef, type ReactNode } from "react";
import { useTranslations } from "@/lib/i18n";
import { Button } from "./button";
import { Skeleton } from "./layout";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  description?: ReactNode;
  /** Whether a click beside the dialog leaves it open, such as for a secret that is shown only once. */
  isSticky?: boolean;
  children: ReactNode;
}

/** A modal dialog. The focus returns to the element that opened it. */
export function Dialog({ open, onOpenChange, title, description, isSticky, children }: Props) {
  const t = useTranslations("common");
  const opener = useRef<Element | null>(null);
  return (
    <Primitive.Root open={open} onOpenChange={onOpenChange}>
      <Primitive.Portal>
        {/* Not Radix's overlay, which writes a <style> element that the Content-Security-Policy refuses. */}
        <div className="fixed inset-0 z-40 grid items-end overflow-y-auto bg-black/45 sm:place-items-center sm:p-6">
          <Primitive.Content
            className="relative w-full rounded-t-2xl border border-line bg-card p-6 shadow-xl sm:max-w-lg sm:rounded-2xl"
            onOpenAutoFocus={() => {
              opener.current = document.activeElement;
            }}
            onCloseAutoFocus={(event) => {
              event.preventDefault();
              const target = opener.current?.isConnected ? opener.current : document.getElementById("content");
              if (target instanceof HTMLElement) target.focus();
            }}
            onPointerDownOutside={(event) => isSticky && event.preventDefault()}
            {...(description === undefined && { "aria-describedby": undefined })}
          >
            <Primitive.Title className="pr-8 text-lg font-semibold">{title}</Primitive.Title>
            {description !== undefined && (
              <Primitive.Description className="mt-1 text-sm text-quiet">{description}</Primitive.Description>
            )}
            <div className="mt-4">
              {/* Here, because a boundary further out would hide the page while a form is loaded, and drop its focus. */}
              <Suspense fallback={<Skeleton className="h-32" />}>{children}</Suspense>
            </div>
            <Primitive.Close asChild>
              <Button variant="quiet" size="icon" className="absolute top-4 right-4" aria-label={t("close")}>
                <X className="size-4" aria-hidden />
              </Button>
            </Primitive.Close>
          </Primitive.Content>
        </div>
      </Primitive.Portal>
    </Primitive.Root>
  );
}

/** The buttons at the end of a dialog. */
export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="mt-6 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">{children}</div>;
}
