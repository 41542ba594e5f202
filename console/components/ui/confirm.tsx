"use client";

import { useState, type ReactElement, type ReactNode } from "react";
import { Slot } from "radix-ui";
import { useTranslations } from "@/lib/i18n";
import { Button } from "./button";
import { Dialog, DialogActions } from "./dialog";

interface Props {
  /** The button that asks. */
  children: ReactElement;
  title: ReactNode;
  text: ReactNode;
  action: string;
  /** The dialog closes when it resolves, and stays open when it rejects. */
  onConfirm: () => Promise<unknown>;
}

/** Asks before an action that cannot be undone. */
export function Confirm({ children, title, text, action, onConfirm }: Props) {
  const t = useTranslations("common");
  const [isOpen, setOpen] = useState(false);
  const [isPending, setPending] = useState(false);

  const confirm = async () => {
    setPending(true);
    try {
      await onConfirm();
      setOpen(false);
    } catch {
      // The action has shown its error.
    } finally {
      setPending(false);
    }
  };

  return (
    <>
      <Slot.Root onClick={() => setOpen(true)}>{children}</Slot.Root>
      <Dialog open={isOpen} onOpenChange={setOpen} title={title} description={text}>
        <DialogActions>
          <Button variant="secondary" onClick={() => setOpen(false)}>
            {t("cancel")}
          </Button>
          <Button variant="danger" pending={isPending} onClick={confirm}>
            {action}
          </Button>
        </DialogActions>
      </Dialog>
    </>
  );
}
