"use client";

import dynamic from "next/dynamic";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Section } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";

const PasswordForm = dynamic(() => import("./password-form").then((module) => module.PasswordForm));

export function Password() {
  const t = useTranslations("security");
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Section
        title={t("password")}
        text={t("passwordText")}
        actions={
          <Button variant="secondary" onClick={() => setOpen(true)}>
            {t("changePassword")}
          </Button>
        }
      />
      <Dialog open={isOpen} onOpenChange={setOpen} title={t("changePassword")} description={t("changePasswordText")}>
        <PasswordForm onChanged={() => setOpen(false)} />
      </Dialog>
    </>
  );
}
