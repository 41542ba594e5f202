"use client";

import { Button } from "@/components/ui/button";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { useMe } from "@/features/session/session";
import { useAction } from "@/lib/action";
import { useTranslations } from "@/lib/i18n";
import { endImpersonation } from "./end";

interface Props {
  open: boolean;
  onClose: () => void;
}

/** Leads the administrator back when the impersonation has expired. */
export function ImpersonationEnded({ open, onClose }: Props) {
  const t = useTranslations("impersonation");
  const me = useMe();
  const end = useAction({ run: () => endImpersonation(me.id) });
  return (
    <Dialog
      open={open}
      onOpenChange={(isOpen) => isOpen || onClose()}
      title={t("endedTitle")}
      description={t("endedText", { name: me.full_name || me.email })}
    >
      <DialogActions>
        <Button pending={end.isPending} onClick={() => end.mutate()}>
          {t("back")}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
