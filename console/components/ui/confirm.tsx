"use client";

import { useState, type ReactElement, type ReactNode } from "react";
import { Slot } from "radix-ui";
import { useTranslations } from "@/lib/i18n";
import { Button } from "./button";
import { Dialog, DialogActions } from "./dialog";

interface Question {
  title: ReactNode;
  text: ReactNode;
  action: string;
  /** The dialog closes when it resolves, and stays open when it rejects. */
  onConfirm: () => Promise<unknown>;
}

interface DialogProps extends Question {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** The dialog that asks, for actions that a menu starts. */
export function ConfirmDialog({ open, onOpenChange, title, text, action, onConfirm }: DialogProps) {
  const t = useTranslations("common");
  const [isPending, setPending] = useState(false);

  const confirm = async () => {
    setPending(true);
    try {
      await onConfirm();
      onOpenChange(false);
    } catch {
      // The action has shown its error.
    } finally {
      setPending(false);
    }
  };

  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={title} description={text}>
      <DialogActions>
        <Button variant="secondary" onClick={() => onOpenChange(false)}>
          {t("cancel")}
        </Button>
        <Button variant="danger" pending={isPending} onClick={confirm}>
          {action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

interface Props extends Question {
  /** The button that asks. */
  children: ReactElement;
}

/** Asks before an action that cannot be undone. */
export function Confirm({ children, ...question }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Slot.Root onClick={() => setOpen(true)}>{children}</Slot.Root>
      <ConfirmDialog open={isOpen} onOpenChange={setOpen} {...question} />
    </>
  );
}
