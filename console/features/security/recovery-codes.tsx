"use client";

import { Download } from "lucide-react";
import { CopyButton } from "@/components/copy";
import { Button } from "@/components/ui/button";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { useConfig } from "@/features/shell/config";
import { useTranslations } from "@/lib/i18n";

interface Props {
  codes: readonly string[] | undefined;
  onClose: () => void;
}

/** Shows new recovery codes, once. */
export function NewRecoveryCodes({ codes, onClose }: Props) {
  const t = useTranslations("security");
  const { app_name } = useConfig();
  const text = codes?.join("\n") ?? "";
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
    link.download = `${app_name || "recovery"}-recovery-codes.txt`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <Dialog
      open={codes !== undefined}
      onOpenChange={(isOpen) => !isOpen && onClose()}
      title={t("recoveryCodes")}
      description={t("newCodesText")}
      isSticky
    >
      <ul className="grid grid-cols-1 gap-x-6 gap-y-1.5 rounded-lg border border-line bg-ground p-4 min-[24rem]:grid-cols-2">
        {codes?.map((code) => (
          <li key={code}>
            <code className="text-sm select-all">{code}</code>
          </li>
        ))}
      </ul>
      <div className="mt-3 flex flex-wrap gap-2">
        <CopyButton text={text} />
        <Button variant="secondary" size="small" onClick={download}>
          <Download className="size-4" aria-hidden />
          {t("download")}
        </Button>
      </div>
      <DialogActions>
        <Button onClick={onClose}>{t("codesStored")}</Button>
      </DialogActions>
    </Dialog>
  );
}
