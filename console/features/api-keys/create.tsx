"use client";

import type { ApiKeyWithSecret } from "undercroft-client";
import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";

const CreateApiKeyForm = dynamic(() => import("./create-form").then((module) => module.CreateApiKeyForm));

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onCreated: (key: ApiKeyWithSecret) => void;
}

export function CreateApiKey({ open, onOpenChange, onCreated }: Props) {
  const t = useTranslations("apiKeys");
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={t("create")} description={t("createText")}>
      <CreateApiKeyForm
        onCreated={(key) => {
          onOpenChange(false);
          onCreated(key);
        }}
      />
    </Dialog>
  );
}
