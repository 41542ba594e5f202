"use client";

import type { ApiKeyWithSecret } from "undercroft-client";
import { Secret } from "@/components/copy";
import { Button } from "@/components/ui/button";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";

interface Props {
  created: ApiKeyWithSecret | undefined;
  onClose: () => void;
}

/** Shows the secret of a new or rotated key, once. */
export function NewKey({ created, onClose }: Props) {
  const t = useTranslations("apiKeys");
  return (
    <Dialog
      open={created !== undefined}
      onOpenChange={(isOpen) => !isOpen && onClose()}
      title={t("secretTitle")}
      description={t("secretText")}
      isSticky
    >
      {created !== undefined && (
        <div className="grid gap-4">
          <Secret label={t("secret")} text={created.key} />
          <div className="grid gap-1.5">
            <p className="text-sm">{t("usage")}</p>
            <Secret label={t("usage")} text={`Authorization: Bearer ${created.key}`} />
          </div>
        </div>
      )}
      <DialogActions>
        <Button onClick={onClose}>{t("stored")}</Button>
      </DialogActions>
    </Dialog>
  );
}
