"use client";

import dynamic from "next/dynamic";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Section } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { useConfig } from "@/features/shell/config";
import { SetPassword } from "@/features/security/set-password";
import { useTranslations } from "@/lib/i18n";

const DeleteAccountForm = dynamic(() => import("./delete-form").then((module) => module.DeleteAccountForm));

export function DeleteAccount() {
  const t = useTranslations("account");
  const me = useMe();
  const { local_accounts } = useConfig();
  const [isOpen, setOpen] = useState(false);
  if (!me.has_password)
    return (
      <Section title={t("deleteTitle")} text={local_accounts ? t("deleteNeedsPassword") : t("deleteElsewhere")}>
        {local_accounts && <SetPassword />}
      </Section>
    );
  return (
    <Section title={t("deleteTitle")} text={t("deleteText")}>
      <Button variant="danger" onClick={() => setOpen(true)}>
        {t("delete")}
      </Button>
      <Dialog open={isOpen} onOpenChange={setOpen} title={t("deleteTitle")} description={t("deleteWarning")}>
        <DeleteAccountForm />
      </Dialog>
    </Section>
  );
}
